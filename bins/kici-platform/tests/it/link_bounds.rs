//! What a peer of the link costs that does not read, or sends more than it should.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use kici_api::RateLimits;
use kici_link::Limits;
use kici_platform::Options;
use kici_testkit::{Database, PATIENCE, TestOrg, TestPlatform};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::raw::Raw;
use crate::support::{Post, problem};

/// A ping of 125 bytes, masked with nothing.
fn ping() -> Vec<u8> {
    [vec![0x89, 0x80 | 125, 0, 0, 0, 0], vec![b' '; 125]].concat()
}

/// The head of a text frame of `bytes`, masked with nothing.
fn text_head(bytes: usize) -> Vec<u8> {
    let mut head = vec![0x81, 0x80 | 127];
    head.extend((bytes as u64).to_be_bytes());
    head.extend([0; 4]);
    head
}

/// A socket of the link that nobody reads: what arrives stays in its buffers.
async fn deaf(platform: &TestPlatform) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // What waits on our own side is not what the server has taken.
    socket.set_send_buffer_size(64 * 1024).unwrap();
    let mut socket = socket.connect(platform.address().parse().unwrap()).await.unwrap();
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
    let platform = platform(&database, Limits::default()).await;
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let (_, key) = org.orchestrator_key(&platform).await.unwrap();
    let mut socket = deaf(&platform).await;
    let auth = json!({"type": "auth.request", "token": key, "protocolVersion": 1}).to_string();
    socket.write_all(&[text_head(auth.len()), auth.into_bytes()].concat()).await.unwrap();
    // Once the answer is there, it is known who it is.
    assert_eq!(socket.read_u8().await.unwrap(), 0x81);
    let many = ping().repeat(500);
    for _ in 0..SENT / many.len() {
        socket.write_all(&many).await.unwrap();
    }
    let (mut answered, mut buffer) = (0, vec![0; 1024 * 1024]);
    while let Ok(Ok(got)) = timeout(Duration::from_secs(1), socket.read(&mut buffer)).await {
        answered += got;
    }
    println!("{} KiB of pings, {} KiB of answers", SENT / 1024, answered / 1024);
    // What the sockets' own buffers hold, and the 8 MiB of the server.
    assert!(answered > 0 && answered < SENT / 2, "{answered} bytes were kept");
}

/// Of a first frame that announces 25 MiB, and of one in pieces that never ends.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_stranger_little_is_read() {
    let database = Database::sqlite().await.unwrap();
    let limits = Limits { authentication: PATIENCE * 10, ..Limits::default() };
    let platform = platform(&database, limits).await;
    let piece = [vec![0x01, 0x80 | 126, 0x7f, 0xff, 0, 0, 0, 0], vec![b' '; 0x7fff]].concat();
    let next = [vec![0x00, 0x80 | 126, 0x7f, 0xff, 0, 0, 0, 0], vec![b' '; 0x7fff]].concat();
    for (first, rest) in [(text_head(25 * 1024 * 1024), vec![b' '; 32 * 1024]), (piece, next)] {
        let mut socket = deaf(&platform).await;
        socket.write_all(&first).await.unwrap();
        let mut sent = 0;
        while socket.write_all(&rest).await.is_ok() {
            sent += rest.len();
            // What the server reads, and what the system takes for it: up to 6 MiB, by its settings.
            assert!(sent < 8 * 1024 * 1024, "more of it is read");
        }
        println!("{} KiB were taken", sent / 1024);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_has_so_many_links_and_no_more() {
    let database = Database::sqlite().await.unwrap();
    let platform = platform(&database, Limits { connections: 2, ..Limits::default() }).await;
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let mut there = vec![Raw::serving(&platform, &org).await, Raw::serving(&platform, &org).await];
    let (_, key) = org.orchestrator_key(&platform).await.unwrap();
    let connect = async || {
        let mut raw = Raw::connect(&platform).await;
        raw.send(json!({"type": "auth.request", "token": key, "protocolVersion": 1})).await;
        let answer = raw.next().await;
        (raw, answer)
    };
    let (mut refused, answer) = connect().await;
    assert_eq!(answer["type"], "auth.failure");
    assert_eq!(answer["reason"], "the organization has 2 connections, which is the most");
    assert_eq!(refused.closed().await, 4020);
    let other = TestOrg::create(&platform, "Umbrella").await.unwrap();
    Raw::serving(&platform, &other).await;
    drop(there.pop());
    for _ in 0..100 {
        if connect().await.1["type"] == "auth.success" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("there is room, and nobody is let in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_organization_is_read_slowly_and_its_answers_at_once() {
    let database = Database::sqlite().await.unwrap();
    let limits = Limits { frames_per_second: 1, frames_burst: 5, ..Limits::default() };
    let platform = platform(&database, limits).await;
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let mut flooding = Raw::serving(&platform, &org).await;
    let mut sibling = Raw::serving(&platform, &org).await;
    let begun = Instant::now();
    for _ in 0..6 {
        flooding.send(json!({"type": "orch.metrics", "cpu": 1})).await;
    }
    let last = json!({"type": "source.deregister", "messageId": "m", "routingKeys": []});
    flooding.send(last.clone()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    // A sibling's answer is taken meanwhile, and so is its sign of life.
    let ack = async {
        sibling.send(json!({"type": "heartbeat", "timestamp": 1})).await;
        let start = sibling.next().await;
        sibling.ack(start["messageId"].as_str().unwrap()).await;
    };
    let (answer, ()) = tokio::join!(Post::new("{}").to(&platform, &org), ack);
    assert_eq!(answer.status(), 200);
    assert!(begun.elapsed() < Duration::from_millis(1_500), "{:?}", begun.elapsed());
    assert_eq!(flooding.next().await["messageId"], "m");
    assert!(begun.elapsed() > Duration::from_secs(2), "{:?}", begun.elapsed());
    // To come again does not begin anew; another organization has a rate of its own.
    drop((flooding, sibling));
    let other = TestOrg::create(&platform, "Umbrella").await.unwrap();
    for (org, is_slow) in [(&other, false), (&org, true)] {
        let begun = Instant::now();
        let mut raw = Raw::serving(&platform, org).await;
        raw.send(last.clone()).await;
        raw.next().await;
        let took = begun.elapsed();
        assert_eq!(took > Duration::from_millis(800), is_slow, "{took:?}");
    }
}

/// A platform behind a proxy.
async fn behind_proxy(
    database: &Database,
    limits: Limits,
    rate_limits: RateLimits,
) -> TestPlatform {
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let options =
        Options { limits, rate_limits, trusted_proxies, ..TestPlatform::options(database) };
    TestPlatform::start_with(options).await.unwrap()
}

/// From elsewhere, from the network of the flood, and from its very address.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_silent_sockets_keeps_no_orchestrator_out() {
    let database = Database::sqlite().await.unwrap();
    let limits = Limits {
        authentication: PATIENCE * 10,
        unauthenticated: 20,
        unauthenticated_per_network: 20,
        ..Limits::default()
    };
    let platform = behind_proxy(&database, limits, RateLimits::none()).await;
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let (_, key) = org.orchestrator_key(&platform).await.unwrap();
    let flooding = "192.0.2.1";
    let mut first = Raw::connect_from(&platform, flooding).await;
    let mut flood = Vec::new();
    for _ in 0..25 {
        flood.push(Raw::connect_from(&platform, flooding).await);
    }
    // The oldest one was closed, with a reason.
    let failure = first.next().await;
    assert_eq!(failure["type"], "auth.failure");
    assert!(failure["reason"].as_str().unwrap().contains("at once"), "{failure}");
    assert_eq!(first.closed().await, 4002);
    for from in ["198.51.100.7", "192.0.2.7", flooding] {
        let mut orchestrator = Raw::connect_from(&platform, from).await;
        for _ in 0..19 {
            flood.push(Raw::connect_from(&platform, flooding).await);
        }
        assert_eq!(orchestrator.present(&key).await["type"], "auth.success", "{from}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_with_wrong_keys_count_against_their_address() {
    let database = Database::sqlite().await.unwrap();
    let rate_limits = RateLimits { failures: NonZeroU32::new(3), ..RateLimits::none() };
    let platform = behind_proxy(&database, Limits::default(), rate_limits).await;
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let (_, key) = org.orchestrator_key(&platform).await.unwrap();
    let (_, unused) = org.orchestrator_key(&platform).await.unwrap();
    let connect = async |from: &str, key: &str| {
        let mut raw = Raw::connect_from(&platform, from).await;
        let answer = raw.present(key).await;
        match answer["type"] == "auth.success" {
            true => None,
            false => Some(raw.closed().await),
        }
    };
    let wrong = || {
        let entropy = kici_model::OsEntropy::default();
        let token = kici_model::Token::new(kici_model::TokenKind::Orchestrator, &entropy);
        token.unwrap().reveal().to_owned()
    };
    // A working key takes nothing of the limit, however often it comes.
    for _ in 0..5 {
        assert_eq!(connect("192.0.2.1", &key).await, None);
    }
    for _ in 0..3 {
        assert_eq!(connect("192.0.2.1", &wrong()).await, Some(4001));
    }
    assert_eq!(connect("192.0.2.1", &wrong()).await, Some(4020));
    assert_eq!(connect("192.0.2.1", &unused).await, Some(4020));
    // One that has worked lately is accepted, and so is another one from elsewhere.
    assert_eq!(connect("192.0.2.1", &key).await, None);
    assert_eq!(connect("192.0.2.2", &unused).await, None);
    // It is one limit for links and for the API.
    let url = platform.url("/api/v1/user");
    let request = platform.http().get(url).header("x-forwarded-for", "192.0.2.1");
    problem(request.bearer_auth(&org.token).send().await.unwrap(), 429, "rate_limited").await;
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
