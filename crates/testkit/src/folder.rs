//! Folders that tests write to.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;

/// Creates an empty temporary folder whose name has `name` in it. A process that was killed may have left
/// one behind, and its id comes again: that one is not taken.
///
/// # Errors
/// The folder can't be created.
pub fn new_folder(name: &str) -> anyhow::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("kici-{name}-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder).context("no temporary folder"),
        }
    }
}
