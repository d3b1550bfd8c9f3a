//! What orchestrators say that they serve, and which of it a delivery is for.

use std::sync::Arc;
use std::time::Duration;

use kici_link::Limits;
use kici_platform::Options;
use kici_testkit::{Database, TestClock, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::support::{Post, json as body, problem};

/// Registers the generic source `id` under the name `name`, and gives the answer.
async fn register(raw: &mut Raw, org: &TestOrg, id: &str, name: &str) -> Value {
    let key = format!("generic:{}:{id}", org.id);
    let source = json!({"provider": "generic", "routingKey": key, "name": name, "subtype": "generic_webhook"});
    raw.send(json!({"type": "source.register", "messageId": "m", "sources": [source]})).await;
    raw.next_of("source.register.ack").await
}

/// Waits until nobody serves what `raw` did.
async fn gone(platform: &TestPlatform, org: &TestOrg, raw: Raw, left: usize) {
    drop(raw);
    for _ in 0..200 {
        let listed = org.request(platform, Method::GET, "/orchestrators").send().await.unwrap();
        let listed = body(listed).await["orchestrators"].clone();
        let keys = listed
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|one| one["routingKeys"].as_array().unwrap());
        if keys.filter(|key| key.as_str().unwrap().starts_with("generic:")).count() == left {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it is still there");
}

/// The last part of the routing key under which a delivery to `segment` stands in the event log.
async fn meant(platform: &TestPlatform, org: &TestOrg, segment: &str) -> String {
    let url = platform.url(&format!("/webhook/{}/generic/{segment}", org.id));
    platform.http().post(&url).body("{}").send().await.unwrap();
    let log = org.request(platform, Method::GET, "/event-log").send().await.unwrap();
    let key = body(log).await["items"][0]["routingKey"].as_str().unwrap().to_owned();
    key.rsplit(':').next().unwrap().to_owned()
}

on_both_databases! {
    async fn a_name_means_the_first_source_that_is_served_or_the_last_one(database: Database) {
        let options = Options {
            limits: Limits { offer: Duration::from_millis(50), ..Limits::default() },
            ..TestPlatform::options(&database)
        };
        let platform = TestPlatform::start_with(options).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let mut first = Raw::serving(&platform, &org).await;
        register(&mut first, &org, "old", "hooks").await;
        gone(&platform, &org, first, 0).await;
        let mut second = Raw::serving(&platform, &org).await;
        register(&mut second, &org, "live", "hooks").await;
        assert_eq!(meant(&platform, &org, "hooks").await, "live");
        let mut third = Raw::serving(&platform, &org).await;
        register(&mut third, &org, "last", "hooks").await;
        // While both are served, the later one takes nothing from the earlier.
        assert_eq!(meant(&platform, &org, "hooks").await, "live");
        gone(&platform, &org, third, 1).await;
        assert_eq!(meant(&platform, &org, "hooks").await, "live");
        gone(&platform, &org, second, 0).await;
        assert_eq!(meant(&platform, &org, "hooks").await, "last");
        // The last part of a routing key goes before any name.
        let mut fourth = Raw::serving(&platform, &org).await;
        register(&mut fourth, &org, "another", "old").await;
        assert_eq!(meant(&platform, &org, "old").await, "old");
    }

    async fn a_disabled_organization_takes_no_deliveries(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let mut raw = Raw::serving(&platform, &org).await;
        register(&mut raw, &org, "one", "hooks").await;
        kici_domain::setup::set_disabled(platform.app(), &org.id, true).await.unwrap();
        problem(Post::new("{}").to(&platform, &org).await, 404, "unknown_source").await;
        let url = platform.url(&format!("/webhook/{}/generic/hooks", org.id));
        problem(platform.http().post(&url).send().await.unwrap(), 404, "unknown_source").await;
    }

    async fn what_an_orchestrator_does_not_know_is_remembered_for_a_moment(database: Database) {
        let clock = Arc::new(TestClock::default());
        let options = Options { clock: clock.clone(), ..TestPlatform::options(&database) };
        let platform = TestPlatform::start_with(options).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let mut raw = Raw::serving(&platform, &org).await;
        let refuse = async |raw: &mut Raw| {
            let start = raw.next_of("webhook.relay.start").await;
            raw.send(json!({
                "type": "webhook.ack", "messageId": start["messageId"], "deliveryId": "x",
                "result": "rejected_unknown_source",
            })).await;
        };
        let (answer, ()) = tokio::join!(Post::new("{}").to(&platform, &org), refuse(&mut raw));
        problem(answer, 404, "rejected_unknown_source").await;
        // Nobody is asked, and there is no row.
        problem(Post::new("{}").to(&platform, &org).await, 404, "unknown_source").await;
        let log = org.request(&platform, Method::GET, "/event-log").send().await.unwrap();
        assert_eq!(body(log).await["items"].as_array().unwrap().len(), 1);
        clock.advance(Duration::from_secs(11));
        let (answer, ()) = tokio::join!(Post::new("{}").to(&platform, &org), refuse(&mut raw));
        problem(answer, 404, "rejected_unknown_source").await;
        // Whoever registers is asked at once.
        register(&mut raw, &org, "one", "x").await;
        let (answer, ()) = tokio::join!(Post::new("{}").to(&platform, &org), refuse(&mut raw));
        problem(answer, 404, "rejected_unknown_source").await;
    }

    async fn an_organization_has_so_many_sources_and_no_more(database: Database) {
        let limits = Limits { org_sources: 3, ..Limits::default() };
        let options = Options { limits, ..TestPlatform::options(&database) };
        let platform = TestPlatform::start_with(options).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        // The App is the first of them.
        let mut raw = Raw::serving(&platform, &org).await;
        for id in ["one", "two"] {
            assert_eq!(register(&mut raw, &org, id, "x").await["rejected"], json!([]));
        }
        // "Serves nothing" leaves the rows where they are.
        raw.send(json!({"type": "source.register", "messageId": "m", "sources": []})).await;
        raw.next().await;
        let refused = register(&mut raw, &org, "three", "x").await;
        assert_eq!(refused["accepted"], json!([]));
        let reason = refused["rejected"][0]["reason"].as_str().unwrap();
        assert!(reason.starts_with("the organization has 3 sources"), "{reason}");
        // What is known can still change.
        assert_eq!(register(&mut raw, &org, "two", "another name").await["rejected"], json!([]));
        let listed = org.request(&platform, Method::GET, "/sources").send().await.unwrap();
        let listed = body(listed).await["sources"].clone();
        let names: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
        assert_eq!(names, ["x", "another name", "Acme CI"]);
        let gone = json!([format!("generic:{}:one", org.id)]);
        raw.send(json!({"type": "source.deregister", "messageId": "m", "routingKeys": gone})).await;
        assert_eq!(raw.next().await["removed"], gone);
        assert_eq!(register(&mut raw, &org, "three", "x").await["rejected"], json!([]));
        let other = TestOrg::create(&platform, "Umbrella").await.unwrap();
        Raw::serving(&platform, &other).await;
    }

    async fn what_is_registered_again_unchanged_is_not_written(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let mut raw = Raw::serving(&platform, &org).await;
        register(&mut raw, &org, "one", "x").await;
        // From here on each write of a source fails, and with it the link.
        let name = if database.url().starts_with("sqlite") {
            "CREATE TRIGGER shut BEFORE UPDATE ON sources BEGIN SELECT RAISE(ABORT, 'shut'); END"
        } else {
            "ALTER TABLE sources ADD CONSTRAINT shut CHECK (false) NOT VALID"
        };
        kici_migration::execute(database.url(), name).await.unwrap();
        assert_eq!(register(&mut raw, &org, "one", "x").await["rejected"], json!([]));
        let source = json!({"provider": "generic", "routingKey": format!("generic:{}:one", org.id), "name": "y", "subtype": "generic_webhook"});
        raw.send(json!({"type": "source.register", "messageId": "m", "sources": [source]})).await;
        assert_eq!(raw.closed().await, 4006);
    }
}
