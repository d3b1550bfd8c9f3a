//! A platform to call: seeded, running on a free port, and gone with the value.
//!
//! Its database is a throw-away SQLite file, and it limits nobody's requests.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::run;
use crate::workspace::Workspace;

/// How often it is asked whether it is ready, and how long it may take from one time to the next.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// Whom `dev` lets in who has never been there.
const PERSON: &str = "grace";

#[derive(Debug, clap::Args)]
pub(crate) struct Choice {
    /// Use this binary of `kici-platform` instead of building one
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
}

/// A running server, with one organization.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) org: String,
    /// A personal access token of the organization's owner.
    pub(crate) owner_token: String,
    process: Process,
}

/// Ends with the value, and takes its folder along.
#[derive(Debug)]
struct Process {
    child: Child,
    folder: Folder,
}

#[derive(Debug)]
struct Folder(PathBuf);

impl Server {
    /// `serve`, with one organization that nobody else is in.
    pub(crate) fn start(workspace: &Workspace, binary: &Path) -> anyhow::Result<Self> {
        let folder = Folder::create(workspace)?;
        let address = free_address()?;
        let config = folder.0.join("platform.toml");
        std::fs::write(&config, configuration(address, &folder.0))?;
        let command = |words: &[&str]| {
            let mut command = run::program(binary);
            command.args(words).arg("--config").arg(&config);
            command
        };
        let made = run::output(command(&[
            "org",
            "create",
            "--name",
            "Acme",
            "--owner",
            "ada@example.org",
        ]))?;
        let child = spawn(command(&["serve"]), &folder)?;
        let mut process = Process { child, folder };
        process.wait_until_ready(address)?;
        let (org, owner_token) = (word(&made, "organization")?, word(&made, "token")?);
        Ok(Self { url: format!("http://{address}"), org, owner_token, process })
    }

    /// `dev`, where anybody can sign in.
    pub(crate) fn start_dev(workspace: &Workspace, binary: &Path) -> anyhow::Result<Self> {
        let folder = Folder::create(workspace)?;
        let address = free_address()?;
        let mut command = run::program(binary);
        command.args(["dev", "--ephemeral", "--listen"]).arg(address.to_string());
        let child = spawn(command, &folder)?;
        let mut process = Process { child, folder };
        process.wait_until_ready(address)?;
        let printed = process.printed()?;
        let (org, owner_token) =
            (word(&printed, "  organization")?, word(&printed, "  personal token")?);
        Ok(Self { url: format!("http://{address}"), org, owner_token, process })
    }

    /// A program that is told where the server is and who asks.
    pub(crate) fn told(&self, name: impl AsRef<OsStr>) -> Command {
        let mut command = run::program(name);
        command
            .env("KICI_URL", &self.url)
            .env("KICI_ORG", &self.org)
            .env("KICI_TOKEN", &self.owner_token)
            .env("KICI_PERSON", PERSON)
            .env("KICI_PERSON_EMAIL", format!("{PERSON}@demo.localhost"));
        command
    }

    /// What the server has logged so far: warnings and errors.
    pub(crate) fn log(&self) -> anyhow::Result<String> {
        self.process.log()
    }
}

impl Process {
    fn wait_until_ready(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        for _ in 0..ATTEMPTS {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at once ({status}):\n{}", self.log()?);
            }
            if is_ready(address) {
                return Ok(());
            }
            sleep(PAUSE);
        }
        bail!("the server did not become ready:\n{}", self.log()?)
    }

    fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.folder.0.join(LOG))?)
    }

    /// What it has printed, once it says how it ends.
    fn printed(&self) -> anyhow::Result<String> {
        for _ in 0..ATTEMPTS {
            let printed = std::fs::read_to_string(self.folder.0.join(PRINTED))?;
            if printed.contains("Ctrl-C") {
                return Ok(printed);
            }
            sleep(PAUSE);
        }
        bail!("the server did not say who its owner is:\n{}", self.log()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing of it is kept, so nothing is lost with an abrupt end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Folder {
    fn create(workspace: &Workspace) -> anyhow::Result<Self> {
        let path = workspace.target.join(format!("throwaway-server-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("can't make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What to start: built first, unless it is given.
pub(crate) fn binary(workspace: &Workspace, choice: &Choice) -> anyhow::Result<PathBuf> {
    if let Some(chosen) = &choice.server {
        return chosen.canonicalize().with_context(|| format!("--server {}", chosen.display()));
    }
    run::run(run::cargo(["build", "--package", "kici-platform"]))?;
    Ok(workspace.target.join(format!("debug/kici-platform{EXE_SUFFIX}")))
}

/// Free when it is asked for, and hardly taken by another in the moment until the server has it.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?)
}

fn configuration(address: SocketAddr, folder: &Path) -> String {
    format!(
        "\
[server]
listen = \"{address}\"
[database]
url = \"sqlite://{}?mode=rwc\"
[limits]
reads_per_minute = 0
writes_per_minute = 0
failed_tokens_per_minute = 0
deliveries_per_minute = 0
deliveries_from_address_per_minute = 0
[log]
level = \"warn\"
",
        folder.join("platform.db").display()
    )
}

const LOG: &str = "server.log";
const PRINTED: &str = "server.out";

fn spawn(mut command: Command, folder: &Folder) -> anyhow::Result<Child> {
    let (log, printed) = (File::create(folder.0.join(LOG))?, File::create(folder.0.join(PRINTED))?);
    command.stdin(Stdio::null()).stdout(printed).stderr(log);
    command.spawn().context("cannot start the server")
}

/// The word behind `name` in what a command printed for people.
fn word(printed: &str, name: &str) -> anyhow::Result<String> {
    let words = printed.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    words.map(str::to_owned).with_context(|| format!("no `{name}` in:\n{printed}"))
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, PAUSE)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200 "))
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_by_what_stands_before_it() {
        let printed =
            "user           usr_1\ntoken          kici_pat_2\n\nThe token is shown once.\n";
        assert_eq!(word(printed, "token").unwrap(), "kici_pat_2");
        assert_eq!(word(printed, "user").unwrap(), "usr_1");
        assert!(word(printed, "organization").unwrap_err().to_string().contains("usr_1"));
    }

    #[test]
    fn the_configuration_limits_nobody() {
        let text = configuration("127.0.0.1:9".parse().unwrap(), Path::new("/tmp/x"));
        let config: toml::Table = text.parse().unwrap();
        assert_eq!(config["limits"]["reads_per_minute"].as_integer(), Some(0));
        assert_eq!(
            config["database"]["url"].as_str(),
            Some("sqlite:///tmp/x/platform.db?mode=rwc")
        );
    }

    #[test]
    fn nobody_listens_on_a_free_address() {
        assert!(!is_ready(free_address().unwrap()));
    }
}
