//! A change that is repeated under its key is done once.

use std::sync::Arc;
use std::time::Duration;

use kici_platform::Options;
use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, TestClock, TestOrg, TestPlatform, on_both_databases};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{json as body, problem};

async fn post(
    platform: &TestPlatform,
    org: &TestOrg,
    key: &str,
    path: &str,
    sent: &Value,
) -> Response {
    let request = org.request(platform, Method::POST, path).header("idempotency-key", key);
    request.json(sent).send().await.unwrap()
}

on_both_databases! {
    async fn the_same_request_gets_the_same_answer_and_is_done_once(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let sent = json!({"name": "Reads", "permissions": {"runs": "read"}});
        let first = post(&platform, &org, "one", "/roles", &sent).await;
        let (tag, id) = (first.headers()["etag"].clone(), body(first).await);
        let again = post(&platform, &org, "one", "/roles", &sent).await;
        assert_eq!(again.status(), 201);
        assert_eq!((&again.headers()["etag"], &again.headers()["idempotency-replayed"]), (&tag, &"true".parse().unwrap()));
        assert_eq!(body(again).await, id);
        let other = json!({"name": "Writes", "permissions": {}});
        problem(post(&platform, &org, "one", "/roles", &other).await, 422, "idempotency_key_taken").await;
        problem(post(&platform, &org, "one", "/teams", &sent).await, 422, "idempotency_key_taken").await;
        // Another caller has keys of their own.
        let deputy = org.member(&platform, Matrix::only(Resource::Members, Level::Admin)).await.unwrap();
        let deputy = TestOrg { token: deputy.token, ..org.clone() };
        problem(post(&platform, &deputy, "one", "/roles", &sent).await, 409, "name_taken").await;
        // What was refused changed nothing, and may be tried again under the same key.
        let bad = json!({"name": ""});
        problem(post(&platform, &org, "two", "/roles", &bad).await, 422, "invalid_fields").await;
        assert_eq!(post(&platform, &org, "two", "/roles", &other).await.status(), 201);
        let nobody = TestOrg { token: "kici_pat_x".to_owned(), ..org.clone() };
        for key in ["", &"x".repeat(129), "a b"] {
            problem(post(&platform, &org, key, "/roles", &sent).await, 422, "invalid_fields").await;
            // Who asks is looked at first.
            problem(post(&platform, &nobody, key, "/roles", &sent).await, 401, "invalid_token").await;
        }
    }

    async fn what_was_broken_off_is_not_done_twice(database: Database) {
        let clock = Arc::new(TestClock::default());
        let options = Options { clock: clock.clone(), ..TestPlatform::options(&database) };
        let platform = TestPlatform::start_with(options).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        // From here on no answer can be kept, so that nobody knows what became of a request.
        let shut = if database.url().starts_with("sqlite") {
            "CREATE TRIGGER shut BEFORE UPDATE ON idempotency_keys BEGIN SELECT RAISE(ABORT, 'shut'); END"
        } else {
            "ALTER TABLE idempotency_keys ADD CONSTRAINT shut CHECK (status IS NULL) NOT VALID"
        };
        kici_migration::execute(database.url(), shut).await.unwrap();
        let sent = json!({"name": "ci", "permissions": {}});
        assert_eq!(post(&platform, &org, "one", "/api-keys", &sent).await.status(), 201);
        problem(post(&platform, &org, "one", "/api-keys", &sent).await, 409, "idempotency_under_way").await;
        clock.advance(Duration::from_secs(61));
        problem(post(&platform, &org, "one", "/api-keys", &sent).await, 409, "idempotency_broken_off").await;
        let listed = org.request(&platform, Method::GET, "/api-keys").send().await.unwrap();
        assert_eq!(body(listed).await["apiKeys"].as_array().unwrap().len(), 1);
    }

    async fn the_permission_is_checked_again(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let deputy = org.member(&platform, Matrix::only(Resource::Members, Level::Admin)).await.unwrap();
        let theirs = TestOrg { token: deputy.token, ..org.clone() };
        let sent = json!({"name": "Reads", "permissions": {}});
        assert_eq!(post(&platform, &theirs, "one", "/roles", &sent).await.status(), 201);
        let path = format!("/members/{}/roles", deputy.id);
        let demoted = org.request(&platform, Method::PUT, &path).json(&json!({"roleIds": []}));
        assert_eq!(demoted.send().await.unwrap().status(), 204);
        problem(post(&platform, &theirs, "one", "/roles", &sent).await, 403, "insufficient_permission").await;
    }

    async fn a_secret_is_never_shown_twice(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let sent = json!({"name": "ci", "permissions": {}});
        let made = body(post(&platform, &org, "one", "/api-keys", &sent).await).await;
        let again = problem(post(&platform, &org, "one", "/api-keys", &sent).await, 409, "secret_shown_once").await;
        assert!(again["error"].as_str().unwrap().contains(made["key"]["id"].as_str().unwrap()), "{again}");
        assert_eq!(again["id"], made["key"]["id"]);
        let url = platform.url("/api/v1/pats");
        let pat = async || platform.http().post(&url).bearer_auth(&org.token).header("idempotency-key", "pat")
            .json(&json!({"name": "laptop"})).send().await.unwrap();
        let made = body(pat().await).await;
        let again = problem(pat().await, 409, "secret_shown_once").await;
        assert!(again["error"].as_str().unwrap().contains(made["id"].as_str().unwrap()), "{again}");
    }

    async fn twenty_at_once_make_one(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let sent = json!({"name": "One", "permissions": {}});
        let tries = (0..20).map(|_| post(&platform, &org, "one", "/roles", &sent));
        let answers = futures_util::future::join_all(tries).await;
        let made = answers.iter().filter(|a| a.status() == 201 && !a.headers().contains_key("idempotency-replayed"));
        assert_eq!(made.count(), 1);
        for answer in answers {
            match answer.status().as_u16() {
                201 => {}
                _ => drop(problem(answer, 409, "idempotency_under_way").await),
            }
        }
        assert_eq!(post(&platform, &org, "one", "/roles", &sent).await.status(), 201);
    }

    async fn a_question_that_is_posted_is_answered_anew(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let member = org.member(&platform, Matrix::MEMBER).await.unwrap();
        let ask = json!({"user": member.id.as_str(), "resource": "runs", "level": "read"});
        let allowed = async || {
            let asked = org.request(&platform, Method::POST, "/permissions/explain").json(&ask);
            let answer = asked.header("idempotency-key", "same").send().await.unwrap();
            assert!(!answer.headers().contains_key("idempotency-replayed"));
            body(answer).await["allowed"].clone()
        };
        assert_eq!(allowed().await, true);
        let suspend = format!("/members/{}/suspend", member.id);
        let done = org.request(&platform, Method::POST, &suspend).send().await.unwrap();
        assert_eq!(done.status(), 204);
        assert_eq!(allowed().await, false);
    }
}
