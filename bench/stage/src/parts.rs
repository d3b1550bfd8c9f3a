//! A bench of servers is several processes of one program: those who serve, and whoever asks. So
//! nobody shares a runtime or an allocator with anybody, and what each of them costs can be told.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Another process of this program. It ends when this is dropped.
#[derive(Debug)]
pub struct Part {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Part {
    /// Starts this program once more, with other arguments.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(args: &[&str], env: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("can't start `{}`", args.join(" ")))?;
        let says = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self { child, says })
    }

    /// What it says next.
    ///
    /// # Errors
    /// It has ended, or says something else.
    pub fn hear<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        self.says.read_line(&mut line)?;
        ensure!(!line.is_empty(), "a part of the bench has ended");
        Ok(serde_json::from_str(&line)?)
    }

    /// The time that it has spent on the processors.
    ///
    /// # Errors
    /// It has ended.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu(&self.child.id().to_string())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Without anybody to listen to, it ends.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Says something to whoever has started this part.
///
/// # Errors
/// Nobody listens.
pub fn say(what: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, what)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Returns when whoever has started this part lets go of it.
pub fn until_let_go() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// The time that this process has spent on the processors.
///
/// # Errors
/// The system does not tell.
pub fn own_cpu() -> anyhow::Result<Duration> {
    cpu("self")
}

/// `utime` and `stime`, in hundredths of a second.
fn cpu(process: &str) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program is in parentheses and may have anything in it.
    let (_, fields) = stat.rsplit_once(") ").context("no fields")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Ok(Duration::from_millis(10 * ticks.sum::<Result<u64, _>>()?))
}
