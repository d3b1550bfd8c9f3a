//! Whom CI trusts: decided over the API, told to the orchestrators.

use kici_domain::setup;
use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::support::{json as body, problem, send};
use crate::visitor::{access_token, exchange, person};

/// What the orchestrator is told, once `is_it` is true of it.
async fn told(raw: &mut Raw, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    loop {
        let update = raw.next_of("trust_policy.update").await;
        if is_it(&update) {
            return update;
        }
        println!("not yet {what}: {update}");
    }
}

async fn done(
    platform: &TestPlatform,
    org: &TestOrg,
    method: Method,
    path: &str,
    sent: Value,
) -> Value {
    let answer = send(platform, org, method, path, sent).await;
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

on_both_databases! {
    async fn orchestrators_are_told_after_each_registration_and_each_change(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let other = TestOrg::create(&platform, "Other").await.unwrap();
        let mut theirs = Raw::serving(&platform, &other).await;
        let update = theirs.next_of("trust_policy.update").await;
        assert_eq!(update["memberCiTrustLevels"], json!({other.owner.as_str(): "admin"}));
        let mut raw = Raw::serving(&platform, &org).await;
        let owner = org.owner.as_str();
        let policy = json!({
            "forkPolicy": "hold",
            "unknownContributorPolicy": "hold",
            "workflowChangePolicy": "hold",
            "approvalExpiryHours": 72,
        });
        let first = json!({
            "type": "trust_policy.update",
            "orgId": org.id.as_str(),
            "policy": policy,
            "identityLinks": [],
            "memberCiTrustLevels": {owner: "admin"},
            "teamMemberships": [],
        });
        assert_eq!(raw.next_of("trust_policy.update").await, first);
        // Nothing has changed, but whoever registers is told.
        raw.send(json!({"type": "source.register", "messageId": "m2", "sources": []})).await;
        assert_eq!(raw.next_of("source.register.ack").await["messageId"], "m2");
        assert_eq!(raw.next_of("trust_policy.update").await, first);

        let decided = json!({
            "forkPolicy": "reject",
            "unknownContributorPolicy": "reject",
            "workflowChangePolicy": "allow",
            "approvalExpiryHours": 720,
        });
        done(&platform, &org, Method::PUT, "/trust-policies", decided.clone()).await;
        let update = told(&mut raw, "decided", |update| update["policy"] == decided).await;
        assert_eq!(update["memberCiTrustLevels"], first["memberCiTrustLevels"]);

        let trusted = Matrix::only(Resource::CiTrust, Level::Write);
        let member = org.member(&platform, trusted).await.unwrap().id;
        let level = |update: &Value| update["memberCiTrustLevels"][member.as_str()].clone();
        told(&mut raw, "a member", |update| level(update) == "write").await;
        let path = format!("/members/{member}/ci-trust");
        done(&platform, &org, Method::PUT, &path, json!({"level": "none"})).await;
        told(&mut raw, "set by hand", |update| level(update) == "none").await;
        done(&platform, &org, Method::PUT, &path, json!({"level": null})).await;
        told(&mut raw, "left to the roles", |update| level(update) == "write").await;

        let team = done(&platform, &org, Method::POST, "/teams", json!({"name": "release"})).await;
        let team = team["id"].as_str().unwrap();
        let place = format!("/teams/{team}/members/{member}");
        done(&platform, &org, Method::PUT, &place, Value::Null).await;
        let teams = json!([{"teamName": "release", "memberUserIds": [member.as_str()]}]);
        told(&mut raw, "in the team", |update| update["teamMemberships"] == teams).await;
        let admin = json!({"name": "Admin of CI", "permissions": {"ci_trust": "admin"}});
        let role = done(&platform, &org, Method::POST, "/roles", admin).await;
        let role = role["id"].as_str().unwrap();
        done(&platform, &org, Method::PUT, &format!("/teams/{team}/roles/{role}"), Value::Null).await;
        told(&mut raw, "by the team", |update| level(update) == "admin").await;
        let less = json!({"permissions": {"ci_trust": "read_payload"}});
        done(&platform, &org, Method::PATCH, &format!("/roles/{role}"), less).await;
        told(&mut raw, "a role does less", |update| level(update) == "write").await;

        done(&platform, &org, Method::POST, &format!("/members/{member}/suspend"), Value::Null).await;
        let nobody = json!([{"teamName": "release", "memberUserIds": []}]);
        let update = told(&mut raw, "suspended", |update| level(update).is_null()).await;
        assert_eq!(update["teamMemberships"], nobody);
        done(&platform, &org, Method::POST, &format!("/members/{member}/unsuspend"), Value::Null).await;
        told(&mut raw, "back", |update| update["teamMemberships"] == teams).await;
        done(&platform, &org, Method::DELETE, &format!("/members/{member}"), Value::Null).await;
        told(&mut raw, "removed", |update| update["memberCiTrustLevels"] == json!({owner: "admin"})).await;

        // All of this was no business of the other organization.
        theirs.send(json!({"type": "source.register", "messageId": "m2", "sources": []})).await;
        assert_eq!(theirs.any().await["type"], "source.register.ack");
    }

    async fn who_signs_in_for_the_first_time_goes_by_the_providers_id_from_then_on(database: Database) {
        let (platform, _) = crate::visitor::platform(&database, vec![person("ada")]).await;
        let (name, email) = ("Acme".parse().unwrap(), "ada@example.org".parse().unwrap());
        let made = setup::create_org(platform.app(), &name, &email).await.unwrap();
        let org = TestOrg { id: made.org, owner: made.owner, token: made.token.reveal().to_owned() };
        let mut raw = Raw::serving(&platform, &org).await;
        let levels = raw.next_of("trust_policy.update").await["memberCiTrustLevels"].clone();
        assert_eq!(levels, json!({org.owner.as_str(): "admin"}));
        let token = access_token(&platform, "ada").await;
        assert!(exchange(&platform, &token).await.status().is_success());
        let levels = raw.next_of("trust_policy.update").await["memberCiTrustLevels"].clone();
        assert_eq!(levels, json!({"ada": "admin"}));
    }

    async fn policies_are_decided_as_a_whole(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let path = "/trust-policies";
        let first = send(&platform, &org, Method::GET, path, Value::Null).await;
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(body(first).await["approvalExpiryHours"], 72);
        let wrong = json!({"forkPolicy": "maybe", "unknownContributorPolicy": "allow", "approvalExpiryHours": 721});
        let refused = problem(send(&platform, &org, Method::PUT, path, wrong).await, 422, "invalid_fields").await;
        let fields: Vec<_> = refused["fields"].as_array().unwrap().iter().map(|f| &f["path"]).collect();
        assert_eq!(fields, ["forkPolicy", "unknownContributorPolicy", "workflowChangePolicy", "approvalExpiryHours"]);
        let wanted = json!({
            "forkPolicy": "allow",
            "unknownContributorPolicy": "hold",
            "workflowChangePolicy": "reject",
            "approvalExpiryHours": 1,
        });
        let put = |tag: &str| {
            let request = org.request(&platform, Method::PUT, path).header("if-match", tag);
            request.json(&wanted).send()
        };
        let changed = put(&tag).await.unwrap();
        let new_tag = changed.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(body(changed).await, wanted);
        problem(put(&tag).await.unwrap(), 412, "stale").await;
        assert_eq!(body(put(&new_tag).await.unwrap()).await, wanted);
        assert_eq!(body(send(&platform, &org, Method::GET, path, Value::Null).await).await, wanted);
        let audit = body(send(&platform, &org, Method::GET, "/audit?limit=1", Value::Null).await).await;
        let row = &audit["items"][0];
        assert_eq!(row["action"], "ci_trust_policy.set");
        assert_eq!(row["details"]["after"], wanted);
    }
}
