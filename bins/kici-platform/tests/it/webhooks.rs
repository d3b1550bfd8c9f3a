//! The ingress: what is taken, what is refused, and how.

use kici_model::RoutingKey;
use kici_model::Secret;
use kici_orchestrator_core::{Source, Verification, sign};
use kici_platform::Options;
use kici_testkit::{Database, PATIENCE, TestClock, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;

use crate::raw::Raw;
use crate::support::{Post, Scene, json, problem};

on_both_databases! {
    async fn a_signed_push_is_accepted_and_stands_in_the_event_log(database: Database) {
        let scene = Scene::new(&database).await;
        let mut post = Post::new(r#"{"ref":"refs/heads/main","repository":{"full_name":"acme/web"}}"#);
        post.id = "72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned();
        let answer = json(post.to(&scene.platform, &scene.org).await).await;
        assert_eq!(answer["status"], "accepted");
        assert_eq!(answer["deliveryId"], "72d3162e-cc78-11e3-81ab-4c9367dc0958");
        let log = scene.org.request(&scene.platform, Method::GET, "/event-log");
        let log = json(log.send().await.unwrap()).await;
        let item = &log["items"][0];
        assert_eq!(item["status"], "relayed");
        assert_eq!(item["event"], "push");
        assert_eq!(item["ref"], "refs/heads/main");
        assert_eq!(item["repoIdentifier"], "acme/web");
        assert_eq!(item["routingKey"], "github:884211");
        assert_eq!(item["attempts"][0]["outcome"], "accepted");
        assert_eq!(item["clientIp"], "127.0.0.1");
        assert_eq!(log["nextCursor"], serde_json::Value::Null);
    }

    async fn the_orchestrators_refusals_become_statuses_and_rows(database: Database) {
        let scene = Scene::new(&database).await;
        let mut forged = Post::new("{}");
        forged.signature = sign::github("another secret", b"{}");
        problem(forged.to(&scene.platform, &scene.org).await, 401, "rejected_signature").await;
        let broken = Post::new("{");
        problem(broken.to(&scene.platform, &scene.org).await, 500, "rejected_misconfigured").await;
        scene.orchestrator.set_enabled("github:884211", false);
        let answer = Post::new("{}").to(&scene.platform, &scene.org).await;
        problem(answer, 404, "rejected_unknown_source").await;
        let log = scene.org.request(&scene.platform, Method::GET, "/event-log");
        let log = json(log.send().await.unwrap()).await;
        let statuses: Vec<_> = log["items"].as_array().unwrap().iter()
            .map(|item| (item["status"].as_str().unwrap(), item["reason"].as_str().unwrap().split(':').next().unwrap()))
            .collect();
        assert_eq!(statuses, [
            ("rejected", "rejected_unknown_source"),
            ("rejected", "rejected_misconfigured"),
            ("rejected", "rejected_signature"),
        ]);
        assert_eq!(scene.collected.count(), 0);
    }

    async fn unknown_sources_are_404_and_leave_no_row(database: Database) {
        let scene = Scene::new(&database).await;
        let mut other = Post::new("{}");
        other.app = "1".to_owned();
        problem(other.to(&scene.platform, &scene.org).await, 404, "unknown_source").await;
        for org in ["org_nothere12345", "nonsense", "org_%00"] {
            let url = scene.platform.url(&format!("/webhook/{org}/github"));
            let answer = Post::new("{}").request(scene.platform.http(), &url).await;
            problem(answer, 404, "unknown_source").await;
        }
        for source in ["none", "a%00b", "%F0%9F%92%A5"] {
            let url = scene.platform.url(&format!("/webhook/{}/generic/{source}", scene.org.id));
            let answer = Post::new("{}").request(scene.platform.http(), &url).await;
            problem(answer, 404, "unknown_source").await;
        }
        let log = scene.org.request(&scene.platform, Method::GET, "/event-log");
        assert_eq!(json(log.send().await.unwrap()).await["items"].as_array().unwrap().len(), 0);
    }

    async fn an_unknown_source_stays_so_until_one_is_registered_or_half_a_minute_passes(database: Database) {
        let clock = std::sync::Arc::new(TestClock::default());
        let options = Options { clock: clock.clone(), ..TestPlatform::options(&database) };
        let scene = Scene::on(TestPlatform::start_with(options).await.unwrap()).await;
        let status = async || {
            let post = Post { app: "77".to_owned(), ..Post::new("{}") };
            post.to(&scene.platform, &scene.org).await.status().as_u16()
        };
        assert_eq!(status().await, 404);
        // Put there behind the server's back, as another process would.
        let row = format!("INSERT INTO sources (id, org_id, routing_key, name, provider, subtype, registered_at) \
            VALUES ('src_00000000000000000000', '{}', 'github:77', 'x', 'github', 'github_app', CURRENT_TIMESTAMP)", scene.org.id);
        kici_migration::execute(database.url(), &row).await.unwrap();
        assert_eq!(status().await, 404);
        // What another organization registers says nothing of this one's.
        let other = TestOrg::create(&scene.platform, "Umbrella").await.unwrap();
        Raw::serving(&scene.platform, &other).await;
        assert_eq!(status().await, 404);
        clock.advance(std::time::Duration::from_secs(31));
        assert_eq!(status().await, 503);
        let gone = "DELETE FROM sources WHERE routing_key = 'github:77'";
        kici_migration::execute(database.url(), gone).await.unwrap();
        assert_eq!(status().await, 404);
        kici_migration::execute(database.url(), &row).await.unwrap();
        assert_eq!(status().await, 404);
        Raw::serving(&scene.platform, &scene.org).await;
        assert_eq!(status().await, 503);
    }

    async fn without_an_orchestrator_the_sender_is_told_when_to_come_back(database: Database) {
        let scene = Scene::new(&database).await;
        let Scene { platform, org, orchestrator, .. } = scene;
        orchestrator.stop().await;
        let mut answer = Post::new("{}").to(&platform, &org).await;
        // The platform hears of the end a moment after the orchestrator has said goodbye.
        for _ in 0..50 {
            if answer.status() == 503 { break }
            answer = Post::new("{}").to(&platform, &org).await;
        }
        assert_eq!(answer.headers()["retry-after"], "5");
        let body = problem(answer, 503, "no_orchestrator").await;
        assert_eq!(body["error"], "No orchestrator available");
        let log = org.request(&platform, Method::GET, "/event-log");
        assert_eq!(json(log.send().await.unwrap()).await["items"][0]["status"], "failed");
    }

    async fn an_id_is_taken_once_its_delivery_was_accepted(database: Database) {
        let scene = Scene::new(&database).await;
        let id = "11111111-2222-4333-8444-555555555555";
        let post = |body: &str| Post { id: id.to_owned(), ..Post::new(body) };
        let mut wrong = post("{}");
        wrong.signature = "sha256=00".to_owned();
        // What was refused takes nothing: the sender mends its secret and tries again.
        problem(wrong.to(&scene.platform, &scene.org).await, 401, "rejected_signature").await;
        for _ in 0..3 {
            let answer = json(post("{}").to(&scene.platform, &scene.org).await).await;
            assert_eq!(answer["deliveryId"], id);
        }
        assert_eq!(scene.collected.count(), 1);
        let other = post("{\"another\":1}").to(&scene.platform, &scene.org).await;
        problem(other, 409, "delivery_id_taken").await;
        let log = scene.org.request(&scene.platform, Method::GET, &format!("/event-log?deliveryId={id}"));
        let items = json(log.send().await.unwrap()).await["items"].clone();
        let statuses: Vec<_> = items.as_array().unwrap().iter().map(|item| item["status"].clone()).collect();
        assert_eq!(statuses, ["relayed", "rejected"]);
    }

    async fn of_two_at_once_under_one_id_one_is_relayed(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let mut raw = Raw::serving(&platform, &org).await;
        let post = |body: &str| Post { id: "the-same".to_owned(), ..Post::new(body) }.to(&platform, &org);
        let answers = async {
            let first = post("{}");
            // The others come while the first is on its way.
            let others = async {
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                tokio::join!(post("{}"), post("[]"))
            };
            tokio::join!(first, others)
        };
        let acks = async {
            let start = raw.next().await;
            tokio::time::sleep(std::time::Duration::from_millis(800)).await;
            raw.ack(start["messageId"].as_str().unwrap()).await;
        };
        let ((first, (same, other)), ()) = tokio::join!(answers, acks);
        assert_eq!(json(first).await["deliveryId"], "the-same");
        assert_eq!(json(same).await["deliveryId"], "the-same");
        problem(other, 409, "delivery_id_taken").await;
        let log = org.request(&platform, Method::GET, "/event-log").send().await.unwrap();
        assert_eq!(json(log).await["items"].as_array().unwrap().len(), 1);
    }

    async fn who_waits_for_a_delivery_that_is_refused_goes_next(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let mut raw = Raw::serving(&platform, &org).await;
        let post = |body: &str| Post { id: "the-same".to_owned(), ..Post::new(body) }.to(&platform, &org);
        let answers = async {
            let second = async {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                post("[]").await
            };
            tokio::join!(post("{}"), second)
        };
        let acks = async {
            let start = raw.next().await;
            while raw.next().await["final"] != true {}
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            raw.send(serde_json::json!({"type": "webhook.ack", "messageId": start["messageId"], "deliveryId": "x", "result": "rejected_signature"})).await;
            let start = raw.next().await;
            raw.ack(start["messageId"].as_str().unwrap()).await;
        };
        let ((first, second), ()) = tokio::join!(answers, acks);
        problem(first, 401, "rejected_signature").await;
        assert_eq!(json(second).await["deliveryId"], "the-same");
    }

    async fn generic_sources_are_found_by_name_and_by_id(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let source = "3f0c8a6e-0f57-4d0c-9b44-8f1f2b8f7a10";
        let key = RoutingKey::Generic { org: org.id.clone(), source: source.into() };
        let verification = Verification::Bearer {
            header: "authorization".to_owned(),
            token: Secret::new("hush".to_owned()),
        };
        let collected = std::sync::Arc::new(kici_orchestrator_core::Collect::default());
        let sources = [Source::generic(&key, "deploy-hooks", verification)];
        let _orchestrator = org.orchestrator(&platform, sources, collected.clone()).await.unwrap();
        for segment in [source, "deploy-hooks"] {
            let url = platform.url(&format!("/webhook/{}/generic/{segment}", org.id));
            let answer = platform.http().post(&url).bearer_auth("hush")
                .header("x-delivery-id", format!("id of {segment}"))
                .header("x-event-type", "deployed").header("cookie", "secret=1")
                .body("not json").header("content-type", "text/plain").send().await.unwrap();
            json(answer).await;
            let refused = platform.http().post(&url).body("x").send().await.unwrap();
            problem(refused, 401, "rejected_signature").await;
        }
        let got = collected.wait_for_count(2, PATIENCE).await.unwrap();
        assert_eq!(got[0].start.event, "deployed");
        assert!(got[0].start.delivery_id.starts_with(&format!("{key}:")), "{}", got[0].start.delivery_id);
        assert_eq!(got[0].start.headers["content-type"], "text/plain");
        assert!(!got[0].start.headers.contains_key("cookie"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn generic_headers_tell_the_id_and_the_event_in_their_order() {
    let database = Database::sqlite().await.unwrap();
    let platform = TestPlatform::start(&database).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let key = RoutingKey::Generic { org: org.id.clone(), source: "s".into() };
    let collected = std::sync::Arc::new(kici_orchestrator_core::Collect::default());
    let sources = [Source::generic(&key, "hooks", Verification::None)];
    let _orchestrator = org.orchestrator(&platform, sources, collected.clone()).await.unwrap();
    let url = platform.url(&format!("/webhook/{}/generic/hooks", org.id));
    let long = "i".repeat(300);
    type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>, &'a str);
    let cases: [Case<'_>; 8] = [
        (
            &[("x-delivery-id", "1"), ("x-request-id", "2"), ("x-idempotency-key", "3")],
            Some("1"),
            "webhook",
        ),
        (&[("x-request-id", "2"), ("x-idempotency-key", "3")], Some("2"), "webhook"),
        (&[("x-idempotency-key", "3"), ("x-event-type", "a")], Some("3"), "a"),
        (&[("x-delivery-id", " "), ("x-idempotency-key", "4")], Some("4"), "webhook"),
        (&[("x-event-type", "a"), ("x-gitea-event", "b")], None, "a"),
        (&[("x-gitea-event", "b"), ("x-github-event", "c")], None, "b"),
        (&[("x-gitlab-event", "Push Hook")], None, "Push Hook"),
        (&[("x-delivery-id", &long)], None, "webhook"),
    ];
    for (at, (headers, id, event)) in cases.into_iter().enumerate() {
        let mut request = platform.http().post(&url).body("{}");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        json(request.send().await.unwrap()).await;
        let got = collected.wait_for_count(at + 1, PATIENCE).await.unwrap();
        let start = &got[at].start;
        assert_eq!(start.event, event, "{headers:?}");
        let own = start.delivery_id.strip_prefix(&format!("{key}:")).unwrap();
        match id {
            Some(id) => assert_eq!(own, id, "{headers:?}"),
            // A new one, or the hash of one that has a form of its own.
            None => assert!((36..=64).contains(&own.len()), "{own}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_github_always_sends_are_asked_for_by_name() {
    let database = Database::sqlite().await.unwrap();
    let scene = Scene::new(&database).await;
    let url = scene.platform.url(&format!("/webhook/{}/github", scene.org.id));
    let all = [
        ("x-github-event", "push"),
        ("x-github-delivery", "d"),
        ("x-github-hook-installation-target-type", "integration"),
        ("x-github-hook-installation-target-id", "884211"),
    ];
    for missing in 0..all.len() {
        let mut request = scene.platform.http().post(&url).body("{}");
        for (at, (name, value)) in all.into_iter().enumerate() {
            if at != missing {
                request = request.header(name, value);
            }
        }
        let body = problem(request.send().await.unwrap(), 400, "invalid_header").await;
        assert!(body["error"].as_str().unwrap().contains(all[missing].0), "{body}");
    }
    let mut odd = Post::new("{}");
    odd.app = "12x".to_owned();
    problem(odd.to(&scene.platform, &scene.org).await, 400, "invalid_header").await;
    let repository = scene.platform.http().post(&url).body("{}").headers(
        all.iter()
            .map(|(name, value)| {
                let value = if *value == "integration" { "repository" } else { value };
                (name.parse().unwrap(), value.parse().unwrap())
            })
            .collect::<reqwest::header::HeaderMap>(),
    );
    problem(repository.send().await.unwrap(), 400, "invalid_header").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_25_mib_is_413_whether_its_length_is_told_or_not() {
    let database = Database::sqlite().await.unwrap();
    let scene = Scene::new(&database).await;
    let mut told = Post::new("");
    told.body = vec![b' '; 26 * 1024 * 1024];
    problem(told.to(&scene.platform, &scene.org).await, 413, "too_large").await;
    let url = scene.platform.url(&format!("/webhook/{}/github", scene.org.id));
    let pieces = (0..26).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024 * 1024]));
    let untold = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let post = Post::new("").headers(scene.platform.http(), &url).body(untold);
    problem(post.send().await.unwrap(), 413, "too_large").await;
    assert_eq!(scene.collected.count(), 0);
}
