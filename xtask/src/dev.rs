//! `cargo xtask dev`: the development server.

use crate::run::cargo;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Handed on as they are, such as `--ephemeral`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut command = cargo(["run", "--package", "kici-platform", "--", "dev"]);
    command.args(&args.rest);
    become_it(command)
}

/// Ctrl-C is the server's to answer: with us still in between, the prompt would be back before
/// the server has shut down.
#[cfg(unix)]
fn become_it(mut command: std::process::Command) -> anyhow::Result<()> {
    Err(std::os::unix::process::CommandExt::exec(&mut command).into())
}

#[cfg(not(unix))]
fn become_it(command: std::process::Command) -> anyhow::Result<()> {
    crate::run::run(command)
}
