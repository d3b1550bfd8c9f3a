//! Who gets in, and what the others are told.

use futures_util::{StreamExt, stream};
use kici_platform::Options;
use kici_rbac::Matrix;
use kici_testkit::{Database, TestClock, TestOrg, TestPlatform, on_both_databases};
use reqwest::{Method, Response};

use crate::support::{at_the_door, json, problem};

/// Every operation under an organisation: its method, a path that reaches it, and its name.
fn operations(org: &str) -> Vec<(Method, String, String)> {
    kici_api::operations()
        .into_iter()
        .filter(|operation| operation.path.contains("/orgs/{org}"))
        .map(|operation| {
            let path = operation.path.replace("{org}", org).replace("{key}", "key_0nothere");
            let path = path.replace("{role}", "rol_0nothere");
            (operation.method.parse().unwrap(), path, operation.id)
        })
        .collect()
}

async fn call(
    platform: &TestPlatform,
    method: &Method,
    path: &str,
    token: Option<&str>,
) -> Response {
    let request = platform.http().request(method.clone(), platform.url(path));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    request.header("x-request-id", "same").send().await.unwrap()
}

on_both_databases! {
    async fn nobody_and_wrong_tokens_get_401_everywhere(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let (_, link_key) = org.orchestrator_key(&platform).await.unwrap();
        let unknown = kici_model::Token::new(kici_model::TokenKind::Personal, &kici_model::OsEntropy::default()).unwrap();
        let mut typo = org.token.clone();
        typo.replace_range(12..13, if &typo[12..13] == "x" { "y" } else { "x" });
        let listed = operations(org.id.as_str());
        assert!(listed.len() >= 7, "the document has lost its operations");
        for (method, path, id) in listed {
            let answer = call(&platform, &method, &path, None).await;
            at_the_door(answer, &id, "unauthenticated").await;
            for bad in [unknown.reveal(), &typo, "kici_pat_", "eyJhbGciOiJub25lIn0.e30."] {
                let answer = call(&platform, &method, &path, Some(bad)).await;
                at_the_door(answer, &id, "invalid_token").await;
            }
            let answer = call(&platform, &method, &path, Some(&link_key)).await;
            at_the_door(answer, &id, "wrong_kind_of_token").await;
        }
    }

    async fn an_expired_token_is_refused_like_one_that_never_was(database: Database) {
        let clock = std::sync::Arc::new(TestClock::default());
        let options = Options { clock: clock.clone(), ..TestPlatform::options(&database) };
        let platform = TestPlatform::start_with(options).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let days = serde_json::json!({"name": "short", "permissions": {}, "expiresInDays": 1});
        let made = org.request(&platform, Method::POST, "/api-keys").json(&days).send().await.unwrap();
        let made = json(made).await;
        let key = made["token"].as_str().unwrap();
        let path = format!("/api/v1/orgs/{}", org.id);
        let day = std::time::Duration::from_secs(24 * 60 * 60);
        clock.advance(day - std::time::Duration::from_secs(1));
        assert_eq!(call(&platform, &Method::GET, &path, Some(key)).await.status(), 200);
        clock.advance(std::time::Duration::from_secs(1));
        problem(call(&platform, &Method::GET, &path, Some(key)).await, 401, "invalid_token").await;
        assert_eq!(call(&platform, &Method::GET, &path, Some(&org.token)).await.status(), 200);
        clock.advance(day * 120);
        problem(call(&platform, &Method::GET, &path, Some(&org.token)).await, 401, "invalid_token").await;
    }

    async fn what_is_no_id_is_no_organisation(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        for odd in ["org_%00", "%2e%2e", "org_a%20b", "nonsense"] {
            let path = format!("/api/v1/orgs/{odd}");
            let answer = call(&platform, &Method::GET, &path, Some(&org.token)).await;
            problem(answer, 404, "not_found").await;
        }
    }

    async fn members_see_their_organisation_and_a_double_slash_is_forgiven(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let key = org.api_key(&platform, Matrix::NONE).await.unwrap();
        for prefix in ["/api/v1", "//api/v1"] {
            let path = format!("{prefix}/orgs/{}", org.id);
            let body = json(call(&platform, &Method::GET, &path, Some(&key)).await).await;
            assert_eq!(body["id"], org.id.as_str());
            assert_eq!(body["displayName"], "Acme");
        }
        // What is answered is for who has asked, and nobody guesses what it is.
        for (path, token) in [(format!("/api/v1/orgs/{}", org.id), Some(&*key)), ("/nothing".to_owned(), None)] {
            let answer = call(&platform, &Method::GET, &path, token).await;
            assert_eq!(answer.headers()["cache-control"], "no-store");
            assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        }
    }

    async fn a_right_that_is_gone_before_the_last_byte_is_not_used(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let deputy = org.member(&platform, Matrix::OWNER).await.unwrap();
        let (first, rest) = (r#"{"name": "l"#, r#"ate", "permissions": {}}"#);
        let (open, gate) = tokio::sync::oneshot::channel::<()>();
        let last = async move {
            gate.await.unwrap();
            Ok(rest)
        };
        let pieces = stream::iter([Ok::<_, std::io::Error>(first)]).chain(stream::once(last));
        let url = platform.url(&format!("/api/v1/orgs/{}/roles", org.id));
        let request = platform.http().post(url).bearer_auth(&deputy.token)
            .header("content-type", "application/json").body(reqwest::Body::wrap_stream(pieces));
        let pending = tokio::spawn(request.send());
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let as_owner = org.enter(&platform).await.unwrap();
        kici_domain::members::suspend(platform.app(), &as_owner, &deputy.id).await.unwrap();
        open.send(()).unwrap();
        problem(pending.await.unwrap().unwrap(), 403, "member_suspended").await;
    }
}
