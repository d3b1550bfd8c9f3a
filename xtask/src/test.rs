//! `cargo xtask test`: the suite on both databases, with whatever it needs provided.
//!
//! SQLite alone is a choice that has to be spelled out, never what happens when PostgreSQL is
//! missing.

use std::env::consts::EXE_SUFFIX;

use crate::postgres::{BIN, URL};
use crate::workspace::Workspace;
use crate::{pgbouncer, postgres, run, test_servers, tools};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave PostgreSQL out
    #[arg(long)]
    sqlite_only: bool,
    /// Handed to `cargo nextest run --workspace`, such as `-E 'test(members)'`
    #[arg(last = true)]
    nextest: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    // What is missing shows now, not after the build.
    tools::NEXTEST.ensure()?;
    let needs_server = !args.sqlite_only && !postgres::is_given();
    let server = if needs_server { Some(postgres::ensure()?) } else { None };
    if !args.sqlite_only {
        pgbouncer::ensure()?;
    }
    let servers = test_servers::ensure(workspace)?;

    // nextest runs no doc tests. They come first, so that the suite's summary ends the output.
    run::run(run::cargo(["test", "--doc", "--package", "kici-rbac", "--package", "kici-client"]))?;

    let mut suite = vec!["nextest", "run", "--workspace"];
    suite.extend(args.nextest.iter().map(String::as_str));
    if args.sqlite_only {
        eprintln!("PostgreSQL is left out by choice (--sqlite-only): SQLite alone is tested");
        let mut command = run::cargo(suite);
        command.env_remove(URL).env(test_servers::FOLDER, servers);
        return run::run(command);
    }
    let Some(bin) = server else {
        eprintln!("PostgreSQL is the server of {URL}");
        let mut command = run::cargo(suite);
        command.env(test_servers::FOLDER, servers);
        return run::run(command);
    };
    // All targets, not the one binary: another set of packages has other features, and would
    // build the dependencies twice.
    run::run(run::cargo(["build", "--workspace", "--all-targets"]))?;
    let throwaway = format!("debug/throwaway-postgres{EXE_SUFFIX}");
    let mut command = run::program(workspace.target.join(throwaway));
    command.arg("--").arg(run::cargo_path()).args(suite).env(BIN, bin);
    command.env(test_servers::FOLDER, servers);
    run::run(command)
}
