//! Processes by their id: whether one lives, and how to tell it something.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Sends a signal such as `INT` to a process. The shell's own `kill` is used, as it is everywhere.
///
/// # Errors
/// There is no such process, or it is not ours.
pub fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    let status = Command::new("sh")
        .args(["-c", r#"kill -s "$0" "$1""#, name, &pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .context("can't run `sh`")?;
    if !status.success() {
        bail!("process {pid} takes no signal {name}");
    }
    Ok(())
}

/// Whether a process of that id lives, whosever it is.
pub(super) fn is_alive(pid: u32) -> bool {
    if Path::new("/proc/self").exists() {
        return Path::new(&format!("/proc/{pid}")).exists();
    }
    let status = Command::new("ps")
        .args(["-p", &pid.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // Where nobody can tell, nothing is touched.
    status.map_or(true, |status| status.success())
}

/// Whether process `pid` names `path` on its command line; unknown counts as no.
pub(super) fn mentions(pid: u32, path: &Path) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let path = path.as_os_str().as_encoded_bytes();
    line.split(|byte| *byte == 0).any(|argument| argument == path)
}
