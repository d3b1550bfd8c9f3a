//! `cargo xtask clients`: what others make of the OpenAPI document, tried on a real server.
//!
//! Clients are generated into `target/clients`, type-checked, and tell the same story each. Rust's
//! tells it in the tests of `kici-client`.

mod python;
mod typescript;

use std::path::Path;

use crate::server::{self, Server};
use crate::workspace::Workspace;

/// What the clients are generated from, and what fuzzing compares answers with.
pub(crate) const DOCUMENT: &str = "openapi/platform.json";

pub(crate) fn run(workspace: &Workspace, choice: &server::Choice) -> anyhow::Result<()> {
    ensure()?;
    let folder = workspace.target.join("clients");
    // What does not even pass a type checker shows before anything is built.
    let typescript = typescript::prepare(&folder.join("typescript"))?;
    let python = python::prepare(&folder.join("python"))?;
    let binary = server::binary(workspace, choice)?;
    tell(workspace, &binary, |server| typescript.tell(server))?;
    tell(workspace, &binary, |server| python.tell(server))
}

/// A server for each story: all of them begin with the same.
fn tell(
    workspace: &Workspace,
    binary: &Path,
    story: impl FnOnce(&Server) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let server = Server::start_dev(workspace, binary)?;
    let told = story(&server);
    if told.is_err() {
        eprintln!("the server's log:\n{}", server.log()?);
    }
    told
}

/// What a run will need, made sure of beforehand.
pub(crate) fn ensure() -> anyhow::Result<()> {
    crate::lint::ensure_npm()?;
    crate::python::ensure()
}
