//! An organization that its operator has disabled is shut for everybody, whatever they come with.

use kici_domain::setup;
use kici_link::Limits;
use kici_platform::Options;
use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::support::{json as body, problem, send};
use crate::visitor::{access_token, call, exchange, person};

on_both_databases! {
    async fn nobody_comes_in_and_links_end(database: Database) {
        let limits = Limits { key_check: std::time::Duration::from_millis(200), ..Limits::default() };
        let options = Options { limits, ..TestPlatform::options(&database) };
        let platform = TestPlatform::start_with_issuer(options, vec![person("ada")]).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let suspended = org.member(&platform, Matrix::MEMBER).await.unwrap();
        let path = format!("/members/{}/suspend", suspended.id);
        assert_eq!(send(&platform, &org, Method::POST, &path, Value::Null).await.status(), 204);
        let api_key = org.api_key(&platform, Matrix::MEMBER).await.unwrap();
        let account = json!({"name": "bot", "permissions": {"members": "read"}});
        let account = body(send(&platform, &org, Method::POST, "/service-accounts", account).await).await;
        let keys = format!("/service-accounts/{}/keys", account["id"].as_str().unwrap());
        let robot = body(send(&platform, &org, Method::POST, &keys, json!({"name": "k"})).await).await;
        let robot = robot["token"].as_str().unwrap().to_owned();
        let invited = send(&platform, &org, Method::POST, "/invites", json!({"email": "ada@example.org"})).await;
        let invite = body(invited).await["invite"]["id"].as_str().unwrap().to_owned();
        let ada = access_token(&platform, "ada").await;
        assert!(exchange(&platform, &ada).await.status().is_success());
        let mut link = Raw::serving(&platform, &org).await;
        let callers = [org.token.clone(), suspended.token, api_key, robot];
        for (at, token) in callers.iter().enumerate() {
            let who = TestOrg { token: token.clone(), ..org.clone() };
            let wanted = if at == 1 { 403 } else { 200 };
            assert_eq!(send(&platform, &who, Method::GET, "/roles", Value::Null).await.status(), wanted);
        }
        assert!(setup::set_disabled(platform.app(), &org.id, true).await.unwrap());
        for token in &callers {
            let who = TestOrg { token: token.clone(), ..org.clone() };
            // Before the suspension is looked at, and the permission.
            for path in ["", "/roles", "/permissions"] {
                let refused = send(&platform, &who, Method::GET, path, Value::Null).await;
                let refused = problem(refused, 403, "org_disabled").await;
                assert!(refused["disabled_at"].is_string(), "{refused}");
            }
        }
        let accepted = call(&platform, Method::POST, &format!("/invites/{invite}/accept"), &ada, Value::Null).await;
        problem(accepted, 403, "org_disabled").await;
        assert_eq!(link.closed().await, 4001);
        // A new one is not let in, until the organization is enabled again.
        assert!(setup::set_disabled(platform.app(), &org.id, false).await.unwrap());
        let (_, key) = org.orchestrator_key(&platform).await.unwrap();
        for (is_disabled, code) in [(true, Some(4001)), (false, None)] {
            setup::set_disabled(platform.app(), &org.id, is_disabled).await.unwrap();
            let mut raw = Raw::connect(&platform).await;
            raw.send(json!({"type": "auth.request", "token": key, "protocolVersion": 1})).await;
            match code {
                Some(code) => assert_eq!(raw.closed().await, code),
                None => assert_eq!(raw.next().await["type"], "auth.success"),
            }
        }
    }

    async fn a_member_who_is_let_back_in_gets_no_more_than_the_caller_has(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let held = Matrix::only(Resource::Members, Level::Admin);
        let deputy = org.member(&platform, held).await.unwrap();
        let deputy = TestOrg { token: deputy.token, ..org.clone() };
        let strong = org.member(&platform, held.with(Resource::Billing, Level::Read)).await.unwrap();
        let path = |what: &str| format!("/members/{}/{what}", strong.id);
        assert_eq!(send(&platform, &deputy, Method::POST, &path("suspend"), Value::Null).await.status(), 204);
        let back = send(&platform, &deputy, Method::POST, &path("unsuspend"), Value::Null).await;
        problem(back, 403, "escalation").await;
        assert_eq!(send(&platform, &org, Method::POST, &path("unsuspend"), Value::Null).await.status(), 204);
    }
}
