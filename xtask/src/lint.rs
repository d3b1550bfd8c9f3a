//! `cargo xtask lint`: the OpenAPI document as others judge it, by a linter that is not ours.

use anyhow::bail;

use crate::debian;
use crate::run::{program, run, succeeds};

/// The linter and the version that the document is known to pass.
const REDOCLY: &str = "@redocly/cli@2.77.0";

pub(crate) fn run_on_document() -> anyhow::Result<()> {
    ensure_npm()?;
    let mut lint = program("npm");
    lint.args(["exec", "--yes", &format!("--package={REDOCLY}"), "--", "redocly", "lint"]);
    lint.args(["--extends", "recommended", "--max-problems", "50", "openapi/platform.json"]);
    lint.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    run(lint)
}

/// Node.js with npm, version 20 or newer.
pub(crate) fn ensure_npm() -> anyhow::Result<()> {
    let is_there = || {
        let mut npm = program("npm");
        npm.arg("--version");
        succeeds(npm)
    };
    if is_there() || (debian::install(&["nodejs", "npm"])? && is_there()) {
        return Ok(());
    }
    bail!("found no `npm`: install Node.js 20 or newer (https://nodejs.org)")
}
