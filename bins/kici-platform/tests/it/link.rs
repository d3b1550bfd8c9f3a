//! The link as an orchestrator that does not behave sees it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use kici_link::Limits;
use kici_orchestrator_core::Collect;
use kici_platform::Options;
use kici_testkit::{Database, PATIENCE, TestOrg, TestPlatform};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{Post, app_source, json as body, problem};

struct Raw(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Raw {
    async fn connect(platform: &TestPlatform) -> Self {
        Self(connect_async(platform.link_url()).await.unwrap().0)
    }

    /// Authenticated, and serving the App.
    async fn serving(platform: &TestPlatform, org: &TestOrg) -> Self {
        let (_, key) = org.orchestrator_key(platform).await.unwrap();
        let mut raw = Self::connect(platform).await;
        raw.send(json!({"type": "auth.request", "token": key, "protocolVersion": 1})).await;
        let success = raw.next().await;
        assert_eq!(success["type"], "auth.success", "{success}");
        assert_eq!(success["orgId"], org.id.as_str());
        assert!(success["orgPublicAlias"].as_str().unwrap().starts_with("oal_"));
        let source = serde_json::to_value(app_source().registration).unwrap();
        raw.send(
            json!({"type": "source.register", "messageId": "m1", "sources": [source], "x": 1}),
        )
        .await;
        let ack = raw.next().await;
        assert_eq!(ack["type"], "source.register.ack");
        assert_eq!(ack["messageId"], "m1");
        assert_eq!(ack["rejected"], json!([]));
        let url = ack["accepted"][0]["webhookUrl"].as_str().unwrap();
        assert!(url.ends_with(&format!("/webhook/{}/github", org.id)), "{url}");
        raw
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        match tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The code of the close, with whatever came before it left aside.
    async fn closed(&mut self) -> u16 {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap() {
                Some(Ok(Message::Close(Some(CloseFrame { code, .. })))) => return code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn platform(database: &Database, limits: Limits) -> (TestPlatform, TestOrg) {
    let options = Options { limits, ..Options::new(database.url()) };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    (platform, org)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_working_orchestrator_key_opens_the_link() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let unknown = kici_model::Token::new(
        kici_model::TokenKind::Orchestrator,
        &kici_model::OsEntropy::default(),
    )
    .unwrap();
    for (token, version, code) in [
        (org.token.as_str(), 1, 4001),
        (unknown.reveal(), 1, 4001),
        ("", 1, 4001),
        (unknown.reveal(), 0, 4005),
    ] {
        let mut raw = Raw::connect(&platform).await;
        raw.send(json!({"type": "auth.request", "token": token, "protocolVersion": version})).await;
        let failure = raw.next().await;
        assert_eq!(failure["type"], "auth.failure");
        assert!(!failure["reason"].as_str().unwrap().is_empty());
        assert_eq!(raw.closed().await, code, "{failure}");
    }
    let mut raw = Raw::connect(&platform).await;
    raw.send(json!({"type": "heartbeat", "timestamp": 1})).await;
    assert_eq!(raw.closed().await, 4001);
    let mut raw = Raw::connect(&platform).await;
    raw.send(json!({"type": "auth.request", "apiKey": "x", "role": "orchestrator"})).await;
    assert_eq!(raw.closed().await, 4003);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_closed_before_and_after_authentication() {
    let database = Database::sqlite().await.unwrap();
    let short = Duration::from_millis(300);
    let limits = Limits { authentication: short, silence: short, ..Limits::default() };
    let (platform, org) = platform(&database, limits).await;
    assert_eq!(Raw::connect(&platform).await.closed().await, 4002);
    let mut raw = Raw::serving(&platform, &org).await;
    assert_eq!(raw.closed().await, 4004);
    problem(Post::new("{}").to(&platform, &org).await, 503, "no_orchestrator").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_dropped_and_the_link_stays() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let mut raw = Raw::serving(&platform, &org).await;
    raw.0.send(Message::text("not json")).await.unwrap();
    raw.0.send(Message::binary(vec![1, 2])).await.unwrap();
    raw.send(json!({"type": "orch.metrics", "cpu": 1})).await;
    raw.send(json!({"type": "webhook.ack"})).await;
    raw.send(json!({"type": "webhook.ack", "messageId": "nobody's", "deliveryId": "x"})).await;
    raw.send(json!({"type": "source.register", "messageId": "m".repeat(129), "sources": []})).await;
    let sources = json!([
        {"provider": "generic", "routingKey": "generic:org_other:1", "name": "x", "subtype": "local"},
        {"provider": "generic", "routingKey": format!("remote:{}", org.id), "name": "x", "subtype": "local"},
    ]);
    raw.send(json!({"type": "source.register", "messageId": "m2", "sources": sources})).await;
    let ack = raw.next().await;
    assert_eq!(ack["messageId"], "m2");
    assert_eq!(ack["accepted"], json!([]));
    assert_eq!(ack["rejected"].as_array().unwrap().len(), 2, "{ack}");
    let listed = org.request(&platform, Method::GET, "/sources").send().await.unwrap();
    assert_eq!(body(listed).await["sources"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_nonsense_for_too_long_closes_the_link() {
    let database = Database::sqlite().await.unwrap();
    let limits = Limits { nonsense: Duration::from_millis(200), ..Limits::default() };
    let (platform, org) = platform(&database, limits).await;
    let mut raw = Raw::serving(&platform, &org).await;
    for _ in 0..20 {
        if raw.0.send(Message::text("{}")).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(raw.closed().await, 4003);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deregistered_source_is_gone_and_an_empty_registration_serves_nothing() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let mut raw = Raw::serving(&platform, &org).await;
    raw.send(json!({"type": "source.register", "messageId": "m2", "sources": []})).await;
    assert_eq!(raw.next().await["accepted"], json!([]));
    problem(Post::new("{}").to(&platform, &org).await, 503, "no_orchestrator").await;
    let keys = json!(["github:884211", "github:1", "nonsense"]);
    raw.send(json!({"type": "source.deregister", "messageId": "m3", "routingKeys": keys})).await;
    let ack = raw.next().await;
    assert_eq!(
        ack,
        json!({"type": "source.deregister.ack", "messageId": "m3", "removed": ["github:884211"]})
    );
    problem(Post::new("{}").to(&platform, &org).await, 404, "unknown_source").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_is_passed_over_for_the_next() {
    let database = Database::sqlite().await.unwrap();
    let limits = Limits { offer: Duration::from_millis(300), ..Limits::default() };
    let (platform, org) = platform(&database, limits).await;
    let _silent = Raw::serving(&platform, &org).await;
    let collected = Arc::new(Collect::default());
    let _answers = org.orchestrator(&platform, [app_source()], collected.clone()).await.unwrap();
    for _ in 0..4 {
        body(Post::new("{}").to(&platform, &org).await).await;
    }
    assert_eq!(collected.wait_for_count(4, PATIENCE).await.unwrap().len(), 4);
    let log = org.request(&platform, Method::GET, "/event-log").send().await.unwrap();
    let log = body(log).await;
    let outcomes: Vec<_> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|item| item["attempts"].as_array().unwrap())
        .map(|attempt| attempt["outcome"].as_str().unwrap())
        .collect();
    assert!(outcomes.contains(&"timeout"), "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "accepted").count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_reads_holds_up_nobody_else() {
    let database = Database::sqlite().await.unwrap();
    let quick = Duration::from_millis(500);
    let limits = Limits { offer: quick, write: quick, ..Limits::default() };
    let (platform, org) = platform(&database, limits).await;
    let _deaf = Raw::serving(&platform, &org).await;
    let other = TestOrg::create(&platform, "Umbrella").await.unwrap();
    let collected = Arc::new(Collect::default());
    let _reads = other.orchestrator(&platform, [app_source()], collected.clone()).await.unwrap();
    // Far more than the buffers of a socket hold.
    let large = async { Post::new(vec![b' '; 20_000_000]).to(&platform, &org).await };
    let small = async { body(Post::new("{}").to(&platform, &other).await).await };
    let (large, _) = tokio::join!(large, small);
    problem(large, 503, "no_orchestrator").await;
    for _ in 0..100 {
        let listed = org.request(&platform, Method::GET, "/orchestrators").send().await.unwrap();
        if body(listed).await["orchestrators"] == json!([]) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a connection that takes nothing is still there");
}
