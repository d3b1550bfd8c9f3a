//! Python, and environments with exactly the packages that a list names.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::debian;
use crate::run::{program, run, succeeds};

const MISSING: &str = "\
found no Python 3.11 or newer with `venv`. Do one of these:
  Debian, Ubuntu: sudo apt-get install python3 python3-venv
  Fedora:         sudo dnf install python3
  macOS:          brew install python
  elsewhere:      https://www.python.org/downloads/";

/// Python 3.11 or newer, as `python3`; `ensurepip` is what Debian has in a package of its own.
pub(crate) fn ensure() -> anyhow::Result<()> {
    let is_there = || {
        let mut python = program("python3");
        python.args(["-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"]);
        succeeds(python)
    };
    if is_there() || (debian::install(&["python3", "python3-venv"])? && is_there()) {
        return Ok(());
    }
    bail!(MISSING)
}

/// An environment with the packages of a list, kept for as long as the list stays the same.
#[derive(Debug)]
pub(crate) struct Venv(PathBuf);

impl Venv {
    pub(crate) fn ensure(folder: &Path, requirements: &str) -> anyhow::Result<Self> {
        ensure()?;
        let wanted = std::fs::read_to_string(requirements).context(requirements.to_owned())?;
        let installed = folder.join("installed.txt");
        let venv = Self(folder.to_owned());
        if std::fs::read_to_string(&installed).is_ok_and(|list| list == wanted) {
            return Ok(venv);
        }
        let mut create = program("python3");
        create.args(["-m", "venv", "--clear"]).arg(folder);
        run(create)?;
        let mut install = venv.program("python");
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.args(["--requirement", requirements]);
        run(install)?;
        // Last, so that what broke off is begun anew.
        std::fs::write(installed, wanted)?;
        Ok(venv)
    }

    /// A program of the environment; nothing is left beside the sources that it reads.
    pub(crate) fn program(&self, name: &str) -> std::process::Command {
        let mut command = program(self.path(name));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// Where a program of the environment is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join("bin").join(name)
    }
}
