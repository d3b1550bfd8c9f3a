//! `cargo xtask deny`: what `deny.toml` says of all our dependencies.
//!
//! Advisories are not asked here: they need a database from the network and change without us.
//! The nightly `audit` workflow asks for them.

use crate::run;
use crate::tools;

pub(crate) fn run() -> anyhow::Result<()> {
    tools::DENY.ensure()?;
    // A build downloads the crates of its own platform only; the licences of all are looked at.
    run::run(run::cargo(["fetch", "--quiet"]))?;
    run::run(run::cargo(["deny", "--offline", "check", "bans", "licenses", "sources"]))
}
