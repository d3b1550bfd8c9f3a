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

    async fn the_filter_by_action_takes_no_signs_that_mean_something(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        org.member(&platform, Matrix::MEMBER).await.unwrap();
        let count = async |action: &str| {
            let read = org.request(&platform, Method::GET, &format!("/audit?action={action}")).send().await.unwrap();
            body(read).await["items"].as_array().unwrap().len()
        };
        assert_eq!((count("member.").await, count("member.added").await, count("member").await), (2, 1, 0));
        for bad in ["%25.", "MEMBER.", "", "a%20b"] {
            let read = org.request(&platform, Method::GET, &format!("/audit?action={bad}")).send().await.unwrap();
            problem(read, 400, "bad_request").await;
        }
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

    async fn what_is_denied_outside_of_organisations_is_kept_as_well(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let make = async |token: &str, sent: Value| {
            let made = platform.http().post(platform.url("/api/v1/pats")).bearer_auth(token);
            made.json(&sent).send().await.unwrap()
        };
        let bound = json!({"name": "bound", "scopes": {"runs": "read"}});
        let bound = body(make(&org.token, bound).await).await["token"].as_str().unwrap().to_owned();
        // No operation reads these rows: a statement that fails where there is none looks for it.
        let look = async || {
            let none = "NOT EXISTS (SELECT 1 FROM audit_log WHERE action = 'access.denied' AND \
                org_id IS NULL AND target = 'POST /api/v1/pats')";
            let sql = format!("INSERT INTO orgs (id) SELECT NULL WHERE {none}");
            kici_migration::execute(database.url(), &sql).await
        };
        look().await.unwrap_err();
        problem(make(&bound, json!({"name": "free"})).await, 403, "escalation").await;
        platform.app().write_notes().await.unwrap();
        look().await.unwrap();
    }

    async fn a_change_tells_what_was_there_before(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let someone = org.member(&platform, Matrix::only(Resource::Runs, Level::Read)).await.unwrap();
        let send = async |method: Method, path: &str, sent: Value| {
            let answer = org.request(&platform, method, path).json(&sent).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            answer
        };
        let newest = async || {
            let read = org.request(&platform, Method::GET, "/audit?limit=1").send().await.unwrap();
            body(read).await["items"][0]["details"].clone()
        };
        let named = |name: &str| json!({"name": name});
        send(Method::PATCH, "", json!({"displayName": "Ajax"})).await;
        assert_eq!(newest().await, json!({"before": named("Acme"), "after": named("Ajax")}));
        let team = body(send(Method::POST, "/teams", named("Red")).await).await;
        let team = team["id"].as_str().unwrap();
        send(Method::PATCH, &format!("/teams/{team}"), named("Blue")).await;
        assert_eq!(newest().await, json!({"before": named("Red"), "after": named("Blue")}));
        let trust = format!("/members/{}/ci-trust", someone.id);
        send(Method::PUT, &trust, json!({"level": "write"})).await;
        send(Method::PUT, &trust, json!({"level": "none"})).await;
        assert_eq!(newest().await, json!({"before": {"level": "write"}, "after": {"level": "none"}}));
        let account = json!({"name": "bot", "permissions": {}});
        let account = body(send(Method::POST, "/service-accounts", account).await).await;
        let account = format!("/service-accounts/{}", account["id"].as_str().unwrap());
        send(Method::PATCH, &account, json!({"name": "robot", "description": "builds"})).await;
        let told = newest().await;
        assert_eq!((&told["before"]["name"], &told["after"]["name"]), (&json!("bot"), &json!("robot")));
        assert_eq!(told["after"]["description"], "builds");
        let key = json!({"name": "o", "routingPatterns": ["github:*"]});
        send(Method::POST, "/orchestrator-keys", key).await;
        assert_eq!(newest().await, json!({"name": "o", "routingPatterns": ["github:*"]}));
        send(Method::PUT, &format!("/teams/{team}/members/{}", someone.id), Value::Null).await;
        send(Method::DELETE, &format!("/members/{}", someone.id), Value::Null).await;
        let told = newest().await;
        assert_eq!(told["before"]["teams"], json!([team]));
        assert_eq!(told["before"]["roles"].as_array().unwrap().len(), 1, "{told}");
    }

    async fn a_change_of_100_long_patterns_leaves_a_row_of_at_most_4_kib(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let newest = async || {
            let read = org.request(&platform, Method::GET, "/audit?limit=1").send().await.unwrap();
            let details = body(read).await["items"][0]["details"].clone();
            assert!(details.to_string().len() <= 4096, "{details}");
            details
        };
        let patterns = |name: &str| -> Vec<String> {
            let long = "x".repeat(200);
            (0..100).map(|n| format!("{name}/{n:03}-{long}")).collect()
        };
        let digest = |list: &Value| {
            let text = list.to_string();
            json!({"sha256": kici_domain::sha256(&[text.as_bytes()]), "bytes": text.len(), "count": 100})
        };
        let (old, new) = (json!(patterns("acme")), json!(patterns("ajax")));
        let role = json!({"name": "Many", "permissions": {"runs": "write"}, "repoPatterns": old});
        let role = org.request(&platform, Method::POST, "/roles").json(&role).send().await.unwrap();
        let path = format!("/roles/{}", body(role).await["id"].as_str().unwrap());
        let made = newest().await;
        assert_eq!((&made["name"], &made["repoPatterns"]), (&json!("Many"), &digest(&old)));
        let change = async |sent: Value| {
            body(org.request(&platform, Method::PATCH, &path).json(&sent).send().await.unwrap()).await;
            newest().await
        };
        // Of one pattern among a hundred, one of two levels, and the name.
        let mut few = patterns("acme");
        few[99] = "acme/other".to_owned();
        let told = change(json!({"name": "Most", "permissions": {"runs": "write", "billing": "read"}, "repoPatterns": few})).await;
        assert_eq!(told, json!({
            "before": {"name": "Many", "permissions": {"billing": "none"}},
            "after": {"name": "Most", "permissions": {"billing": "read"}},
            "repoPatterns": {"added": ["acme/other"], "removed": [patterns("acme")[99]]},
        }));
        change(json!({"repoPatterns": old})).await;
        let told = change(json!({"repoPatterns": new})).await;
        assert_eq!(told, json!({"before": {}, "after": {}, "repoPatterns": {"added": digest(&new), "removed": digest(&old)}}));
        assert_eq!(change(json!({"description": "d"})).await, json!({"before": {"description": null}, "after": {"description": "d"}}));
        let gone = org.request(&platform, Method::DELETE, &path).send().await.unwrap();
        assert!(gone.status().is_success());
        assert_eq!(newest().await["repoPatterns"], digest(&new));
    }
}
