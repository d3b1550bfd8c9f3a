//! Invitations: made within what one holds, sent again, taken back.

use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{json as body, problem};

async fn send(
    platform: &TestPlatform,
    org: &TestOrg,
    method: Method,
    path: &str,
    sent: Value,
) -> Response {
    org.request(platform, method, path).json(&sent).send().await.unwrap()
}

on_both_databases! {
    async fn an_address_is_invited_once_and_again_after_it_was_taken_back(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let invite = async |email: &str| send(&platform, &org, Method::POST, "/invites", json!({"email": email})).await;
        let sent = body(invite("Ada@Example.org").await).await;
        let id = sent["invite"]["id"].as_str().unwrap().to_owned();
        assert_eq!(sent["invite"]["email"], "ada@example.org");
        assert_eq!(sent["mailed"], false);
        assert!(sent["link"].as_str().unwrap().ends_with(&format!("/invites/{id}")), "{sent}");
        problem(invite("ada@example.org").await, 409, "already_invited").await;
        problem(invite("owner@acme.example").await, 409, "already").await;
        for bad in ["ada", "", "a b@c"] {
            problem(invite(bad).await, 422, "invalid_fields").await;
        }
        let path = format!("/invites/{id}");
        let again = body(send(&platform, &org, Method::POST, &format!("{path}/resend"), Value::Null).await).await;
        assert!(again["invite"]["expiresAt"].as_str() > sent["invite"]["expiresAt"].as_str());
        let listed = body(send(&platform, &org, Method::GET, "/invites", Value::Null).await).await;
        assert_eq!(listed["invites"], json!([again["invite"]]));
        assert_eq!(send(&platform, &org, Method::DELETE, &path, Value::Null).await.status(), 204);
        problem(send(&platform, &org, Method::DELETE, &path, Value::Null).await, 404, "not_found").await;
        problem(send(&platform, &org, Method::POST, &format!("{path}/resend"), Value::Null).await, 404, "not_found").await;
        assert_eq!(invite("ada@example.org").await.status(), 201);
    }

    async fn nobody_invites_to_more_than_they_have(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let held = Matrix::only(Resource::Members, Level::Write).with(Resource::EventLog, Level::Read);
        let deputy = org.member(&platform, held).await.unwrap();
        let deputy = TestOrg { token: deputy.token, ..org.clone() };
        let role = async |name: &str, permissions: Value| {
            let sent = json!({"name": name, "permissions": permissions});
            body(send(&platform, &org, Method::POST, "/roles", sent).await).await["id"].clone()
        };
        let (within, beyond) = (role("Within", json!({"event_log": "read"})).await, role("Beyond", json!({"audit": "read"})).await);
        let roles = body(send(&platform, &org, Method::GET, "/roles", Value::Null).await).await;
        let owner = roles["roles"].as_array().unwrap().iter().find(|role| role["isOwner"] == true).unwrap()["id"].clone();
        let invite = async |who: &TestOrg, email: &str, roles: Value| {
            send(&platform, who, Method::POST, "/invites", json!({"email": email, "roleIds": roles})).await
        };
        assert_eq!(invite(&deputy, "a@example.org", json!([within])).await.status(), 201);
        problem(invite(&deputy, "b@example.org", json!([within, beyond])).await, 403, "escalation").await;
        problem(invite(&deputy, "b@example.org", json!([owner])).await, 403, "escalation").await;
        // Without roles it would be Member, which reads more than the deputy.
        problem(invite(&deputy, "b@example.org", json!([])).await, 403, "escalation").await;
        let strong = body(invite(&org, "c@example.org", json!([beyond])).await).await;
        let path = format!("/invites/{}/resend", strong["invite"]["id"].as_str().unwrap());
        problem(send(&platform, &deputy, Method::POST, &path, Value::Null).await, 403, "escalation").await;
        problem(invite(&org, "d@example.org", json!(["rol_0nothing"])).await, 422, "not_there").await;
    }
}
