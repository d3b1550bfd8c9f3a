//! Personal access tokens: bounded, listed without the token, gone when revoked.

use std::sync::Arc;

use kici_domain::access::{self, Caller, Operation, Presents};
use kici_domain::personal_tokens::{self, NewPersonalToken, PersonalTokensError};
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{json as body, problem};

async fn call(
    platform: &TestPlatform,
    method: Method,
    path: &str,
    token: &str,
    sent: &Value,
) -> Response {
    let url = platform.url(&format!("/api/v1{path}"));
    platform.http().request(method, url).bearer_auth(token).json(sent).send().await.unwrap()
}

on_both_databases! {
    async fn a_token_made_with_a_token_never_does_more(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let make = async |token: &str, sent: Value| call(&platform, Method::POST, "/pats", token, &sent).await;
        let scoped = json!({"name": "ci", "scopes": {"event_log": "read", "members": "read"}, "expiresInDays": 10});
        let scoped = body(make(&org.token, scoped).await).await;
        let token = scoped["token"].as_str().unwrap();
        let with = TestOrg { token: token.to_owned(), ..org.clone() };
        body(with.request(&platform, Method::GET, "/event-log").send().await.unwrap()).await;
        let beyond = with.request(&platform, Method::GET, "/sources").send().await.unwrap();
        problem(beyond, 403, "insufficient_permission").await;
        // Scopes never carry ownership along.
        let rename = with.request(&platform, Method::PATCH, "").json(&json!({"displayName": "x"}));
        problem(rename.send().await.unwrap(), 403, "insufficient_permission").await;
        for refused in [
            json!({"name": "x", "scopes": {"event_log": "write"}, "expiresInDays": 5}),
            json!({"name": "x", "expiresInDays": 5}),
            json!({"name": "x", "scopes": {"event_log": "read"}, "expiresInDays": 11}),
        ] {
            problem(make(token, refused).await, 403, "escalation").await;
        }
        let all = call(&platform, Method::GET, "/pats", &org.token, &Value::Null).await;
        let own = body(all).await["pats"][0]["id"].as_str().unwrap().to_owned();
        let others = call(&platform, Method::DELETE, &format!("/pats/{own}"), token, &Value::Null).await;
        problem(others, 403, "escalation").await;
        let narrower = json!({"name": "x", "scopes": {"event_log": "read"}});
        let narrower = body(make(token, narrower).await).await;
        assert!(narrower["expiresAt"].as_str().unwrap() <= scoped["expiresAt"].as_str().unwrap());
        let agent = json!({"name": "bot", "kind": "agent", "agentLabel": "coder"});
        let agent = body(make(&org.token, agent).await).await;
        let user_kind = make(agent["token"].as_str().unwrap(), json!({"name": "x"})).await;
        problem(user_kind, 403, "escalation").await;
        assert_eq!(agent["kind"], "agent");
        assert!(agent.get("scopes").is_none(), "{agent}");
        assert_eq!(narrower["scopes"]["event_log"], "read");
        // Who mistypes the word does not get a token without bounds.
        for near in ["scope", "permission"] {
            let mistyped = make(&org.token, json!({"name": "x", near: {"event_log": "read"}})).await;
            problem(mistyped, 422, "invalid_fields").await;
        }
        // As a newer command line asks for it: with bounds under another name, and more beside.
        let newer = json!({"name": "x", "permissions": {"event_log": "read"}, "color": "green"});
        let newer = body(make(&org.token, newer).await).await;
        let with = TestOrg { token: newer["token"].as_str().unwrap().to_owned(), ..org.clone() };
        body(with.request(&platform, Method::GET, "/event-log").send().await.unwrap()).await;
        problem(with.request(&platform, Method::GET, "/sources").send().await.unwrap(), 403, "insufficient_permission").await;
        let both = json!({"name": "x", "permissions": {}, "scopes": {}});
        problem(make(&org.token, both).await, 422, "invalid_fields").await;
        for odd in [json!({"name": "x", "kind": "robot"}), json!({"name": "x", "kind": "agent"}), json!({"name": "x", "expiresInDays": 0})] {
            problem(make(&org.token, odd).await, 422, "invalid_fields").await;
        }
    }

    async fn a_revoked_token_is_refused_from_the_next_request_on(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let other = TestOrg::create(&platform, "Umbrella").await.unwrap();
        let made = body(call(&platform, Method::POST, "/pats", &org.token, &json!({"name": "laptop"})).await).await;
        let (token, path) = (made["token"].as_str().unwrap(), format!("/pats/{}", made["id"].as_str().unwrap()));
        let listed = call(&platform, Method::GET, "/pats", token, &Value::Null).await.text().await.unwrap();
        assert!(listed.contains("laptop") && !listed.contains(token));
        let strangers = call(&platform, Method::DELETE, &path, &other.token, &Value::Null).await;
        problem(strangers, 404, "not_found").await;
        assert_eq!(call(&platform, Method::DELETE, &path, token, &Value::Null).await.status(), 204);
        problem(call(&platform, Method::GET, "/user", token, &Value::Null).await, 401, "invalid_token").await;
        let me = body(call(&platform, Method::GET, "/user", &org.token, &Value::Null).await).await;
        assert_eq!(me["id"], org.owner.as_str());
        let orgs = body(call(&platform, Method::GET, "/user/orgs", &org.token, &Value::Null).await).await;
        let own = json!({"id": org.id.as_str(), "displayName": "Acme", "isOwner": true, "role": "Owner"});
        assert_eq!(orgs, json!({"orgs": [own], "nextCursor": null}));
    }

    async fn what_ends_while_a_change_waits_changes_nothing(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let made = call(&platform, Method::POST, "/pats", &org.token, &json!({"name": "short"})).await;
        let made = body(made).await;
        let (request_id, operation) = ("test".parse().unwrap(), Operation::new("test", Arc::default()));
        let presents = Some(Presents::Bearer(made["token"].as_str().unwrap()));
        let caller = Caller {
            presents,
            request_id: &request_id,
            operation: &operation,
            observer: None,
        };
        // They are let in, and then their token ends before they have done anything.
        let me = access::enter_person(platform.app(), caller).await.unwrap();
        let path = format!("/pats/{}", made["id"].as_str().unwrap());
        assert_eq!(call(&platform, Method::DELETE, &path, &org.token, &Value::Null).await.status(), 204);
        let wanted = NewPersonalToken { name: "x".parse().unwrap(), scopes: None, agent: None, days: None };
        let late = personal_tokens::create(platform.app(), &me, &wanted).await;
        assert!(matches!(late, Err(PersonalTokensError::Enter(_))), "{late:?}");
        let listed = body(call(&platform, Method::GET, "/pats", &org.token, &Value::Null).await).await;
        assert!(!listed.to_string().contains("\"x\""), "{listed}");
    }

    async fn a_token_with_bounds_sees_itself_and_no_other(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let sent = json!({"name": "narrow", "scopes": {"runs": "read"}});
        let made = body(call(&platform, Method::POST, "/pats", &org.token, &sent).await).await;
        let narrow = made["token"].as_str().unwrap();
        let listed = body(call(&platform, Method::GET, "/pats", narrow, &Value::Null).await).await;
        let names: Vec<_> = listed["pats"].as_array().unwrap().iter().map(|pat| pat["name"].clone()).collect();
        assert_eq!(names, ["narrow"]);
        let all = body(call(&platform, Method::GET, "/pats", &org.token, &Value::Null).await).await;
        assert_eq!(all["pats"].as_array().unwrap().len(), 2);
    }
}
