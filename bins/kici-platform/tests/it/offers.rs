//! To whom a delivery is offered, for how long, and how many are under way at once (protocol §2.1, §8).

use std::time::{Duration, Instant};

use kici_link::Limits;
use kici_platform::Options;
use kici_testkit::{Database, TestOrg, TestPlatform};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::raw::Raw;
use crate::support::{Post, app_source, json as body, problem, send};

/// How long nothing is waited for.
const NOTHING: Duration = Duration::from_millis(300);

async fn platform(database: &Database, limits: Limits) -> (TestPlatform, TestOrg) {
    let options = Options { limits, ..TestPlatform::options(database) };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    (platform, org)
}

/// A delivery that goes on by itself.
fn post(platform: &TestPlatform, org: &TestOrg, bytes: usize) -> JoinHandle<Response> {
    let post = Post::new(vec![b' '; bytes]);
    let (http, url) =
        (platform.http().clone(), platform.url(&format!("/webhook/{}/github", org.id)));
    tokio::spawn(async move { post.request(&http, &url).await })
}

/// The id of the next delivery that begins.
async fn begun(raw: &mut Raw) -> String {
    let start = raw.next_of("webhook.relay.start").await;
    start["messageId"].as_str().unwrap().to_owned()
}

async fn nothing_begins(raw: &mut Raw) {
    assert!(timeout(NOTHING, raw.next_of("webhook.relay.start")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_freest_is_asked_first() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let mut raws = [Raw::serving(&platform, &org).await, Raw::serving(&platform, &org).await];
    // Of two that are free the newer one; then in turn, since each has one more than the other.
    let mut open = Vec::new();
    for at in [1, 0, 1, 0] {
        open.push((post(&platform, &org, 2), at, begun(&mut raws[at]).await));
    }
    // Whoever has answered is freer, whose turn it was before.
    for (answer, at, id) in open.drain(2..) {
        raws[at].ack(&id).await;
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    let (first, at, id) = open.pop().unwrap();
    assert_eq!(at, 0);
    raws[0].ack(&id).await;
    assert_eq!(first.await.unwrap().status(), 200);
    let next = post(&platform, &org, 2);
    let id = begun(&mut raws[0]).await;
    raws[0].ack(&id).await;
    assert_eq!(next.await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_them_together_have_an_end() {
    let database = Database::sqlite().await.unwrap();
    let limits = Limits {
        offer: Duration::from_millis(400),
        relay: Duration::from_millis(1_000),
        ..Limits::default()
    };
    let (platform, org) = platform(&database, limits).await;
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(Raw::serving(&platform, &org).await);
    }
    let (asked, delivery) = (Instant::now(), Post::new("{}"));
    let id = delivery.id.clone();
    let answer = delivery.to(&platform, &org).await;
    assert_eq!(answer.headers()["retry-after"], "5");
    problem(answer, 503, "no_orchestrator").await;
    assert!(asked.elapsed() >= Duration::from_millis(950), "{:?}", asked.elapsed());
    let row =
        body(send(&platform, &org, Method::GET, &format!("/event-log/{id}"), Value::Null).await);
    let attempts = row.await["items"][0]["attempts"].clone();
    let outcomes: Vec<_> = attempts.as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
    // The third one only where the machine was quick with the others; the last two never.
    assert!((2..=3).contains(&outcomes.len()), "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| *outcome == "timeout"), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_deliveries_are_under_way_on_one_link() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits { deliveries: 2, ..Limits::default() }).await;
    let mut raw = Raw::serving(&platform, &org).await;
    let answers = [0; 3].map(|_| post(&platform, &org, 2));
    let mut ids = vec![begun(&mut raw).await, begun(&mut raw).await];
    nothing_begins(&mut raw).await;
    raw.ack(&ids.pop().unwrap()).await;
    ids.push(begun(&mut raw).await);
    for id in ids {
        raw.ack(&id).await;
    }
    for answer in answers {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn so_much_is_under_way_on_one_link_and_what_is_small_goes_by() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) =
        platform(&database, Limits { window_kib: 300, ..Limits::default() }).await;
    let mut raw = Raw::serving(&platform, &org).await;
    let first = post(&platform, &org, 200 * 1024);
    let first_id = begun(&mut raw).await;
    let second = post(&platform, &org, 200 * 1024);
    nothing_begins(&mut raw).await;
    let small = post(&platform, &org, 64 * 1024);
    let id = begun(&mut raw).await;
    raw.ack(&id).await;
    assert_eq!(small.await.unwrap().status(), 200);
    raw.ack(&first_id).await;
    assert_eq!(first.await.unwrap().status(), 200);
    let id = begun(&mut raw).await;
    raw.ack(&id).await;
    assert_eq!(second.await.unwrap().status(), 200);
    // What is larger than all of it goes alone.
    let large = post(&platform, &org, 1024 * 1024);
    let id = begun(&mut raw).await;
    raw.ack(&id).await;
    assert_eq!(large.await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_registration_adds_and_one_unknown_word_costs_its_source_alone() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let mut raw = Raw::serving(&platform, &org).await;
    let source = |key: &str, provider: &str| json!({"provider": provider, "routingKey": key, "name": "x", "subtype": "github_app"});
    let sources = [source("github:1", "github"), source("github:2", "forgejo")];
    raw.send(json!({"type": "source.register", "messageId": "m2", "sources": sources})).await;
    let ack = raw.next().await;
    assert_eq!(ack["accepted"][0]["routingKey"], "github:1");
    let reason = "this server does not know the provider `forgejo`";
    assert_eq!(ack["rejected"], json!([{"routingKey": "github:2", "reason": reason}]));
    // What the first registration has named is served as before.
    let answer = post(&platform, &org, 2);
    let id = begun(&mut raw).await;
    raw.ack(&id).await;
    assert_eq!(answer.await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_two_clusters_serve_is_taken_and_told() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let source = serde_json::to_value(app_source().registration).unwrap();
    let clusters = async || {
        let listed = body(send(&platform, &org, Method::GET, "/sources", Value::Null).await).await;
        listed["sources"][0]["clusters"].clone()
    };
    let mut raws = Vec::new();
    // Two of one cluster are what they should be.
    for (cluster, count) in [("15ecb72a", 1), ("15ecb72a", 1), ("8d0b0c1f", 2), ("8d0b0c1f", 2)] {
        let mut raw = Raw::authenticated(&platform, &org).await;
        raw.send(json!({"type": "source.register", "messageId": "m", "sources": [source], "clusterId": cluster})).await;
        assert_eq!(raw.next().await["rejected"], json!([]));
        assert_eq!(clusters().await, count);
        raws.push(raw);
    }
    let audit = send(&platform, &org, Method::GET, "/audit?action=source.shared", Value::Null);
    let rows = body(audit.await).await["items"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    assert_eq!(rows[0]["details"], json!({"routingKeys": ["github:884211"], "count": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_cluster_has_capabilities_of_its_own() {
    let database = Database::sqlite().await.unwrap();
    let (platform, org) = platform(&database, Limits::default()).await;
    let mut raws = Vec::new();
    for (cluster, may) in [("east", true), ("west", false)] {
        let mut raw = Raw::serving(&platform, &org).await;
        raw.send(json!({"type": "source.register", "messageId": "m2", "sources": [], "clusterName": cluster})).await;
        raw.next().await;
        let capabilities = json!({"dashboardWrites": {"secrets.set": may}, "supportedDashboardRequests": [cluster]});
        raw.send(json!({"type": "orch.capabilities.update", "capabilities": capabilities})).await;
        raw.send(json!({"type": "source.deregister", "messageId": "m3", "routingKeys": []})).await;
        raw.next().await;
        raws.push(raw);
    }
    let listed =
        body(send(&platform, &org, Method::GET, "/orchestrators", Value::Null).await).await;
    for (at, (cluster, may)) in [("east", true), ("west", false)].into_iter().enumerate() {
        let one = &listed["orchestrators"][at];
        assert_eq!(one["clusterName"], cluster);
        assert_eq!(one["dashboardWrites"], json!({"secrets.set": may}));
        assert_eq!(one["supportedDashboardRequests"], json!([cluster]));
    }
}
