//! The link as an orchestrator that does not behave sees it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use kici_link::Limits;
use kici_orchestrator_core::Collect;
use kici_platform::Options;
use kici_testkit::{Database, PATIENCE, TestOrg, TestPlatform};
use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::raw::Raw;
use crate::support::{Post, app_source, json as body, problem};

async fn platform(database: &Database, limits: Limits) -> (TestPlatform, TestOrg) {
    let options = Options { limits, ..TestPlatform::options(database) };
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
    for (request, code) in [
        (json!({"apiKey": "x", "role": "orchestrator"}), 4001),
        (json!({"apiKey": "x", "role": "worker"}), 4003),
        (json!({"apiKey": "x"}), 4003),
        (json!({"token": "x"}), 4003),
        (json!({"protocolVersion": 1}), 4003),
    ] {
        let mut raw = Raw::connect(&platform).await;
        let mut frame = request.clone();
        frame["type"] = json!("auth.request");
        raw.send(frame).await;
        assert_eq!(raw.closed().await, code, "{request}");
    }
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
async fn a_key_removes_only_what_it_may_register() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    drop(Raw::serving(&platform, &org).await);
    let sent = json!({"name": "narrow", "routingPatterns": ["github:1"]});
    let made = org.request(&platform, Method::POST, "/orchestrator-keys").json(&sent);
    let key = body(made.send().await.unwrap()).await["token"].clone();
    let mut narrow = Raw::connect(&platform).await;
    narrow.send(json!({"type": "auth.request", "token": key, "protocolVersion": 1})).await;
    narrow.next().await;
    let keys = json!(["github:884211"]);
    narrow.send(json!({"type": "source.deregister", "messageId": "m", "routingKeys": keys})).await;
    assert_eq!(narrow.next().await["removed"], json!([]));
    // The source is there still, and nobody serves it right now.
    problem(Post::new("{}").to(&platform, &org).await, 503, "no_orchestrator").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_is_passed_over_for_the_next() {
    let database = Database::sqlite().await.unwrap();
    let limits = Limits { offer: Duration::from_millis(300), ..Limits::default() };
    let (platform, org) = platform(&database, limits).await;
    let collected = Arc::new(Collect::default());
    let _answers = org.orchestrator(&platform, [app_source()], collected.clone()).await.unwrap();
    // The newest goes first, until it has left a delivery unanswered.
    let _silent = Raw::serving(&platform, &org).await;
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
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "timeout").count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "accepted").count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_verdict_sends_the_delivery_on_at_once() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let begun = Instant::now();
    let mut full = Raw::serving(&platform, &org).await;
    let sheds = async |full: &mut Raw| {
        let start = full.next().await;
        while full.next().await["final"] != true {}
        full.send(json!({"type": "webhook.ack", "messageId": start["messageId"], "deliveryId": "x", "result": "shed_retry_later", "reason": "full"})).await;
    };
    let (alone, ()) = tokio::join!(Post::new("{}").to(&platform, &org), sheds(&mut full));
    assert_eq!(alone.headers()["retry-after"], "5");
    problem(alone, 503, "no_orchestrator").await;
    // The newest is asked first, and the one beside it takes what that does not.
    let collected = Arc::new(Collect::default());
    drop(full);
    let _takes = org.orchestrator(&platform, [app_source()], collected.clone()).await.unwrap();
    let mut full = Raw::serving(&platform, &org).await;
    let (taken, ()) = tokio::join!(Post::new("{}").to(&platform, &org), sheds(&mut full));
    body(taken).await;
    assert_eq!(collected.wait_for_count(1, PATIENCE).await.unwrap().len(), 1);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let log = org.request(&platform, Method::GET, "/event-log").send().await.unwrap();
    let log = body(log).await;
    assert_eq!(log["items"][1]["attempts"][0]["outcome"], "shed_retry_later");
    assert_eq!(log["items"][1]["reason"], "no orchestrator took it in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_shows_that_somebody_is_there() {
    let database = Database::sqlite().await.unwrap();
    let limits = Limits { offer: Duration::from_millis(300), ..Limits::default() };
    let (platform, org) = platform(&database, limits).await;
    let collected = Arc::new(Collect::default());
    let _answers = org.orchestrator(&platform, [app_source()], collected.clone()).await.unwrap();
    let mut late = Raw::serving(&platform, &org).await;
    body(Post::new("{}").to(&platform, &org).await).await;
    let start = late.next().await;
    late.ack(start["messageId"].as_str().unwrap()).await;
    // Frames are taken in order: once this is answered, the one before was taken.
    late.send(json!({"type": "source.deregister", "messageId": "m", "routingKeys": []})).await;
    while late.next().await["type"] != "source.deregister.ack" {}
    let answer = async { Post::new("{}").to(&platform, &org).await };
    let taken = async {
        let start = late.next().await;
        late.ack(start["messageId"].as_str().unwrap()).await;
    };
    let (answer, ()) = tokio::join!(answer, taken);
    body(answer).await;
    assert_eq!(collected.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_comes_back_takes_the_place_of_its_older_link() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let (_, key) = org.orchestrator_key(&platform).await.unwrap();
    let (_, another) = org.orchestrator_key(&platform).await.unwrap();
    let connect = async |key: &str, instance: serde_json::Value| {
        let mut raw = Raw::connect(&platform).await;
        raw.send(json!({"type": "auth.request", "token": key, "protocolVersion": 1})).await;
        raw.next().await;
        let sources = json!([app_source().registration]);
        raw.send(json!({"type": "source.register", "messageId": "m", "sources": sources, "instanceId": instance})).await;
        assert_eq!(raw.next().await["type"], "source.register.ack");
        raw
    };
    let mut older = connect(&key, json!("one")).await;
    let mut others = [
        connect(&key, json!("two")).await,
        connect(&another, json!("one")).await,
        connect(&key, json!(null)).await,
    ];
    let mut newer = connect(&key, json!("one")).await;
    assert_eq!(older.closed().await, 1001);
    // Those of other processes stay, and so does the newer one.
    for raw in others.iter_mut().chain([&mut newer]) {
        raw.send(json!({"type": "source.register", "messageId": "m2", "sources": []})).await;
        assert_eq!(raw.next().await["messageId"], "m2");
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn a_small_delivery_does_not_wait_for_a_large_one() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let mut raw = Raw::serving(&platform, &org).await;
    let deliveries = async {
        let large = Post::new(vec![b' '; 20_000_000]).to(&platform, &org);
        let small = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Post::new("{}").to(&platform, &org).await
        };
        tokio::join!(large, small)
    };
    let answers = async {
        let (mut large, mut small) = (None, None);
        while large.is_none() || small.is_none() {
            let frame = raw.next().await;
            if frame["type"] == "webhook.relay.start" {
                let id = frame["messageId"].as_str().unwrap().to_owned();
                if frame["totalSize"] == 2 { small = Some(id) } else { large = Some(id) }
            }
        }
        // The large one is not answered yet, and the small one is here.
        raw.ack(&small.unwrap()).await;
        raw.ack(&large.unwrap()).await;
        raw
    };
    let ((large, small), _raw) = tokio::join!(deliveries, answers);
    assert_eq!((large.status().as_u16(), small.status().as_u16()), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_frame_that_is_too_large_is_refused_unread() {
    let database = Database::sqlite().await.unwrap();
    let (platform, _) = platform(&database, Limits::default()).await;
    let mut raw = Raw::connect(&platform).await;
    raw.send(json!({"type": "auth.request", "token": "x", "padding": "x".repeat(300_000)})).await;
    assert_eq!(raw.closed().await, 4003);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_a_sibling_still_serves_stays_known() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let mut leaving = Raw::serving(&platform, &org).await;
    let collected = Arc::new(Collect::default());
    let _staying = org.orchestrator(&platform, [app_source()], collected).await.unwrap();
    let keys = json!(["github:884211"]);
    leaving.send(json!({"type": "source.deregister", "messageId": "m", "routingKeys": keys})).await;
    assert_eq!(leaving.next().await["removed"], keys);
    body(Post::new("{}").to(&platform, &org).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_serves_so_many_sources_and_no_more() {
    let database = Database::sqlite().await.unwrap();
    let limits = Limits { sources: 3, ..Limits::default() };
    let (platform, org) = platform(&database, limits).await;
    let mut raw = Raw::serving(&platform, &org).await;
    let source = |app: u64| json!({"provider": "github", "routingKey": format!("github:{app}"), "name": "x", "subtype": "github_app"});
    raw.send(json!({"type": "source.register", "messageId": "m", "sources": [source(1), source(2), source(3)]})).await;
    let ack = raw.next().await;
    assert_eq!(ack["accepted"].as_array().unwrap().len(), 2);
    assert_eq!(ack["rejected"][0]["routingKey"], "github:3");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_link_hears_from_the_server() {
    let database = Database::sqlite().await.unwrap();
    let limits = Limits { ping: Duration::from_millis(100), ..Limits::default() };
    let (platform, org) = platform(&database, limits).await;
    let mut raw = Raw::serving(&platform, &org).await;
    while !matches!(raw.message().await, Message::Ping(_)) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities_are_kept_and_each_update_replaces_them() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let mut raw = Raw::serving(&platform, &org).await;
    for (sent, kept) in [
        (json!({"orchRole": "coordinator", "later": [1]}), json!(null)),
        (
            json!({"supportedDashboardRequests": ["dashboard.runs.list", 7]}),
            json!(["dashboard.runs.list"]),
        ),
        (json!({}), json!(null)),
    ] {
        raw.send(json!({"type": "orch.capabilities.update", "capabilities": sent})).await;
        // Frames are taken in order: once this is answered, the one before was taken.
        raw.send(json!({"type": "source.deregister", "messageId": "m", "routingKeys": []})).await;
        raw.next().await;
        let listed = org.request(&platform, Method::GET, "/orchestrators").send().await.unwrap();
        assert_eq!(body(listed).await["orchestrators"][0]["supportedDashboardRequests"], kept);
    }
}

kici_testkit::on_both_databases! {
    async fn what_the_dashboard_may_write_holds_until_the_cluster_says_something_else(database: Database) {
        let (platform, org) = platform(&database, Limits::default()).await;
        let listed = async || {
            let listed = org.request(&platform, Method::GET, "/orchestrators").send().await.unwrap();
            body(listed).await["orchestrators"][0]["dashboardWrites"].clone()
        };
        let mut raw = Raw::serving(&platform, &org).await;
        assert_eq!(listed().await, json!(null));
        for (sent, kept) in [
            // What is no boolean is a no.
            (json!({"dashboardWrites": {"secrets.set": false, "variables.set": 1, "runs.cancel": true}}),
             json!({"secrets.set": false, "variables.set": false, "runs.cancel": true})),
            (json!({}), json!({"secrets.set": false, "variables.set": false, "runs.cancel": true})),
            (json!({"dashboardWrites": {"secrets.set": false}}), json!({"secrets.set": false})),
        ] {
            raw.send(json!({"type": "orch.capabilities.update", "capabilities": sent})).await;
            raw.send(json!({"type": "source.deregister", "messageId": "m", "routingKeys": []})).await;
            raw.next().await;
            assert_eq!(listed().await, kept);
        }
        drop(raw);
        // A process that was just started says nothing of it: that must not allow everything.
        let mut raw = Raw::serving(&platform, &org).await;
        assert_eq!(listed().await, json!({"secrets.set": false}));
        raw.send(json!({"type": "orch.capabilities.update", "capabilities": {"dashboardWrites": {}}})).await;
        raw.send(json!({"type": "source.deregister", "messageId": "m", "routingKeys": []})).await;
        raw.next().await;
        assert_eq!(listed().await, json!({}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_reported_last_holds_whichever_sibling_reported_it() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let mut siblings = [Raw::serving(&platform, &org).await, Raw::serving(&platform, &org).await];
    // The first says again what it said before, after the second has said something else.
    for (sibling, allowed) in [(0, false), (1, true), (0, false)] {
        let raw = &mut siblings[sibling];
        let sent = json!({"dashboardWrites": {"secrets.set": allowed}});
        raw.send(json!({"type": "orch.capabilities.update", "capabilities": sent})).await;
        raw.send(json!({"type": "source.deregister", "messageId": "m", "routingKeys": []})).await;
        raw.next().await;
        let listed = org.request(&platform, Method::GET, "/orchestrators").send().await.unwrap();
        let kept = body(listed).await["orchestrators"][0]["dashboardWrites"].clone();
        assert_eq!(kept, json!({"secrets.set": allowed}));
    }
    // A registration is no report of this.
    siblings[1].send(json!({"type": "source.register", "messageId": "m", "sources": []})).await;
    siblings[1].next().await;
    let listed = org.request(&platform, Method::GET, "/orchestrators").send().await.unwrap();
    let kept = body(listed).await["orchestrators"][0]["dashboardWrites"].clone();
    assert_eq!(kept, json!({"secrets.set": false}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_over_the_limit_closes_the_link() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let mut raw = Raw::serving(&platform, &org).await;
    let frame = Message::text(format!("\"{}\"", "x".repeat(27_000_000)));
    // The server may have closed before the last byte was sent.
    drop(raw.0.send(frame).await);
    for _ in 0..100 {
        if platform.app().metrics().text().contains("kici_links_closed_total{code=\"4003\"} 1") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the link is still there");
}

/// 10,000 frames a second for four seconds, beside 200 deliveries to another organization.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_on_one_link_is_slowed_and_does_not_slow_another_organizations_relay() {
    const PIECE: usize = 500;
    let database = Database::sqlite().await.unwrap();
    let limits = Limits { frames_burst: 10_000, ..Limits::default() };
    let rate = f64::from(limits.frames_per_second);
    let burst = f64::from(limits.frames_burst);
    let (platform, org) = platform(&database, limits).await;
    let mut flooding = Raw::serving(&platform, &org).await;
    let other = TestOrg::create(&platform, "Umbrella").await.unwrap();
    let collected = Arc::new(Collect::default());
    let _quiet = other.orchestrator(&platform, [app_source()], collected).await.unwrap();
    let (begun, length) = (Instant::now(), Duration::from_secs(4));
    let flood = async {
        let frame = json!({"type": "orch.metrics", "padding": "x".repeat(200)}).to_string();
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        while begun.elapsed() < length {
            pace.tick().await;
            let piece = async {
                for _ in 0..PIECE {
                    flooding.0.feed(Message::text(frame.clone())).await.unwrap();
                }
                flooding.0.flush().await.unwrap();
            };
            // Once nothing is read any more, nothing more can be sent.
            drop(tokio::time::timeout(length.saturating_sub(begun.elapsed()), piece).await);
        }
    };
    let relay = async {
        let mut took = Vec::new();
        for n in 1..=200 {
            let asked = Instant::now();
            body(Post::new("{}").to(&platform, &other).await).await;
            took.push(asked.elapsed());
            tokio::time::sleep((length * n / 200).saturating_sub(begun.elapsed())).await;
        }
        took.sort();
        took
    };
    let ((), took) = tokio::join!(flood, relay);
    let text = platform.app().metrics().text();
    let counted = "kici_link_frames_total{result=\"unknown\"} ";
    let taken = text.lines().find_map(|line| line.strip_prefix(counted)).unwrap();
    let taken: f64 = taken.parse().unwrap();
    println!(
        "{taken} frames taken in {:?}; relays beside them p50 {:?}, p99 {:?}, slowest {:?}",
        begun.elapsed(),
        took[100],
        took[198],
        took[199]
    );
    assert!(taken <= burst + rate * (begun.elapsed().as_secs_f64() + 1.0), "{taken} were taken");
    assert!(took[198] < Duration::from_secs(1), "{:?}", took[198]);
    let listed = org.request(&platform, Method::GET, "/orchestrators").send().await.unwrap();
    let listed = body(listed).await["orchestrators"].as_array().unwrap().len();
    assert_eq!(listed, 1, "it was not closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_ends_beside_this_process_ends_its_link() {
    let database = Database::sqlite().await.unwrap();
    let limits = Limits { key_check: Duration::from_millis(100), ..Limits::default() };
    let (platform, org) = platform(&database, limits).await;
    let mut raw = Raw::serving(&platform, &org).await;
    let revoke = "UPDATE credentials SET revoked_at = created_at WHERE kind = 'orchestrator'";
    kici_migration::execute(database.url(), revoke).await.unwrap();
    assert_eq!(raw.closed().await, 4001);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_source_many_times_in_one_frame_is_one_source() {
    let database = Database::sqlite().await.unwrap();
    let limits = Limits { sources: 3, ..Limits::default() };
    let (platform, org) = platform(&database, limits).await;
    let mut raw = Raw::serving(&platform, &org).await;
    let known = serde_json::to_value(app_source().registration).unwrap();
    let mut sources = vec![known; 2_000];
    sources.extend((1..2_000).map(|app| {
        json!({"provider": "github", "routingKey": format!("github:{app}"), "name": "x", "subtype": "github_app"})
    }));
    raw.send(json!({"type": "source.register", "messageId": "m", "sources": sources})).await;
    let ack = raw.next().await;
    assert_eq!(ack["accepted"].as_array().unwrap().len(), 3);
    assert_eq!(ack["rejected"].as_array().unwrap().len(), 100);
}
