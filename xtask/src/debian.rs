//! Installing what a fresh Debian lacks: only as root, and only where `apt-get` is.

use crate::run::{output, program, run, succeeds};

/// Installs `packages` if that is ours to do; says whether it was.
pub(crate) fn install(packages: &[&str]) -> anyhow::Result<bool> {
    if !is_root() || !succeeds(apt("--version")) {
        return Ok(false);
    }
    eprintln!("installing the Debian packages {}, once", packages.join(" "));
    let mut update = apt("update");
    update.arg("-qq");
    run(update)?;
    let mut install = apt("install");
    install.args(["-y", "--no-install-recommends"]).args(packages);
    run(install)?;
    Ok(true)
}

fn is_root() -> bool {
    let mut id = program("id");
    id.arg("-u");
    output(id).is_ok_and(|id| id.trim() == "0")
}

fn apt(verb: &str) -> std::process::Command {
    let mut command = program("apt-get");
    command.arg(verb).env("DEBIAN_FRONTEND", "noninteractive");
    command
}
