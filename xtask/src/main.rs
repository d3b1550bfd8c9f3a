//! `cargo xtask <verb>`: the few habits of this workspace, each one command.
//!
//! It links none of our crates and spawns `cargo` for everything, so that it still runs when they
//! do not compile.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what a developer's command is for"
)]

mod arrows;
mod bench;
mod ci;
mod clients;
mod debian;
mod deny;
mod dev;
mod finding;
mod fuzz_api;
mod generate;
mod lint;
mod pgbouncer;
mod postgres;
mod python;
mod run;
mod server;
mod test;
mod test_servers;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Developer commands of the KiCI Platform.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Everything that CI requires, in order; stops at the first failure
    Ci,
    /// The test suite on SQLite and PostgreSQL
    ///
    /// Installs cargo-nextest if it is missing. Starts a PostgreSQL of its own for the run, from
    /// the server binaries it finds; as root on a Debian it installs them. With KICI_TEST_PG_URL
    /// set, it uses that server instead.
    Test(test::Args),
    /// Write the OpenAPI document and the reference pages from the code
    Generate(generate::Args),
    /// The OpenAPI document, by Redocly's linter; gets it with npm
    Lint,
    /// Clients in TypeScript and Python, generated, type-checked and tried on a running server
    ///
    /// Gets the generators with npm and pip, as `clients/` pins them, and writes below `target/`
    /// alone. Needs Node.js 20 and Python 3.11, or newer.
    Clients(server::Choice),
    /// Random requests to a running server, and each answer compared with the OpenAPI document
    ///
    /// Gets schemathesis with pip, and calls all operations as the owner of an organization. What
    /// is checked and what is left out stands in `clients/python/fuzz.toml`. About two minutes.
    FuzzApi(fuzz_api::Args),
    /// Compare the imports between our crates with the table of ARCHITECTURE.md
    Arrows,
    /// The house rules that no lint knows: file sizes, forbidden words, error codes, modules,
    /// manifests, pages
    Tidy,
    /// Licences, bans and sources of all dependencies, by `deny.toml`
    Deny,
    /// Measure, against rivals that take turns; prints tables, takes minutes
    ///
    /// Builds `bench/`, which is not a part of this workspace, of the tests or of CI. `http` and
    /// `relay` start a PostgreSQL of their own, from the server binaries that `test` finds or
    /// installs; with KICI_TEST_PG_URL set, they use that server instead.
    Bench(bench::Args),
    /// Run the development server; arguments go to `kici-platform dev`
    Dev(dev::Args),
}

fn main() -> ExitCode {
    let Err(error) = dispatch(Cli::parse().verb) else { return ExitCode::SUCCESS };
    // No backtrace: what fails here is a check, and its place is in the findings.
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    ExitCode::FAILURE
}

fn dispatch(verb: Verb) -> anyhow::Result<()> {
    let workspace = Workspace::load()?;
    // From here on every path is relative to the root, wherever the command was typed.
    std::env::set_current_dir(&workspace.root)?;
    match verb {
        Verb::Ci => ci::run(),
        Verb::Test(args) => test::run(&workspace, &args),
        Verb::Generate(args) => generate::run(&args),
        Verb::Lint => lint::run_on_document(),
        Verb::Clients(choice) => clients::run(&workspace, &choice),
        Verb::FuzzApi(args) => fuzz_api::run(&workspace, &args),
        Verb::Arrows => arrows::run(&workspace),
        Verb::Tidy => tidy::run(&workspace),
        Verb::Deny => deny::run(),
        Verb::Bench(args) => bench::run(&args),
        Verb::Dev(args) => dev::run(&args),
    }
}
