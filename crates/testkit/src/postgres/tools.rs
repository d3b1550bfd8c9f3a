//! Finds PostgreSQL's programs and runs them as somebody who may: the server refuses to be root.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// The environment variable that overrules every search.
const BIN: &str = "KICI_TEST_PG_BIN";
const NOWHERE: &str = "no PostgreSQL here: install it (Debian and Ubuntu: `apt-get install \
    postgresql`), or set KICI_TEST_PG_BIN to the folder that holds `initdb` and `postgres`";

/// The programs and the user who runs them.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    folder: PathBuf,
    user: Option<User>,
}

/// A user and their group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Tools {
    /// From `folder`, else from wherever they are; run as `user`, else as ourselves.
    pub(super) fn find(folder: Option<PathBuf>, user: Option<User>) -> anyhow::Result<Self> {
        let folder = folder.or_else(|| std::env::var_os(BIN).map(PathBuf::from));
        if let Some(folder) = &folder
            && !is_complete(folder)
        {
            bail!("`{}` does not hold `initdb` and `postgres`", folder.display());
        }
        let folder = folder.or_else(on_the_path).or_else(newest).or_else(from_pg_config);
        Ok(Self { folder: folder.context(NOWHERE)?, user })
    }

    /// A program with nothing of our surroundings that it could trip over.
    pub(super) fn command(&self, program: &str, home: &Path) -> Command {
        let mut command = Command::new(self.folder.join(program));
        command.current_dir(home).env("HOME", home).env("LC_ALL", "C");
        if let Some(User { uid, gid }) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file())
}

/// Links are followed: `initdb` looks for its files beside itself.
fn on_the_path() -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .filter_map(|folder| folder.join("initdb").canonicalize().ok())
        .filter_map(|program| program.parent().map(Path::to_owned))
        .find(|folder| is_complete(folder))
}

/// Debian keeps versions side by side, off the path.
fn newest() -> Option<PathBuf> {
    let version = |entry: &Path| -> Option<u32> { entry.file_name()?.to_str()?.parse().ok() };
    std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| is_complete(&folder.join("bin")))
        .max_by_key(|folder| version(folder))
        .map(|folder| folder.join("bin"))
}

fn from_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    is_complete(&folder).then_some(folder)
}

/// Who runs a server that root must not run: `postgres`, else `nobody`.
pub(super) fn unprivileged() -> anyhow::Result<User> {
    let users = std::fs::read_to_string("/etc/passwd").context("can't read /etc/passwd")?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| users.lines().find_map(|line| user(line, name)))
        .context("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")
}

/// `name:password:uid:gid:…`
fn user(line: &str, name: &str) -> Option<User> {
    let mut fields = line.split(':');
    if fields.next() != Some(name) {
        return None;
    }
    let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(User { uid, gid })
}

/// Runs a program to its end; what it printed is in the error.
pub(super) fn finish(mut command: Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let name = Path::new(&program).file_name().unwrap_or(OsStr::new("?")).display().to_string();
    let output = command.output().with_context(|| format!("can't run `{name}`"))?;
    if !output.status.success() {
        let (out, err) = (&output.stdout, &output.stderr);
        let (out, err) = (String::from_utf8_lossy(out), String::from_utf8_lossy(err));
        bail!("`{name}` failed with {}\n{out}{err}", output.status);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_their_line() {
        let line = "postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash";
        assert_eq!(user(line, "postgres"), Some(User { uid: 101, gid: 104 }));
        for (line, name) in [(line, "postgre"), ("postgres:x", "postgres"), ("", "postgres")] {
            assert_eq!(user(line, name), None, "{line}");
        }
    }
}
