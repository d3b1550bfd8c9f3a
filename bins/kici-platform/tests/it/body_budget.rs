//! Slow senders of large bodies use up their own share of the memory, and no one else's.

use std::time::Duration;

use kici_platform::Options;
use kici_testkit::{Database, PATIENCE, TestClock, TestPlatform};
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Post, Scene, json};

/// How long much data may take on a slow machine.
const LONG: Duration = Duration::from_secs(120);

/// A request of which the last byte is not sent yet.
struct Slow(TcpStream);

impl Slow {
    /// Sends `head`, which ends with its last header, and a body of `bytes` but for its last byte.
    async fn send(platform: &TestPlatform, head: &str, bytes: usize) -> Self {
        let mut socket = TcpStream::connect(platform.address()).await.unwrap();
        let head = format!("{head}\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b' '; 64 * 1024];
        let mut left = bytes - 1;
        while left > 0 {
            let part = &piece[..left.min(piece.len())];
            socket.write_all(part).await.unwrap();
            left -= part.len();
        }
        Self(socket)
    }

    /// The status of the answer, once the last byte is sent.
    async fn finish(mut self) -> u16 {
        // One that was too slow may have its answer already.
        drop(self.0.write_all(b" ").await);
        let mut status = [0; 12];
        self.0.read_exact(&mut status).await.unwrap();
        let status = std::str::from_utf8(&status).unwrap();
        status.strip_prefix("HTTP/1.1 ").unwrap().parse().unwrap()
    }
}

/// All of them at once.
async fn send_all(
    platform: &TestPlatform,
    heads: impl Iterator<Item = String>,
    bytes: usize,
) -> Vec<Slow> {
    let sending = heads.map(|head| async move { Slow::send(platform, &head, bytes).await });
    tokio::time::timeout(LONG, futures_util::future::join_all(sending)).await.unwrap()
}

/// How many bodies a budget has refused, whatever the share.
fn refused(platform: &TestPlatform, budget: &str) -> i64 {
    let text = platform.app().metrics().text();
    let name = format!("kici_bodies_refused_total{{budget=\"{budget}\"");
    let lines = text.lines().filter(|line| line.starts_with(&name));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()).sum()
}

async fn until_refused(platform: &TestPlatform, budget: &str) {
    let waiting = async {
        while refused(platform, budget) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_slow_senders_to_one_organization_stop_no_other() {
    const LARGE: usize = 25 * 1024 * 1024;
    let database = Database::sqlite().await.unwrap();
    let clock = std::sync::Arc::new(TestClock::default());
    let options = Options { clock, ..TestPlatform::options(&database) };
    let attacked = Scene::on(TestPlatform::start_with(options).await.unwrap()).await;
    let (platform, org) = (&attacked.platform, &attacked.org);
    let other = kici_testkit::TestOrg::create(platform, "Umbrella").await.unwrap();
    let collected = std::sync::Arc::new(kici_orchestrator_core::Collect::default());
    let _orchestrator =
        other.orchestrator(platform, [crate::support::app_source()], collected).await.unwrap();
    let head = |n: usize| {
        format!(
            "POST /webhook/{}/github HTTP/1.1\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: slow-{n}\r\n\
             X-GitHub-Hook-Installation-Target-Type: integration\r\n\
             X-GitHub-Hook-Installation-Target-ID: 884211",
            org.id
        )
    };
    let slow = send_all(platform, (0..20).map(head), LARGE).await;
    until_refused(platform, "deliveries").await;
    // Of any size, though all come from one address.
    for size in [2, 300_000, 20 * 1024 * 1024] {
        json(Post::new(vec![b'1'; size]).to(platform, &other).await).await;
    }
    // What the attacked one is sent mostly is small, and there is room for it.
    json(Post::new("{}").to(platform, org).await).await;
    let mut busy = 0;
    for status in futures_util::future::join_all(slow.into_iter().map(Slow::finish)).await {
        // The orchestrator refuses what is not signed; 408 is for a machine that is very slow.
        assert!([401, 503, 408].contains(&status), "{status}");
        busy += i64::from(status == 503);
    }
    assert!(busy >= 10, "{busy} were refused");
    assert_eq!(refused(platform, "deliveries"), busy);
    // One row counts them, in the log of the organization that they were for.
    let rows = async || {
        let request = org.request(platform, Method::GET, "/event-log?status=failed");
        json(request.send().await.unwrap()).await["items"].clone()
    };
    let counted = async {
        while rows().await[0]["times"] != busy {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, counted).await.is_ok(), "{busy}: {}", rows().await);
    let rows = rows().await;
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    assert_eq!(rows[0]["payloadSizeBytes"], 0);
    assert_eq!(rows[0]["routingKey"], "github:884211");
    assert!(rows[0]["reason"].as_str().unwrap().contains("as many bodies"), "{rows}");
    let log = other.request(platform, Method::GET, "/event-log?status=failed");
    assert_eq!(json(log.send().await.unwrap()).await["items"], serde_json::json!([]));
    // Everything is given back.
    for _ in 0..3 {
        json(Post::new(vec![b'1'; LARGE]).to(platform, org).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_from_one_network_leave_memory_for_new_tokens_from_others() {
    const LARGE: usize = 1024 * 1024;
    let database = Database::sqlite().await.unwrap();
    let options = Options {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..TestPlatform::options(&database)
    };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let org = kici_testkit::TestOrg::create(&platform, "Acme").await.unwrap();
    let path = format!("/api/v1/orgs/{}/teams", org.id);
    // Other addresses of one network.
    let head = |n: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nContent-Type: application/json\r\n\
             Authorization: Bearer kici_pat_{n}\r\nX-Forwarded-For: 192.0.2.{n}"
        )
    };
    let slow = send_all(&platform, (0..40).map(head), LARGE).await;
    until_refused(&platform, "unauthenticated").await;
    let body = format!("{{\"name\":\"Builders\"}}{}", " ".repeat(LARGE - 30));
    let request = org.request(&platform, Method::POST, "/teams").body(body);
    let request = request.header("content-type", "application/json");
    let answer = request.header("x-forwarded-for", "198.51.100.1").send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let statuses = futures_util::future::join_all(slow.into_iter().map(Slow::finish)).await;
    assert!(statuses.iter().all(|status| [401, 503, 408].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&503), "{statuses:?}");
}
