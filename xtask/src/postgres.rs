//! Where PostgreSQL's server binaries are, and how they get there.
//!
//! It starts no server: `throwaway-postgres` of `kici-testkit` does, and stops it again.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::debian;
use crate::run::{output, program};

/// Connection URL of a server to test on; with it no other server is started.
pub(crate) const URL: &str = "KICI_TEST_PG_URL";
/// The folder of `initdb` and `postgres`.
pub(crate) const BIN: &str = "KICI_TEST_PG_BIN";

const MISSING: &str = "\
found no PostgreSQL server binaries (`initdb` and `postgres`). Do one of these:
  Debian, Ubuntu: sudo apt-get install postgresql
  Fedora:         sudo dnf install postgresql-server
  macOS:          brew install postgresql
  elsewhere:      set KICI_TEST_PG_BIN to the folder that holds them
  a server that runs already: set KICI_TEST_PG_URL
  without PostgreSQL, by choice: cargo xtask test --sqlite-only";

/// Whether somebody else provides the server.
pub(crate) fn is_given() -> bool {
    env::var_os(URL).is_some_and(|url| !url.is_empty())
}

/// What a run of the tests will need, made sure of beforehand.
pub(crate) fn ensure_for_tests() -> anyhow::Result<()> {
    if !is_given() {
        ensure()?;
    }
    Ok(())
}

/// The folder of the server binaries, installed first if that is ours to do.
pub(crate) fn ensure() -> anyhow::Result<PathBuf> {
    if let Some(chosen) = env::var_os(BIN) {
        // A choice is not second-guessed.
        let folder = Path::new(&chosen);
        return server_in(folder)
            .with_context(|| format!("{BIN}: no `initdb` and `postgres` in {}", folder.display()));
    }
    if let Some(bin) = find() {
        return Ok(bin);
    }
    debian::install(&["postgresql"])?;
    match find() {
        Some(bin) => Ok(bin),
        None => bail!(MISSING),
    }
}

fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .find_map(|folder| server_in(&folder))
        .or_else(|| newest("/usr/lib/postgresql", ""))
        .or_else(|| newest("/opt/homebrew/opt", "postgresql@"))
        .or_else(|| newest("/usr/local/opt", "postgresql@"))
        .or_else(|| {
            let mut asked = program("pg_config");
            asked.arg("--bindir");
            server_in(Path::new(output(asked).ok()?.trim()))
        })
}

/// The server with the largest number among `<folder>/<prefix><number>/bin`.
fn newest(folder: &str, prefix: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let servers = entries.filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
        Some((number, server_in(&entry.path().join("bin"))?))
    });
    servers.max().map(|(_, bin)| bin)
}

/// Where the server of a folder really is: `/usr/local/bin` may link to a few of its programs.
fn server_in(folder: &Path) -> Option<PathBuf> {
    let initdb = folder.join("initdb").canonicalize().ok()?;
    let bin = initdb.parent()?;
    bin.join("postgres").is_file().then(|| bin.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with the given programs, gone with the value.
    #[derive(Debug)]
    struct Folder(PathBuf);

    impl Folder {
        fn with(name: &str, programs: &[&str]) -> Self {
            let root = env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
            for program in programs {
                let program = root.join(program);
                std::fs::create_dir_all(program.parent().unwrap()).unwrap();
                std::fs::write(program, "").unwrap();
            }
            Self(root.canonicalize().unwrap())
        }

        fn newest(&self, prefix: &str) -> Option<PathBuf> {
            newest(self.0.to_str().unwrap(), prefix)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_newest_version_is_the_largest_number() {
        let programs = ["9/bin/initdb", "9/bin/postgres", "17/bin/initdb", "17/bin/postgres"];
        let folder = Folder::with("newest", &programs);
        assert_eq!(folder.newest(""), Some(folder.0.join("17/bin")));
    }

    #[test]
    fn a_client_alone_is_no_server() {
        let folder = Folder::with("client", &["17/bin/psql", "17/bin/initdb"]);
        assert_eq!(folder.newest(""), None);
    }

    #[test]
    fn other_formulae_are_not_versions() {
        let programs = ["postgresql@16/bin/initdb", "postgresql@16/bin/postgres", "node@22/bin/x"];
        let folder = Folder::with("homebrew", &programs);
        assert_eq!(folder.newest("postgresql@"), Some(folder.0.join("postgresql@16/bin")));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_leads_to_the_server() {
        let folder = Folder::with("link", &["17/bin/initdb", "17/bin/postgres", "local/psql"]);
        let (server, local) = (folder.0.join("17/bin"), folder.0.join("local"));
        std::os::unix::fs::symlink(server.join("initdb"), local.join("initdb")).unwrap();
        assert_eq!(server_in(&local), Some(server));
    }
}
