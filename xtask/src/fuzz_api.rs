//! `cargo xtask fuzz-api`: whatever the document allows and what it does not, sent to a real server
//! by schemathesis, and each answer compared with the document.

use anyhow::Context;

use crate::clients::DOCUMENT;
use crate::python::Venv;
use crate::server::{self, Server};
use crate::workspace::Workspace;

const REQUIREMENTS: &str = "clients/python/requirements-fuzz.txt";
/// What is checked, what is left out, and why.
const SETTINGS: &str = "clients/python/fuzz.toml";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: server::Choice,
    /// How many requests of chance each operation gets, beside those that are the same each time
    #[arg(long, value_name = "N", default_value_t = 60)]
    max_examples: u32,
    /// What chance begins with; the same seed draws the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Handed to `schemathesis run`, such as `--include-operation-id roles_update`
    #[arg(last = true)]
    schemathesis: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let folder = workspace.target.join("fuzz-api");
    let venv = Venv::ensure(&folder.join("venv"), REQUIREMENTS)?;
    let server = Server::start(workspace, &server::binary(workspace, &args.server)?)?;
    eprintln!(
        "the seed is {}; to repeat this: --seed {0} --max-examples {}",
        args.seed, args.max_examples
    );

    let mut fuzz = server.told(venv.path("schemathesis"));
    fuzz.args(["--config-file", SETTINGS, "run", DOCUMENT, "--url", &server.url]);
    fuzz.args(["--seed", &args.seed.to_string(), "--max-examples", &args.max_examples.to_string()]);
    fuzz.args(&args.schemathesis);
    // The hooks draw as well.
    fuzz.env("KICI_SEED", args.seed.to_string()).env("PYTHONDONTWRITEBYTECODE", "1");
    let fuzzed = crate::run::run(fuzz);

    // A 500 says nothing to its caller; why it came stands here.
    let log = folder.join("server.log");
    let logged = server.log()?;
    std::fs::write(&log, &logged).with_context(|| log.display().to_string())?;
    eprintln!("the server logged {} lines: {}", logged.lines().count(), log.display());
    fuzzed
}
