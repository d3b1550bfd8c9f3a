//! The audit log, as those who may read it see it.

use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{json as body, problem};

on_both_databases! {
    async fn what_was_denied_is_counted_by_caller_operation_and_minute(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let someone = org.member(&platform, Matrix::NONE).await.unwrap();
        let theirs = TestOrg { token: someone.token.clone(), ..org.clone() };
        let denied = async || {
            let read = org.request(&platform, Method::GET, "/audit?outcome=denied");
            body(read.send().await.unwrap()).await["items"].clone()
        };
        for _ in 0..3 {
            let tried = theirs.request(&platform, Method::POST, "/roles").json(&json!({}));
            problem(tried.send().await.unwrap(), 403, "insufficient_permission").await;
        }
        // Reading in vain is nothing to remember.
        problem(theirs.request(&platform, Method::GET, "/roles").send().await.unwrap(), 403, "insufficient_permission").await;
        platform.app().write_notes().await.unwrap();
        let tried = theirs.request(&platform, Method::POST, "/roles").json(&json!({}));
        problem(tried.send().await.unwrap(), 403, "insufficient_permission").await;
        platform.app().write_notes().await.unwrap();
        let rows = denied().await;
        let times: i64 = rows.as_array().unwrap().iter().map(|row| row["times"].as_i64().unwrap()).sum();
        assert_eq!(times, 4, "{rows}");
        // A minute may have ended in between.
        assert!(rows.as_array().unwrap().len() <= 2, "{rows}");
        assert_eq!(rows[0]["action"], "access.denied");
        assert_eq!(rows[0]["actorId"], someone.id.as_str());
        assert_eq!(rows[0]["target"], "POST /api/v1/orgs/:org/roles");
        assert_eq!(rows[0]["details"], json!({"code": "insufficient_permission", "required": ["members:admin"], "held": "none"}));
    }

    async fn every_change_stands_there_with_who_did_it_and_what_was_before(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let someone = org.member(&platform, Matrix::NONE).await.unwrap();
        let read = async |query: &str| {
            let read = org.request(&platform, Method::GET, &format!("/audit{query}"));
            body(read.send().await.unwrap()).await
        };
        let sent = json!({"name": "Reads", "permissions": {"event_log": "read"}});
        let role = org.request(&platform, Method::POST, "/roles").json(&sent).send().await.unwrap();
        let role = body(role).await["id"].as_str().unwrap().to_owned();
        let set = org.request(&platform, Method::PUT, &format!("/members/{}/roles", someone.id))
            .header("x-request-id", "the-request").json(&json!({"roleIds": [role]}));
        assert_eq!(set.send().await.unwrap().status(), 204);
        let newest = read("?limit=1").await["items"][0].clone();
        assert_eq!(newest["action"], "member.roles_set");
        assert_eq!(newest["target"], someone.id.as_str());
        assert_eq!(newest["actorId"], org.owner.as_str());
        assert_eq!(newest["outcome"], "allowed");
        assert_eq!(newest["requestId"], "the-request");
        assert_eq!(newest["details"], json!({"before": [], "after": [role]}));
        assert!(newest["credentialId"].as_str().unwrap().starts_with("key_"));
        let all = read("").await["items"].as_array().unwrap().len();
        let (mut seen, mut cursor) = (0, String::new());
        loop {
            let page = read(&format!("?limit=2{cursor}")).await;
            seen += page["items"].as_array().unwrap().len();
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, all);
        let of = async |query: &str| read(query).await["items"].as_array().unwrap().iter()
            .map(|item| item["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(of("?action=member.").await, ["member.roles_set", "member.added"]);
        assert_eq!(of(&format!("?targetId={role}")).await, ["role.created"]);
        assert_eq!(of("?action=role.created&outcome=denied").await, [""; 0]);
        assert_eq!(of("?actorId=setup").await, ["personal_token.created", "org.created"]);
        let bad = org.request(&platform, Method::GET, "/audit?outcome=perhaps").send().await.unwrap();
        problem(bad, 400, "bad_request").await;
        assert_eq!(read("?targetId=%00").await["items"], Value::Array(vec![]));
    }

    async fn what_a_change_finds_out_to_be_beyond_somebody_is_in_the_log(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let held = Matrix::only(Resource::Members, Level::Admin).with(Resource::ApiKeys, Level::Write);
        let deputy = org.member(&platform, held).await.unwrap();
        let theirs = TestOrg { token: deputy.token, ..org.clone() };
        let key = json!({"name": "x", "permissions": {"secrets": "admin"}});
        for _ in 0..2 {
            let made = theirs.request(&platform, Method::POST, "/api-keys").json(&key);
            problem(made.send().await.unwrap(), 403, "escalation").await;
        }
        let suspend = format!("/members/{}/suspend", org.owner);
        let suspended = theirs.request(&platform, Method::POST, &suspend).send().await.unwrap();
        problem(suspended, 403, "owners_only").await;
        platform.app().write_notes().await.unwrap();
        let log = org.request(&platform, Method::GET, "/audit?outcome=denied").send().await.unwrap();
        let log = body(log).await;
        let mut told: Vec<_> = log["items"].as_array().unwrap().iter().map(|item| {
            assert_eq!(item["actorId"], deputy.id.as_str());
            (item["details"]["code"].as_str().unwrap(), item["times"].as_u64().unwrap())
        }).collect();
        told.sort_unstable();
        assert_eq!(told, [("escalation", 2), ("owners_only", 1)]);
    }
}
