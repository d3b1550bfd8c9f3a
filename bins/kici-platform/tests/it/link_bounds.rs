//! What a peer of the link costs that does not read, or sends more than it should.

use std::time::Duration;

use kici_link::Limits;
use kici_platform::Options;
use kici_testkit::{Database, PATIENCE, TestPlatform};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A ping of 125 bytes, masked with nothing.
fn ping() -> Vec<u8> {
    [vec![0x89, 0x80 | 125, 0, 0, 0, 0], vec![b' '; 125]].concat()
}

/// A socket of the link that nobody reads: what arrives stays in its buffers.
async fn deaf(platform: &TestPlatform) -> TcpStream {
    let mut socket = TcpStream::connect(platform.address()).await.unwrap();
    let head = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(socket.read_u8().await.unwrap());
    }
    assert!(seen.starts_with(b"HTTP/1.1 101 "));
    socket
}

async fn platform(database: &Database, limits: Limits) -> TestPlatform {
    let options = Options { limits, ..TestPlatform::options(database) };
    TestPlatform::start_with(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_pings_that_nobody_reads_do_not_pile_up() {
    const SENT: usize = 64 * 1024 * 1024;
    let database = Database::sqlite().await.unwrap();
    let limits = Limits { authentication: PATIENCE * 10, ..Limits::default() };
    let platform = platform(&database, limits).await;
    let mut socket = deaf(&platform).await;
    let many = ping().repeat(500);
    for _ in 0..SENT / many.len() {
        socket.write_all(&many).await.unwrap();
    }
    let (mut answered, mut buffer) = (0, vec![0; 1024 * 1024]);
    while let Ok(Ok(got)) = timeout(Duration::from_secs(1), socket.read(&mut buffer)).await {
        answered += got;
    }
    println!("{} KiB of pings, {} KiB of answers", SENT / 1024, answered / 1024);
    // What the sockets' own buffers hold, and the 4 MiB of the server.
    assert!(answered > 0 && answered < SENT / 2, "{answered} bytes were kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_reads_nothing_is_let_go_with_the_others() {
    let database = Database::sqlite().await.unwrap();
    let limits = Limits { authentication: Duration::from_secs(1), ..Limits::default() };
    let platform = platform(&database, limits).await;
    let mut socket = deaf(&platform).await;
    // Its buffers are full, so that it can't be told why it is refused.
    let many = ping().repeat(500);
    let end = async { while socket.write_all(&many).await.is_ok() {} };
    timeout(Duration::from_secs(10), end).await.unwrap();
}
