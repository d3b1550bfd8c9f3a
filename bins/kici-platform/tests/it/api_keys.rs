//! API keys and orchestrator keys: rotated, limited, and when they were last used.

use kici_model::RoutingKey;
use kici_orchestrator_core::{Source, Verification};
use kici_platform::Options;
use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, PATIENCE, TestClock, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::raw::Raw;
use crate::support::{app_source, json as body, problem, send};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn moved(database: &Database) -> (TestPlatform, TestOrg, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    let options = Options { clock: clock.clone(), ..TestPlatform::options(database) };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    (platform, org, clock)
}

fn with(org: &TestOrg, token: &Value) -> TestOrg {
    TestOrg { token: token.as_str().unwrap().to_owned(), ..org.clone() }
}

on_both_databases! {
    async fn at_a_thousand_keys_one_is_rotated_and_none_added(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        for _ in 0..1_000 {
            org.api_key(&platform, Matrix::NONE).await.unwrap();
        }
        let sent = json!({"name": "more", "permissions": {}});
        let more = send(&platform, &org, Method::POST, "/api-keys", sent).await;
        problem(more, 409, "too_many").await;
        let first = body(send(&platform, &org, Method::GET, "/api-keys?limit=1", Value::Null).await).await;
        let rotate = format!("/api-keys/{}/rotate", first["apiKeys"][0]["id"].as_str().unwrap());
        for (days, status) in [(1, 409), (0, 201)] {
            let sent = json!({"overlapDays": days});
            let rotated = send(&platform, &org, Method::POST, &rotate, sent).await;
            assert_eq!(rotated.status(), status);
        }
    }

    async fn a_rotated_key_works_as_long_as_was_said_and_its_successor_as_long_as_it(database: Database) {
        let (platform, org, clock) = moved(&database).await;
        let sent = json!({"name": "ci", "permissions": {"event_log": "read"}, "expiresInDays": 60});
        let old = body(send(&platform, &org, Method::POST, "/api-keys", sent).await).await;
        clock.advance(DAY * 10);
        let path = format!("/api-keys/{}/rotate", old["key"]["id"].as_str().unwrap());
        let new = body(send(&platform, &org, Method::POST, &path, json!({"overlapDays": 2})).await).await;
        assert_eq!(new["key"]["permissions"]["event_log"], "read");
        assert_ne!(new["token"], old["token"]);
        let log = async |token: &Value| {
            with(&org, token).request(&platform, Method::GET, "/event-log").send().await.unwrap().status()
        };
        assert_eq!((log(&old["token"]).await, log(&new["token"]).await), (200.try_into().unwrap(), 200.try_into().unwrap()));
        clock.advance(DAY * 2);
        assert_eq!((log(&old["token"]).await, log(&new["token"]).await), (401.try_into().unwrap(), 200.try_into().unwrap()));
        clock.advance(DAY * 58);
        assert_eq!(log(&new["token"]).await, 401);
        for bad in [json!({"overlapDays": 31}), json!({"overlapDays": -1}), json!({"overlap": 1})] {
            problem(send(&platform, &org, Method::POST, &path, bad).await, 422, "invalid_fields").await;
        }
    }

    async fn nobody_gets_a_key_by_rotating_that_does_more_than_they(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let sent = json!({"name": "strong", "permissions": {"members": "admin"}});
        let strong = body(send(&platform, &org, Method::POST, "/api-keys", sent).await).await;
        let path = format!("/api-keys/{}/rotate", strong["key"]["id"].as_str().unwrap());
        let writer = org.member(&platform, Matrix::only(Resource::ApiKeys, Level::Write)).await.unwrap();
        let admin = org.member(&platform, Matrix::only(Resource::ApiKeys, Level::Admin)).await.unwrap();
        for (token, code) in [(writer.token, "insufficient_permission"), (admin.token, "escalation")] {
            let theirs = TestOrg { token, ..org.clone() };
            problem(send(&platform, &theirs, Method::POST, &path, json!({})).await, 403, code).await;
        }
        // Nor the owner themselves with a token that is bound.
        let pat = json!({"name": "bound", "scopes": {"api_keys": "admin"}});
        let url = platform.url("/api/v1/pats");
        let pat = platform.http().post(url).bearer_auth(&org.token).json(&pat).send().await.unwrap();
        let bound = with(&org, &body(pat).await["token"]);
        problem(send(&platform, &bound, Method::POST, &path, json!({})).await, 403, "escalation").await;
        assert_eq!(with(&org, &strong["token"]).request(&platform, Method::GET, "").send().await.unwrap().status(), 200);
        let rotated = body(send(&platform, &org, Method::POST, &path, json!({})).await).await;
        assert_eq!(with(&org, &strong["token"]).request(&platform, Method::GET, "").send().await.unwrap().status(), 401);
        assert_eq!(with(&org, &rotated["token"]).request(&platform, Method::GET, "").send().await.unwrap().status(), 200);
        problem(send(&platform, &org, Method::POST, &path, json!({})).await, 404, "not_found").await;
    }

    async fn the_last_use_is_noted_to_the_minute_and_beside_the_request(database: Database) {
        let (platform, org, clock) = moved(&database).await;
        let token = org.api_key(&platform, Matrix::only(Resource::EventLog, Level::Read)).await.unwrap();
        let used = async || {
            platform.app().write_notes().await.unwrap();
            let keys = body(send(&platform, &org, Method::GET, "/api-keys", Value::Null).await).await;
            keys["apiKeys"][0]["lastUsedAt"].clone()
        };
        assert_eq!(used().await, Value::Null);
        let log = with(&org, &json!(token));
        let mut seen = Vec::new();
        for seconds in [0, 30, 40] {
            clock.advance(Duration::from_secs(seconds));
            log.request(&platform, Method::GET, "/event-log").send().await.unwrap();
            seen.push(used().await);
        }
        assert!(seen[0].is_string() && seen[0] == seen[1] && seen[1] != seen[2], "{seen:?}");
    }

    async fn an_orchestrator_registers_what_its_key_is_for_and_nothing_else(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let sent = json!({"name": "hooks", "routingPatterns": [format!("generic:{}:*", org.id)]});
        let made = body(send(&platform, &org, Method::POST, "/orchestrator-keys", sent).await).await;
        assert_eq!(made["key"]["routingPatterns"], json!([format!("generic:{}:*", org.id)]));
        let key = RoutingKey::Generic { org: org.id.clone(), source: "hooks".into() };
        let mut raw = Raw::connect(&platform).await;
        raw.send(json!({"type": "auth.request", "token": made["token"], "protocolVersion": 1})).await;
        assert_eq!(raw.next().await["type"], "auth.success");
        let hooks = Source::generic(&key, "hooks", Verification::None);
        let sources = [app_source().registration, hooks.registration].map(|one| serde_json::to_value(one).unwrap());
        raw.send(json!({"type": "source.register", "messageId": "m", "sources": sources})).await;
        let ack = raw.next().await;
        assert_eq!(ack["accepted"].as_array().unwrap().len(), 1, "{ack}");
        assert_eq!(ack["accepted"][0]["routingKey"], key.to_string());
        assert_eq!(ack["rejected"][0]["routingKey"], app_source().registration.routing_key.to_string());
        for bad in [json!([]), json!(["git hub"]), json!("github:*")] {
            let sent = json!({"name": "x", "routingPatterns": bad});
            problem(send(&platform, &org, Method::POST, "/orchestrator-keys", sent).await, 422, "invalid_fields").await;
        }
    }

    async fn an_orchestrator_key_is_rotated_with_and_without_an_overlap(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let made = body(send(&platform, &org, Method::POST, "/orchestrator-keys", json!({"name": "x"})).await).await;
        let connect = async |token: &Value| {
            let mut raw = Raw::connect(&platform).await;
            raw.send(json!({"type": "auth.request", "token": token, "protocolVersion": 1})).await;
            let answer = raw.next().await;
            (raw, answer["type"].as_str().unwrap().to_owned())
        };
        let rotate = async |id: &Value, days: u32| {
            let path = format!("/orchestrator-keys/{}/rotate", id.as_str().unwrap());
            body(send(&platform, &org, Method::POST, &path, json!({"overlapDays": days})).await).await
        };
        let second = rotate(&made["key"]["id"], 1).await;
        let (_first_link, answer) = connect(&made["token"]).await;
        assert_eq!(answer, "auth.success");
        let (mut second_link, answer) = connect(&second["token"]).await;
        assert_eq!(answer, "auth.success");
        let third = rotate(&second["key"]["id"], 0).await;
        let closed = tokio::time::timeout(PATIENCE, second_link.closed()).await.unwrap();
        assert_eq!(closed, 4001);
        assert_eq!(connect(&second["token"]).await.1, "auth.failure");
        assert_eq!(connect(&third["token"]).await.1, "auth.success");
    }
}
