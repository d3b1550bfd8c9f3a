//! The folder of one cluster, removed with it. Folders whose maker is dead are cleared away.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;

use super::process::{is_alive, mentions, signal};
use super::tools::{User, unprivileged};

/// Not the system's temporary folder, which may be closed to the user who runs the server.
const PARENT: &str = "/tmp";
const PREFIX: &str = "kici-test-postgres-";

/// A folder that nobody else may look into.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    owner: Option<User>,
}

impl Home {
    /// `/tmp/kici-test-postgres-<our pid>`, and a number behind it from the second one on. As root
    /// it is given away to a user who may run the server.
    pub(super) fn make() -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut name = format!("{PREFIX}{}", std::process::id());
        match COUNT.fetch_add(1, Ordering::Relaxed) {
            0 => {}
            count => name.push_str(&format!("-{count}")),
        }
        let path = Path::new(PARENT).join(name);
        let failed = || format!("can't make `{}`", path.display());
        // Fails if there is one already, so nobody can put a trap in our way.
        std::fs::DirBuilder::new().mode(0o700).create(&path).with_context(failed)?;
        let mut home = Self { path, owner: None };
        if std::fs::metadata(&home.path)?.uid() == 0 {
            let owner = unprivileged()?;
            chown(&home.path, Some(owner.uid), Some(owner.gid))?;
            home.owner = Some(owner);
        }
        Ok(home)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Who has to run the server; `None` for ourselves.
    pub(super) const fn owner(&self) -> Option<User> {
        self.owner
    }

    pub(super) fn data(&self) -> PathBuf {
        data(&self.path)
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join("log")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What stays behind is swept by the next one.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn data(home: &Path) -> PathBuf {
    home.join("data")
}

/// Removes what processes left behind that were killed before they could, and ends their servers.
pub(super) fn sweep() {
    let entries = std::fs::read_dir(PARENT).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let maker = entry.file_name().to_str().and_then(maker);
        if maker.is_some_and(|pid| !is_alive(pid)) {
            end_server(&entry.path());
            // It may belong to somebody else.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The process that made a folder of this name.
fn maker(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

fn end_server(home: &Path) {
    let file = std::fs::read_to_string(data(home).join("postmaster.pid")).unwrap_or_default();
    let pid = file.lines().next().and_then(|line| line.trim().parse().ok());
    // The number may be another process's by now.
    let Some(pid) = pid.filter(|pid| mentions(*pid, &data(home))) else { return };
    // At once, without writing anything that is thrown away in a moment.
    let _ = signal(pid, "QUIT");
    for _ in 0..100 {
        if !is_alive(pid) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_name_tells_its_maker() {
        assert_eq!(maker("kici-test-postgres-12"), Some(12));
        assert_eq!(maker("kici-test-postgres-12-3"), Some(12));
        for other in ["kici-test-postgres-", "kici-test-postgres-x", "postgres-12", ""] {
            assert_eq!(maker(other), None, "{other}");
        }
    }
}
