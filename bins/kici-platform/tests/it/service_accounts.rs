//! Service accounts: they belong to the organization, and nobody gets more by one than they have.

use kici_domain::members;
use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{json as body, problem, send};

on_both_databases! {
    async fn an_account_outlives_its_maker_and_does_what_it_was_given(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let held = Matrix::only(Resource::ApiKeys, Level::Admin).with(Resource::EventLog, Level::Read);
        let maker = org.member(&platform, held).await.unwrap();
        let theirs = TestOrg { token: maker.token.clone(), ..org.clone() };
        let sent = json!({"name": "Deployer", "permissions": {"event_log": "read"}});
        let account = body(send(&platform, &theirs, Method::POST, "/service-accounts", sent.clone()).await).await;
        let path = format!("/service-accounts/{}", account["id"].as_str().unwrap());
        let again = json!({"name": "dEPLOYER", "permissions": {}});
        problem(send(&platform, &theirs, Method::POST, "/service-accounts", again).await, 409, "name_taken").await;
        let keys = format!("{path}/keys");
        let key = body(send(&platform, &theirs, Method::POST, &keys, json!({"name": "one"})).await).await;
        let token = key["token"].as_str().unwrap();
        assert!(token.starts_with("kici_sa_"));
        let account_itself = TestOrg { token: token.to_owned(), ..org.clone() };
        let status = async |path: &str| account_itself.request(&platform, Method::GET, path).send().await.unwrap().status();
        assert_eq!((status("/event-log").await.as_u16(), status("/roles").await.as_u16()), (200, 403));
        let ask = json!({"resource": "event_log", "level": "read"});
        let own = body(send(&platform, &account_itself, Method::POST, "/permissions/explain", ask).await).await;
        assert_eq!((&own["allowed"], &own["held"]), (&json!(true), &json!("read")));
        // Keys of accounts make no keys: nobody would answer for them.
        let as_owner = org.enter(&platform).await.unwrap();
        members::remove(platform.app(), &as_owner, &maker.id).await.unwrap();
        assert_eq!(status("/event-log").await, 200);
        let widened = send(&platform, &org, Method::PATCH, &path, json!({"permissions": {"event_log": "read", "members": "read", "api_keys": "write"}})).await;
        body(widened).await;
        assert_eq!(status("/roles").await, 200);
        let own = send(&platform, &account_itself, Method::POST, "/api-keys", json!({"name": "x", "permissions": {}})).await;
        problem(own, 403, "person_required").await;
        let user = platform.http().get(platform.url("/api/v1/user")).bearer_auth(token).send().await.unwrap();
        problem(user, 403, "person_required").await;
        let other = TestOrg::create(&platform, "Umbrella").await.unwrap();
        let elsewhere = TestOrg { token: token.to_owned(), ..other };
        problem(elsewhere.request(&platform, Method::GET, "").send().await.unwrap(), 404, "not_found").await;
        let listed = send(&platform, &org, Method::GET, &keys, Value::Null).await.text().await.unwrap();
        assert!(listed.contains("\"one\"") && !listed.contains(token));
        let one = format!("{keys}/{}", key["key"]["id"].as_str().unwrap());
        let two = body(send(&platform, &org, Method::POST, &format!("{one}/rotate"), json!({"overlapDays": 1})).await).await;
        assert_eq!(send(&platform, &org, Method::DELETE, &one, Value::Null).await.status(), 204);
        assert_eq!(status("/event-log").await, 401);
        problem(send(&platform, &org, Method::DELETE, &one, Value::Null).await, 404, "not_found").await;
        assert_eq!(send(&platform, &org, Method::DELETE, &path, Value::Null).await.status(), 204);
        let gone = TestOrg { token: two["token"].as_str().unwrap().to_owned(), ..org.clone() };
        problem(gone.request(&platform, Method::GET, "").send().await.unwrap(), 401, "invalid_token").await;
        problem(send(&platform, &org, Method::GET, &keys, Value::Null).await, 404, "not_found").await;
    }

    async fn nobody_gets_more_by_an_account_than_they_have(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let strong = json!({"name": "Strong", "permissions": {"members": "admin"}});
        let strong = body(send(&platform, &org, Method::POST, "/service-accounts", strong).await).await;
        let path = format!("/service-accounts/{}", strong["id"].as_str().unwrap());
        let key = body(send(&platform, &org, Method::POST, &format!("{path}/keys"), json!({"name": "k"})).await).await;
        let key = key["key"]["id"].as_str().unwrap();
        let admin = org.member(&platform, Matrix::only(Resource::ApiKeys, Level::Admin)).await.unwrap();
        let theirs = TestOrg { token: admin.token, ..org.clone() };
        let wanted = json!({"name": "x", "permissions": {"members": "admin"}});
        for (method, path, sent) in [
            (Method::POST, "/service-accounts".to_owned(), wanted),
            (Method::POST, format!("{path}/keys"), json!({"name": "mine"})),
            (Method::POST, format!("{path}/keys/{key}/rotate"), json!({})),
            (Method::PATCH, path.clone(), json!({"permissions": {"members": "admin", "audit": "read"}})),
        ] {
            problem(send(&platform, &theirs, method, &path, sent).await, 403, "escalation").await;
        }
        // Whoever could weaken it would add a key now, and be more once somebody has mended it.
        let weaker = async |who| send(&platform, who, Method::PATCH, &path, json!({"permissions": {"members": "read"}})).await;
        problem(weaker(&theirs).await, 403, "escalation").await;
        assert_eq!(body(weaker(&org).await).await["permissions"]["members"], "read");
        let renamed = send(&platform, &theirs, Method::PATCH, &path, json!({"name": "Weak"})).await;
        assert_eq!(body(renamed).await["name"], "Weak");
        let none = send(&platform, &theirs, Method::DELETE, &path, Value::Null).await;
        assert_eq!(none.status(), 204);
    }
}
