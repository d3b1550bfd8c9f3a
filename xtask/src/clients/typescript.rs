//! TypeScript: openapi-typescript makes the types, `openapi-fetch` calls with them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::DOCUMENT;
use crate::run::{program, run};
use crate::server::Server;

const SOURCES: &str = "clients/typescript";
const LOCK: &str = "package-lock.json";

/// A client that was generated, and a story that passed the type checker.
#[derive(Debug)]
pub(super) struct TypeScript {
    folder: PathBuf,
}

pub(super) fn prepare(folder: &Path) -> anyhow::Result<TypeScript> {
    let typescript = TypeScript { folder: folder.to_owned() };
    // A copy, so that nothing is installed or written among the sources.
    std::fs::create_dir_all(folder)?;
    for file in ["package.json", "tsconfig.json", "story.ts"] {
        copy(file, folder)?;
    }
    typescript.install()?;
    let document = Path::new(DOCUMENT).canonicalize().context(DOCUMENT)?;
    let mut generate = typescript.npm(&["run", "--silent", "generate", "--"]);
    generate.arg(document);
    run(generate)?;
    run(typescript.npm(&["run", "--silent", "check"]))?;
    Ok(typescript)
}

impl TypeScript {
    /// Installs what the lock file names, unless it did before.
    fn install(&self) -> anyhow::Result<()> {
        let wanted = std::fs::read_to_string(Path::new(SOURCES).join(LOCK)).context(LOCK)?;
        let installed = self.folder.join("installed.json");
        if std::fs::read_to_string(&installed).is_ok_and(|lock| lock == wanted) {
            return Ok(());
        }
        copy(LOCK, &self.folder)?;
        run(self.npm(&["ci", "--no-audit", "--no-fund", "--ignore-scripts"]))?;
        // Last, so that what broke off is begun anew.
        std::fs::write(installed, wanted)?;
        Ok(())
    }

    pub(super) fn tell(&self, server: &Server) -> anyhow::Result<()> {
        let mut story = server.told("npm");
        story.args(["run", "--silent", "story"]).current_dir(&self.folder);
        run(story)
    }

    fn npm(&self, words: &[&str]) -> Command {
        let mut npm = program("npm");
        npm.args(words).current_dir(&self.folder).env("npm_config_update_notifier", "false");
        npm
    }
}

fn copy(file: &str, folder: &Path) -> anyhow::Result<()> {
    let from = Path::new(SOURCES).join(file);
    std::fs::copy(&from, folder.join(file)).with_context(|| from.display().to_string())?;
    Ok(())
}
