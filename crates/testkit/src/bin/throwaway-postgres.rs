//! `throwaway-postgres [--] COMMAND ARGS…`: runs a command beside a PostgreSQL server that exists
//! for as long as the command runs. What the command tests is its own business.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, bail};
use kici_testkit::postgres::{self, Cluster, SERVER};
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};

const HELP: &str = "\
Runs a command beside a throw-away PostgreSQL server on 127.0.0.1.

Usage: throwaway-postgres [--] COMMAND [ARGS...]
       throwaway-postgres

The command finds the server's URL in KICI_TEST_PG_URL, and its exit code is ours.
Without a command the URL is printed and the server runs until Ctrl-C.

KICI_TEST_PG_BIN   the folder that holds `initdb` and `postgres`; else they are looked for
";

#[tokio::main]
async fn main() -> ExitCode {
    ours().await.unwrap_or_else(|error| {
        // With nobody to read it there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "throwaway-postgres: {error:#}");
        ExitCode::FAILURE
    })
}

async fn ours() -> anyhow::Result<ExitCode> {
    let mut args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match args.first().and_then(|first| first.to_str()) {
        Some("-h" | "--help") => {
            std::io::stdout().write_all(HELP.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        Some("--") => drop(args.remove(0)),
        Some(option) if option.starts_with('-') => bail!("unknown option `{option}`; try --help"),
        _ => {}
    }
    // From here on a signal ends us in order, so that the server ends too.
    let mut signals = Signals::listen()?;
    let cluster = select! {
        cluster = start() => cluster?,
        _ = signals.next() => return Ok(ExitCode::FAILURE),
    };
    match args.split_first() {
        Some((program, args)) => run(program, args, &cluster, &mut signals).await,
        None => {
            writeln!(std::io::stdout(), "{SERVER}={}", cluster.url())?;
            signals.next().await;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn start() -> anyhow::Result<Cluster> {
    let cluster = Cluster::start(None).await?;
    postgres::prepare(&cluster.url()).await?;
    Ok(cluster)
}

async fn run(
    program: &OsString,
    args: &[OsString],
    cluster: &Cluster,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    let mut child = Command::new(program)
        .args(args)
        .env(SERVER, cluster.url())
        .spawn()
        .with_context(|| format!("can't run `{}`", program.display()))?;
    let pid = child.id();
    let mut done = tokio::task::spawn_blocking(move || child.wait());
    loop {
        select! {
            status = &mut done => return Ok(exit_code(status??)),
            name = signals.next() => pass_on(pid, name),
        }
    }
}

/// A terminal sends Ctrl-C to the command itself; the second one in a row would mean something else.
fn pass_on(pid: u32, name: &str) {
    if name != "INT" || !is_in_terminal() {
        // It may have ended a moment ago.
        let _ = postgres::signal(pid, name);
    }
}

fn is_in_terminal() -> bool {
    std::io::stdin().is_terminal()
        || std::io::stdout().is_terminal()
        || std::io::stderr().is_terminal()
}

/// As a shell has it: 128 and the signal's number for whoever was ended by one.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|number| 128 + number));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        select! {
            _ = self.interrupt.recv() => "INT",
            _ = self.terminate.recv() => "TERM",
            _ = self.hangup.recv() => "HUP",
        }
    }
}
