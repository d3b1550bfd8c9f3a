//! One throw-away PostgreSQL server on the loopback interface: started, waited for, stopped. It
//! trusts everybody on this machine and keeps nothing over a power cut, for it need not.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::home::{Home, sweep};
use super::process::signal;
use super::tools::{Tools, finish};

/// Safety costs time, and these data are thrown away.
const SETTINGS: [&str; 6] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=300",
];
/// How often another port is tried, since somebody may take one between our look and the server's.
const PORTS: u32 = 3;
const START_PATIENCE: Duration = Duration::from_secs(30);
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// A running server. Dropping it stops it and removes all it has written; that takes a moment.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: nothing may still write into the folder when it goes.
    server: Server,
    _home: Home,
}

impl Cluster {
    /// Starts a server with the programs in `bin_dir`, else with those that are found.
    ///
    /// # Errors
    /// There are no such programs, or they fail; what they said is in the error.
    pub async fn start(bin_dir: Option<PathBuf>) -> anyhow::Result<Self> {
        let (home, tools) = tokio::task::spawn_blocking(|| initialise(bin_dir)).await??;
        for _ in 1..PORTS {
            if let Ok(server) = Server::start(&home, &tools).await {
                return Ok(Self { server, _home: home });
            }
        }
        Ok(Self { server: Server::start(&home, &tools).await?, _home: home })
    }

    /// The URL of the `postgres` database.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }
}

fn initialise(bin_dir: Option<PathBuf>) -> anyhow::Result<(Home, Tools)> {
    sweep();
    let home = Home::make()?;
    let tools = Tools::find(bin_dir, home.owner())?;
    let mut initdb = tools.command("initdb", home.path());
    initdb.args(["--no-sync", "-A", "trust", "-U", "postgres", "--locale=C", "-E", "UTF8", "-D"]);
    initdb.arg(home.data());
    finish(initdb)?;
    Ok((home, tools))
}

#[derive(Debug)]
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    async fn start(home: &Home, tools: &Tools) -> anyhow::Result<Self> {
        let port = free_port()?;
        let log = File::create(home.log())?;
        let mut command = tools.command("postgres", home.path());
        command.arg("-D").arg(home.data()).args(["-p", &port.to_string()]);
        command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Ctrl-C in a terminal goes to a whole group; the server has to outlive the tests.
        command.process_group(0);
        let process = command.spawn().context("can't run `postgres`")?;
        let mut server = Self { process, port };
        server.wait_until_ready(home).await?;
        Ok(server)
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    async fn wait_until_ready(&mut self, home: &Home) -> anyhow::Result<()> {
        let start = Instant::now();
        while start.elapsed() < START_PATIENCE {
            if let Some(status) = self.process.try_wait()? {
                let log = std::fs::read_to_string(home.log()).unwrap_or_default();
                bail!("`postgres` ended with {status}\n{log}");
            }
            // It listens before it answers, and a pool waits long where nobody listens.
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
                && kici_migration::execute(&self.url(), "SELECT 1").await.is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("`postgres` was not ready in {START_PATIENCE:?}")
    }

    /// Whether it ended within the time it has for that.
    fn has_ended(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < STOP_PATIENCE {
            match self.process.try_wait() {
                Ok(None) => std::thread::sleep(PAUSE),
                Ok(Some(_)) => return true,
                Err(_) => return false,
            }
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // `INT` cuts off all clients and ends in order, without leaving shared memory behind.
        if signal(self.process.id(), "INT").is_err() || !self.has_ended() {
            // Nothing gentler is left, and nobody to tell if this fails too.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
