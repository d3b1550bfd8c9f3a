//! Real servers of others for the tests: an identity provider and a mail server, npm's, with the
//! versions that are pinned beside their scripts.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::lint::ensure_npm;
use crate::run::{program, run};
use crate::workspace::Workspace;

/// Where the tests look for them.
pub(crate) const FOLDER: &str = "KICI_TEST_SERVERS";
const SOURCE: &str = "bins/kici-platform/tests/servers";
const LOCK: &str = "package-lock.json";
const FILES: [&str; 4] = ["package.json", LOCK, "mail.mjs", "provider.mjs"];

/// Installs them where the pinned versions have changed; gives the folder.
pub(crate) fn ensure(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let (source, folder) = (workspace.root.join(SOURCE), workspace.target.join("test-servers"));
    // Written last, so that an install that broke off is done again.
    let stamp = folder.join("installed");
    let wanted = read(&source.join(LOCK))?;
    let is_installed = std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted);
    std::fs::create_dir_all(&folder).context("no folder for the servers of the tests")?;
    for file in FILES {
        std::fs::copy(source.join(file), folder.join(file))
            .with_context(|| format!("can't copy {file}"))?;
    }
    if !is_installed {
        ensure_npm()?;
        let mut install = program("npm");
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
        install.current_dir(&folder);
        run(install)?;
        std::fs::write(&stamp, wanted).context("can't remember what was installed")?;
    }
    Ok(folder)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}
