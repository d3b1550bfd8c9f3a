//! Programs that our commands need beside cargo itself, installed when they are missing.

use crate::run::{cargo, run, succeeds};

/// A subcommand of cargo. Any version that is there will do; the one named here is known to build
/// with the pinned compiler.
#[derive(Debug)]
pub(crate) struct Tool {
    verb: &'static str,
    package: &'static str,
}

pub(crate) const NEXTEST: Tool = Tool { verb: "nextest", package: "cargo-nextest@0.9.143" };
pub(crate) const DENY: Tool = Tool { verb: "deny", package: "cargo-deny@0.20.2" };

impl Tool {
    pub(crate) fn ensure(&self) -> anyhow::Result<()> {
        if succeeds(cargo([self.verb, "--version"])) {
            return Ok(());
        }
        eprintln!("`cargo {}` is missing; installing it once, for a few minutes", self.verb);
        run(cargo(["install", "--locked", self.package]))
    }
}
