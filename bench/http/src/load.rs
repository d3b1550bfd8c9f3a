//! Whoever asks: connections that stay, on each of them one request after the other. One thread
//! and no library, so that the processors are left to those who answer.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use kici_bench_stage::parts::{own_cpu, say};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
    let request = format!(
        "GET /api/v1/orgs/{org} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let begun = Instant::now();
        let end = begun + Duration::from_secs_f64(seconds);
        let mut all = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let request = request.clone();
            all.push(tokio::spawn(async move {
                let (mut times, mut answer) = (Vec::new(), Vec::with_capacity(4096));
                while Instant::now() < end {
                    let asked = Instant::now();
                    stream.write_all(request.as_bytes()).await?;
                    let body = read(&mut stream, &mut answer).await?;
                    ensure!(answer.starts_with(b"HTTP/1.1 200 "), "{}", answer.escape_ascii());
                    times.push(asked.elapsed());
                    answer.drain(..body);
                }
                Ok((times, answer))
            }));
        }
        let (mut times, mut body) = (Vec::new(), Vec::new());
        for one in all {
            let (own, last) = one.await??;
            times.extend(own);
            body = last;
        }
        let seconds = begun.elapsed().as_secs_f64();
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
