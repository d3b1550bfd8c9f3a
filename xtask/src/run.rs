//! Spawning other programs, and naming the one that failed.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// A program, without what `cargo run` told *us* about ourselves.
///
/// Build scripts (ring's, for one) run again when `CARGO_PKG_*` change. With these inherited,
/// `cargo xtask test` and a plain `cargo build` would take turns rebuilding half of the tree.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    for (variable, _) in std::env::vars_os() {
        let is_ours = variable
            .to_str()
            .is_some_and(|v| v.starts_with("CARGO_PKG_") || v.starts_with("CARGO_MANIFEST_"));
        if is_ours {
            command.env_remove(variable);
        }
    }
    command
}

/// The cargo that runs us.
pub(crate) fn cargo_path() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

pub(crate) fn cargo<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Command {
    let mut command = program(cargo_path());
    command.args(args);
    command
}

/// Runs a command in the foreground.
pub(crate) fn run(mut command: Command) -> anyhow::Result<()> {
    let line = line(&command);
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(())
}

/// Runs a command and returns what it printed; its errors go to our own.
pub(crate) fn output(mut command: Command) -> anyhow::Result<String> {
    let line = line(&command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    ensure!(output.status.success(), "`{line}` failed: {}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed no UTF-8"))
}

/// Whether a command can be started and succeeds, without a word on the screen.
pub(crate) fn succeeds(mut command: Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// A command as a person would type it: programs by their names, not by their paths.
fn line(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(name).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command() {
        let error = run(program("false")).unwrap_err().to_string();
        assert!(error.starts_with("`false` failed: "), "{error}");
        let error = run(program("no-such-program")).unwrap_err().to_string();
        assert_eq!(error, "cannot start `no-such-program`");
    }

    #[test]
    fn a_line_reads_as_typed() {
        let mut command = program("/usr/bin/env");
        command.args(["cargo", "fmt", "--all"]);
        assert_eq!(line(&command), "env cargo fmt --all");
    }

    #[test]
    fn children_do_not_learn_that_cargo_ran_us() {
        let printed = output(program("env")).unwrap();
        assert!(!printed.contains("CARGO_PKG_NAME="), "{printed}");
        assert!(!printed.contains("CARGO_MANIFEST_DIR="), "{printed}");
    }
}
