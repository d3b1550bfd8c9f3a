//! Deliveries with bad signatures: few rows in the event log, and nothing taken from the provider.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kici_api::RateLimits;
use kici_platform::Options;
use kici_testkit::{Database, PATIENCE, TestClock, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::Value;

use crate::support::{Post, Scene, json, problem};

/// All rows of the event log with this status.
async fn rows(scene: &Scene, status: &str) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/event-log?limit=200&status={status}{cursor}");
        let page = scene.org.request(&scene.platform, Method::GET, &path).send().await.unwrap();
        let page = json(page).await;
        rows.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

fn times(rows: &[Value]) -> i64 {
    rows.iter().map(|row| row["times"].as_i64().unwrap()).sum()
}

on_both_databases! {
    async fn two_thousand_bad_signatures_leave_301_rows_that_count_them_all(database: Database) {
        let clock = Arc::new(TestClock::default());
        let options = Options { clock: clock.clone(), ..TestPlatform::options(&database) };
        let scene = Scene::on(TestPlatform::start_with(options).await.unwrap()).await;
        let forged = async |n: u32| {
            let post = Post { id: format!("forged-{n}"), signature: "sha256=00".into(), ..Post::new("{}") };
            post.to(&scene.platform, &scene.org).await.status().as_u16()
        };
        let flood = async |from: u32, to: u32| {
            let statuses = futures_util::stream::iter(from..to).map(&forged).buffer_unordered(16);
            let statuses: Vec<_> = statuses.collect().await;
            assert!(statuses.iter().all(|status| *status == 401));
        };
        // The count goes on in the row that is there already.
        for (from, to) in [(0, 1_000), (1_000, 2_000)] {
            flood(from, to).await;
            let counted = async {
                while times(&rows(&scene, "rejected").await) != i64::from(to) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            let is_counted = tokio::time::timeout(PATIENCE, counted).await.is_ok();
            assert!(is_counted, "{} of {to}", times(&rows(&scene, "rejected").await));
        }
        let all = rows(&scene, "rejected").await;
        assert_eq!(all.len(), 301);
        let counting: Vec<_> = all.iter().filter(|row| row["times"] != 1).collect();
        assert_eq!(counting.len(), 1);
        assert_eq!(counting[0]["times"], 1_700);
        assert_eq!(counting[0]["payloadSizeBytes"], 0);
        assert_eq!(counting[0]["attempts"], serde_json::json!([]));
        let reason = counting[0]["reason"].as_str().unwrap();
        assert!(reason.contains("first 300") && reason.contains("rejected_signature"), "{reason}");
        // What is accepted has its row, and so have others in the next hour.
        json(Post::new("{}").to(&scene.platform, &scene.org).await).await;
        assert_eq!(rows(&scene, "relayed").await.len(), 1);
        clock.advance(Duration::from_secs(60 * 60));
        flood(2_000, 2_001).await;
        assert_eq!(rows(&scene, "rejected").await.len(), 302);
    }

    async fn what_was_counted_is_written_when_the_server_stops(database: Database) {
        let clock = Arc::new(TestClock::default());
        let options = || Options { clock: clock.clone(), ..TestPlatform::options(&database) };
        let scene = Scene::on(TestPlatform::start_with(options()).await.unwrap()).await;
        for n in 0..310 {
            let post = Post { id: format!("forged-{n}"), signature: "sha256=00".into(), ..Post::new("{}") };
            problem(post.to(&scene.platform, &scene.org).await, 401, "rejected_signature").await;
        }
        let Scene { platform, org, orchestrator, collected } = scene;
        platform.stop().await.unwrap();
        let platform = TestPlatform::start_with(options()).await.unwrap();
        let scene = Scene { platform, org, orchestrator, collected };
        assert_eq!(times(&rows(&scene, "rejected").await), 310);
    }
}

/// A platform that believes `X-Forwarded-For`, with 40 deliveries a minute for a source and 20 from an
/// address.
async fn limited(database: &Database) -> Scene {
    let rate_limits = RateLimits {
        deliveries: NonZeroU32::new(40),
        deliveries_from_address: NonZeroU32::new(20),
        ..RateLimits::none()
    };
    let options = Options {
        rate_limits,
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..TestPlatform::options(database)
    };
    Scene::on(TestPlatform::start_with(options).await.unwrap()).await
}

async fn send(scene: &Scene, from: &str, post: Post) -> u16 {
    let url = scene.platform.url(&format!("/webhook/{}/github", scene.org.id));
    let body = post.body.clone();
    let request = post.headers(scene.platform.http(), &url).header("x-forwarded-for", from);
    request.body(body).send().await.unwrap().status().as_u16()
}

/// How many of 30 deliveries with bad signatures get as far as the orchestrator; the others are 429.
async fn flood(scene: &Scene, from: &str) -> usize {
    let mut rejected = 0;
    for _ in 0..30 {
        let forged = Post { signature: "sha256=00".to_owned(), ..Post::new("{}") };
        match send(scene, from, forged).await {
            401 => rejected += 1,
            status => assert_eq!(status, 429),
        }
    }
    rejected
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_signatures_from_three_addresses_leave_room_for_the_provider() {
    let database = Database::sqlite().await.unwrap();
    let scene = limited(&database).await;
    for attacker in ["192.0.2.1", "198.51.100.1", "2001:db8::1"] {
        // A quarter of what the source may get, and what fills up meanwhile.
        let rejected = flood(&scene, attacker).await;
        assert!((10..16).contains(&rejected), "{rejected}");
    }
    // It has never been heard of, and is served.
    assert_eq!(send(&scene, "203.0.113.7", Post::new("{}")).await, 200);
    assert_eq!(scene.collected.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn networks_with_an_accepted_delivery_are_served_whatever_others_send() {
    let database = Database::sqlite().await.unwrap();
    let scene = limited(&database).await;
    let good = Post::new("{}");
    let replayed =
        Post { id: good.id.clone(), signature: "sha256=00".to_owned(), ..Post::new("{}") };
    assert_eq!(send(&scene, "203.0.113.7", good).await, 200);
    // It gets the answer of the first, and that makes nobody a provider.
    assert_eq!(send(&scene, "192.0.2.1", replayed).await, 200);
    let mut rejected = Vec::new();
    for network in 0..6 {
        rejected.push(flood(&scene, &format!("192.0.{}.1", network + 2)).await);
    }
    assert!(rejected[0] < 16, "{rejected:?}");
    assert!(rejected[5] < 10, "the others have used up what is not kept: {rejected:?}");
    // From other addresses of its network as well.
    for n in 0..5 {
        assert_eq!(send(&scene, &format!("203.0.113.{n}"), Post::new("{}")).await, 200);
    }
    // Who has no such network waits.
    let waits = flood(&scene, "198.51.100.1").await;
    assert!(waits < 10, "{waits}");
    assert_eq!(scene.collected.count(), 6);
}
