//! Servers of others, which `cargo xtask test` puts where the environment says. Plain `cargo test`
//! leaves out what needs them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Where the scripts lie beside their packages.
const FOLDER: &str = "KICI_TEST_SERVERS";
/// How long a server may take to say something.
const PATIENCE: Duration = Duration::from_secs(20);

/// A script that runs until this is dropped.
pub(crate) struct NodeServer {
    child: Child,
    /// The first line that it printed.
    pub(crate) hello: String,
    lines: Receiver<String>,
}

impl NodeServer {
    /// `None` where there are no such servers.
    pub(crate) fn start(script: &str, args: &[&str]) -> Option<Self> {
        let Some(folder) = std::env::var_os(FOLDER) else {
            println!("left out: {FOLDER} is not set; `cargo xtask test` sets it");
            return None;
        };
        let mut command = Command::new("node");
        command.arg(Path::new(&folder).join(script)).args(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let (heard, lines) = channel();
        // A server that nobody reads would stop at some point.
        std::thread::spawn(move || {
            printed.map_while(Result::ok).all(|line| heard.send(line).is_ok())
        });
        let mut server = Self { child, hello: String::new(), lines };
        server.hello = server.next();
        Some(server)
    }

    /// The next line.
    pub(crate) fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// What it has printed and nobody has read.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }
}

/// Whoever fails leaves nothing running.
impl Drop for NodeServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
