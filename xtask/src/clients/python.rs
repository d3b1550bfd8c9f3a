//! Python: openapi-python-client makes a package, mypy reads it together with the story.

use std::path::{Path, PathBuf};

use super::DOCUMENT;
use crate::python::Venv;
use crate::run::run;
use crate::server::Server;

const STORY: &str = "clients/python/story.py";
const SETTINGS: &str = "clients/python/generate.yml";
const REQUIREMENTS: &str = "clients/python/requirements.txt";
/// What the generated package is called.
const PACKAGE: &str = "kici_client";

/// A client that was generated, and a story that passed the type checker.
#[derive(Debug)]
pub(super) struct Python {
    venv: Venv,
    folder: PathBuf,
}

pub(super) fn prepare(folder: &Path) -> anyhow::Result<Python> {
    std::fs::create_dir_all(folder)?;
    let venv = Venv::ensure(&folder.join("venv"), REQUIREMENTS)?;
    let package = folder.join(PACKAGE);
    let mut generate = venv.program("openapi-python-client");
    // A warning is an operation or a type that it left out.
    generate.args(["generate", "--meta", "none", "--overwrite", "--fail-on-warning"]);
    generate.args(["--path", DOCUMENT, "--config", SETTINGS, "--output-path"]).arg(&package);
    run(generate)?;
    let mut check = venv.program("mypy");
    check.args(["--strict", "--cache-dir"]).arg(folder.join("mypy"));
    check.arg(STORY).arg(package).env("MYPYPATH", folder);
    run(check)?;
    Ok(Python { venv, folder: folder.to_owned() })
}

impl Python {
    pub(super) fn tell(&self, server: &Server) -> anyhow::Result<()> {
        let mut story = server.told(self.venv.path("python"));
        story.arg(STORY).env("PYTHONPATH", &self.folder).env("PYTHONDONTWRITEBYTECODE", "1");
        run(story)
    }
}
