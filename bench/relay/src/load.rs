//! Senders who do not wait for each other: as many webhooks a second as they are told to, whatever
//! becomes of the ones before. A connection that is free is used again.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use kici_bench_stage::parts::{own_cpu, say};
use kici_orchestrator_core::sign;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{sleep_until, timeout};

use crate::{APP, SECRET};

/// How large a delivery is.
const SIZE: usize = 8 * 1024;
/// How long one may take before it counts as lost; GitHub gives up after ten seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) accepted: usize,
    pub(crate) lost: usize,
    /// The first thing that went wrong.
    pub(crate) error: Option<String>,
    /// In microseconds.
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    /// The senders' own share of one processor.
    pub(crate) cpu: f64,
}

pub(crate) fn run(address: &str, path: &str, rate: f64, seconds: f64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let senders = Rc::new(Senders::new(address, path));
        let begun = Instant::now();
        let mut all = Vec::new();
        for n in 0..(rate * seconds) as usize {
            let due = begun + Duration::from_secs_f64(n as f64 / rate);
            if due > Instant::now() {
                sleep_until(due.into()).await;
            }
            let senders = senders.clone();
            all.push(tokio::task::spawn_local(async move { senders.send(n).await }));
        }
        let (mut times, mut errors) = (Vec::new(), Vec::new());
        for one in all {
            match one.await? {
                Ok(time) => times.push(time),
                Err(error) => errors.push(format!("{error:#}")),
            }
        }
        times.sort_unstable();
        let percent = |n: usize| {
            times.get(times.len() * n / 100).map_or(u64::MAX, |time| time.as_micros() as u64)
        };
        say(&Sent {
            accepted: times.len(),
            lost: errors.len(),
            p50: percent(50),
            p99: percent(99),
            cpu: own_cpu()?.as_secs_f64() / begun.elapsed().as_secs_f64(),
            error: errors.into_iter().next(),
        })
    })
}

struct Senders {
    address: String,
    head: String,
    body: String,
    free: RefCell<Vec<TcpStream>>,
}

impl Senders {
    fn new(address: &str, path: &str) -> Self {
        let body = body();
        let signature = sign::github(SECRET, body.as_bytes());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: GitHub-Hookshot/bench\r\n\
             content-type: application/json\r\ncontent-length: {SIZE}\r\nx-github-event: push\r\n\
             x-github-hook-installation-target-type: integration\r\n\
             x-github-hook-installation-target-id: {APP}\r\nx-hub-signature-256: {signature}\r\n"
        );
        Self { address: address.to_owned(), head, body, free: RefCell::default() }
    }

    /// Sends one, and tells how long its answer took.
    async fn send(&self, n: usize) -> anyhow::Result<Duration> {
        let sent = Instant::now();
        let free = self.free.borrow_mut().pop();
        timeout(PATIENCE, async {
            let mut stream = match free {
                Some(stream) => stream,
                None => TcpStream::connect(&self.address).await?,
            };
            stream.set_nodelay(true)?;
            // Each delivery has an id of its own; a second one with the same id is no work.
            let (process, time) = (std::process::id(), sent.elapsed().subsec_nanos());
            let id = format!("{process:08x}-{time:08x}-4000-8000-{n:012x}");
            let text = format!("{}x-github-delivery: {id}\r\n\r\n{}", self.head, self.body);
            stream.write_all(text.as_bytes()).await?;
            let answer = read(&mut stream).await?;
            ensure!(answer.starts_with(b"HTTP/1.1 200 "), "{}", answer.escape_ascii());
            self.free.borrow_mut().push(stream);
            Ok(sent.elapsed())
        })
        .await
        .context("no answer")?
    }
}

/// A push with as many commits as fit, and a text that fills the rest.
fn body() -> String {
    let mut body = String::from(
        "{\"ref\":\"refs/heads/main\",\"repository\":{\"full_name\":\"acme/api\"},\"commits\":[",
    );
    while body.len() < SIZE - 400 {
        body += "{\"id\":\"5c0ffee\",\"message\":\"Mend it\",\"added\":[],\"removed\":[]},";
    }
    body += "{}],\"padding\":\"";
    body += &"x".repeat(SIZE - body.len() - 2);
    body + "\"}"
}

/// Reads one answer with a length.
async fn read(stream: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut answer = Vec::with_capacity(1024);
    loop {
        ensure!(stream.read_buf(&mut answer).await? > 0, "hung up");
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&answer[..head])?;
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("an answer without a length")?.parse()?;
        if answer.len() >= head + 4 + length {
            return Ok(answer);
        }
    }
}
