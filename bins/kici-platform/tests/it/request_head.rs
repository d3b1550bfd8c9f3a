//! The head of a request: which sizes always pass, and which never do.

use kici_testkit::{Database, PATIENCE, TestPlatform};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KIB: usize = 1024;

/// A head of exactly `size` bytes, in one header that fills it.
fn head(size: usize) -> Vec<u8> {
    let (start, end) = ("GET /health HTTP/1.1\r\nhost: localhost\r\nx-fill: ", "\r\n\r\n");
    let fill = "x".repeat(size - start.len() - end.len());
    format!("{start}{fill}{end}").into_bytes()
}

/// Sends `head` in pieces of `piece` bytes; returns the status of the answer, 0 where the connection
/// is closed without one.
async fn status(platform: &TestPlatform, head: Vec<u8>, piece: usize) -> u16 {
    let stream = TcpStream::connect(platform.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut from, mut to) = stream.into_split();
    // The server may answer and close before everything is written.
    let write = tokio::spawn(async move {
        for piece in head.chunks(piece) {
            if to.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        to
    });
    let mut answer = Vec::new();
    let mut buffer = [0; 512];
    let read = async {
        while !answer.windows(2).any(|two| two == b"\r\n") {
            match from.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(length) => answer.extend_from_slice(&buffer[..length]),
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    write.abort();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_64_kib_always_passes_and_one_of_128_kib_never_does() {
    let database = Database::sqlite().await.unwrap();
    let platform = TestPlatform::start(&database).await.unwrap();
    for piece in [256 * KIB, 16 * KIB, 1000] {
        assert_eq!(status(&platform, head(64 * KIB), piece).await, 200, "in pieces of {piece}");
        for size in [128 * KIB, 256 * KIB] {
            let refused = status(&platform, head(size), piece).await;
            // The answer may be lost with a connection that is closed while it is written to.
            assert!([431, 0].contains(&refused), "{size} in pieces of {piece}: {refused}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_100_headers_at_most() {
    let database = Database::sqlite().await.unwrap();
    let platform = TestPlatform::start(&database).await.unwrap();
    for (count, wanted) in [(100, 200), (101, 431)] {
        let more: String = (1..count).map(|n| format!("x-{n}: y\r\n")).collect();
        let head = format!("GET /health HTTP/1.1\r\nhost: localhost\r\n{more}\r\n");
        assert_eq!(status(&platform, head.into_bytes(), KIB).await, wanted, "{count} headers");
    }
}
