//! Whoever asks: connections that stay, on each of them one request after the other. One thread
//! and no library, so that the processors are left to those who answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use kici_bench_stage::parts::{own_cpu, say};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const CONNECTIONS: usize = 48;

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) requests: usize,
    pub(crate) seconds: f64,
    /// Of the asker itself.
    pub(crate) cpu: f64,
    /// In microseconds.
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    /// The last answer's.
    pub(crate) body: String,
}

pub(crate) fn run(address: &str, org: &str, token: &str, seconds: f64) -> anyhow::Result<()> {
    let request = request(address, org, token);
    block_on(async {
        let begun = Instant::now();
        let end = begun + Duration::from_secs_f64(seconds);
        let mut all = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut stream = connect(address).await?;
            let request = request.clone();
            all.push(tokio::spawn(async move {
                let (mut times, mut answer) = (Vec::new(), Vec::with_capacity(4096));
                while Instant::now() < end {
                    let asked = Instant::now();
                    ask(&mut stream, &request, &mut answer).await?;
                    times.push(asked.elapsed());
                }
                Ok((times, answer))
            }));
        }
        tell(all, begun).await
    })
}

/// Asks `rate` times a second, whether or not what was asked before is answered: a request that finds
/// no free connection waits, and that counts as its time.
pub(crate) fn paced(
    address: &str,
    org: &str,
    token: &str,
    rate: f64,
    seconds: f64,
) -> anyhow::Result<()> {
    let request = request(address, org, token);
    block_on(async {
        let (due, queue) = tokio::sync::mpsc::unbounded_channel::<Instant>();
        let queue = Arc::new(tokio::sync::Mutex::new(queue));
        let mut streams = Vec::new();
        for _ in 0..CONNECTIONS {
            streams.push(connect(address).await?);
        }
        let begun = Instant::now();
        let mut all = Vec::new();
        for mut stream in streams {
            let (request, queue) = (request.clone(), queue.clone());
            all.push(tokio::spawn(async move {
                let (mut times, mut answer) = (Vec::new(), Vec::with_capacity(4096));
                loop {
                    let next = queue.lock().await.recv().await;
                    let Some(due) = next else { break };
                    ask(&mut stream, &request, &mut answer).await?;
                    times.push(due.elapsed());
                }
                Ok((times, answer))
            }));
        }
        let count = (rate * seconds) as u64;
        let mut sent = 0;
        // The timer wakes every millisecond; what has come due since then is asked at once, and
        // counted from the moment at which it was due.
        while sent < count {
            while sent < count && begun.elapsed().as_secs_f64() >= sent as f64 / rate {
                due.send(begun + Duration::from_secs_f64(sent as f64 / rate))?;
                sent += 1;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(due);
        tell(all, begun).await
    })
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn request(address: &str, org: &str, token: &str) -> String {
    format!(
        "GET /api/v1/orgs/{org} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n"
    )
}

async fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One request and its answer, of which the body is left in `answer`.
async fn ask(stream: &mut TcpStream, request: &str, answer: &mut Vec<u8>) -> anyhow::Result<()> {
    stream.write_all(request.as_bytes()).await?;
    let body = read(stream, answer).await?;
    ensure!(answer.starts_with(b"HTTP/1.1 200 "), "{}", answer.escape_ascii());
    answer.drain(..body);
    Ok(())
}

type Asked = JoinHandle<anyhow::Result<(Vec<Duration>, Vec<u8>)>>;

async fn tell(all: Vec<Asked>, begun: Instant) -> anyhow::Result<()> {
    let (mut times, mut body) = (Vec::new(), Vec::new());
    for one in all {
        let (own, last) = one.await??;
        times.extend(own);
        body = if last.is_empty() { body } else { last };
    }
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(!times.is_empty(), "nothing was asked");
    times.sort_unstable();
    let percent = |n: usize| times[times.len() * n / 100].as_micros() as u64;
    say(&Answered {
        requests: times.len(),
        seconds,
        cpu: own_cpu()?.as_secs_f64(),
        p50: percent(50),
        p99: percent(99),
        body: String::from_utf8(body)?,
    })
}

/// Reads one answer with a length, and tells where its body begins.
async fn read(stream: &mut TcpStream, answer: &mut Vec<u8>) -> anyhow::Result<usize> {
    answer.clear();
    loop {
        ensure!(stream.read_buf(answer).await? > 0, "hung up");
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&answer[..head])?;
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("an answer without a length")?.parse()?;
        if answer.len() == head + 4 + length {
            return Ok(head + 4);
        }
    }
}
