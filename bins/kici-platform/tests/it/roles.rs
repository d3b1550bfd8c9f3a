//! Roles: made, changed by one tab at a time, never beyond what the caller has, tried beforehand.

use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{json as body, problem};

struct Stage {
    platform: TestPlatform,
    org: TestOrg,
}

impl Stage {
    async fn new(database: &Database) -> Self {
        let platform = TestPlatform::start(database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        Self { platform, org }
    }

    async fn send(&self, method: Method, path: &str, sent: Value) -> reqwest::Response {
        self.org.request(&self.platform, method, path).json(&sent).send().await.unwrap()
    }

    async fn role(&self, sent: Value) -> String {
        let made = body(self.send(Method::POST, "/roles", sent).await).await;
        made["id"].as_str().unwrap().to_owned()
    }
}

on_both_databases! {
    async fn two_tabs_can_not_overwrite_each_other_unseen(database: Database) {
        let stage = Stage::new(&database).await;
        let id = stage.role(json!({"name": "Deployer", "permissions": {"runs": "write"}})).await;
        let path = format!("/roles/{id}");
        let seen = stage.org.request(&stage.platform, Method::GET, &path).send().await.unwrap();
        let etag = seen.headers()["etag"].to_str().unwrap().to_owned();
        let role = body(seen).await;
        assert_eq!(role["repoPatterns"], json!(["*"]));
        assert_eq!(role["permissions"].as_object().unwrap().len(), 16);
        let change = async |etag: &str, sent: Value| {
            let request = stage.org.request(&stage.platform, Method::PATCH, &path);
            request.header("if-match", etag).json(&sent).send().await.unwrap()
        };
        let first = change(&etag, json!({"description": "first", "repoPatterns": ["acme/*"]})).await;
        let fresh = first.headers()["etag"].to_str().unwrap().to_owned();
        let changed = body(first).await;
        assert_eq!(changed["description"], "first");
        assert_eq!(changed["permissions"]["runs"], "write");
        problem(change(&etag, json!({"description": "second"})).await, 412, "stale").await;
        for weak in [format!("W/{fresh}"), fresh.trim_matches('"').to_owned(), "\"\"".to_owned()] {
            problem(change(&weak, json!({"description": "x"})).await, 412, "stale").await;
        }
        let either = format!("\"other\", {fresh}");
        body(change(&either, json!({})).await).await;
        let cleared = body(change(&fresh, json!({"description": null})).await).await;
        assert_eq!(cleared["description"], Value::Null);
        let stale = stage.org.request(&stage.platform, Method::DELETE, &path).header("if-match", &etag);
        problem(stale.send().await.unwrap(), 412, "stale").await;
        let deleted = stage.org.request(&stage.platform, Method::DELETE, &path).send().await.unwrap();
        assert_eq!(body(deleted).await, json!({"members": 0, "teams": 0}));
        let gone = stage.org.request(&stage.platform, Method::GET, &path).send().await.unwrap();
        problem(gone, 404, "not_found").await;
    }

    async fn every_mistake_in_a_role_is_told_at_once(database: Database) {
        let stage = Stage::new(&database).await;
        let sent = json!({
            "name": "x".repeat(101),
            "permissions": {"rnus": "read", "runs": "wirte", "secrets": 1},
            "repoPatterns": ["ok/*", "acme/[!a]", 7],
            "repoPattern": "*",
        });
        let refused = problem(stage.send(Method::POST, "/roles", sent).await, 422, "invalid_fields").await;
        let fields = refused["fields"].as_array().unwrap();
        let mut paths: Vec<_> = fields.iter().map(|field| field["path"].as_str().unwrap()).collect();
        paths.sort_unstable();
        assert_eq!(paths, [
            "name", "permissions.rnus", "permissions.runs", "permissions.secrets", "repoPattern",
            "repoPatterns[1]", "repoPatterns[2]",
        ], "{refused}");
        let class = fields.iter().find(|field| field["path"] == "repoPatterns[1]").unwrap();
        assert_eq!(class["position"], 6, "{class}");
        let twice = r#"{"name": "x", "permissions": {"runs": "none", "runs": "admin"}}"#;
        let twice = stage.org.request(&stage.platform, Method::POST, "/roles")
            .header("content-type", "application/json").body(twice).send().await.unwrap();
        let twice = problem(twice, 400, "malformed_json").await;
        assert!(twice["error"].as_str().unwrap().contains("`runs` stands there twice"), "{twice}");
        let many: serde_json::Map<_, _> = (0..5_000).map(|n| (format!("field{n}"), json!(1))).collect();
        let many = stage.send(Method::POST, "/roles", Value::Object(many)).await;
        let many = problem(many, 422, "invalid_fields").await;
        assert!(many["fields"].as_array().unwrap().len() <= 102, "all at once, but not without end");
        for empty in [json!([]), json!("*"), json!(vec!["*"; 101])] {
            let sent = json!({"name": "x", "permissions": {}, "repoPatterns": empty});
            let refused = problem(stage.send(Method::POST, "/roles", sent).await, 422, "invalid_fields").await;
            assert_eq!(refused["fields"][0]["path"], "repoPatterns");
        }
        stage.role(json!({"name": "Deployer", "permissions": {}})).await;
        let taken = stage.send(Method::POST, "/roles", json!({"name": " dEPLOYER ", "permissions": {}})).await;
        problem(taken, 409, "name_taken").await;
    }

    async fn nobody_gives_what_they_do_not_have(database: Database) {
        let stage = Stage::new(&database).await;
        let Stage { platform, org } = &stage;
        let held = Matrix::only(Resource::Members, Level::Admin).with(Resource::Runs, Level::Read);
        let deputy = org.member(platform, held).await.unwrap();
        let as_deputy = TestOrg { token: deputy.token, ..org.clone() };
        let roles = body(org.request(platform, Method::GET, "/roles").send().await.unwrap()).await;
        let role = |name: &str| {
            let all = roles["roles"].as_array().unwrap();
            all.iter().find(|role| role["name"].as_str().unwrap().starts_with(name)).unwrap()["id"].clone()
        };
        let own = format!("/roles/{}", role("Role of").as_str().unwrap());
        let change = async |permissions: Value| {
            let request = as_deputy.request(platform, Method::PATCH, &own);
            request.json(&json!({"permissions": permissions})).send().await.unwrap()
        };
        let refused = problem(change(json!({"members": "admin", "runs": "write"})).await, 403, "escalation").await;
        assert_eq!(refused["error"], "You can't give `runs: write`, you have `runs: read` yourself");
        body(change(json!({"members": "admin"})).await).await;
        let owner = format!("/roles/{}", role("Owner").as_str().unwrap());
        let edit = org.request(platform, Method::PATCH, &owner).json(&json!({"name": "Boss"}));
        problem(edit.send().await.unwrap(), 409, "built_in_role").await;
        let delete = org.request(platform, Method::DELETE, &owner).send().await.unwrap();
        problem(delete, 409, "built_in_role").await;
        let key = json!({"name": "x", "permissions": {"billing": "read"}});
        let bounded = org.member(platform, Matrix::only(Resource::ApiKeys, Level::Write)).await.unwrap();
        let as_bounded = TestOrg { token: bounded.token, ..org.clone() };
        let made = as_bounded.request(platform, Method::POST, "/api-keys").json(&key).send().await.unwrap();
        problem(made, 403, "escalation").await;
    }

    async fn a_change_can_be_tried_and_a_permission_explained(database: Database) {
        let stage = Stage::new(&database).await;
        let Stage { platform, org } = &stage;
        let member = org.member(platform, Matrix::only(Resource::Runs, Level::Read)).await.unwrap();
        let id = stage.role(json!({"name": "Deployer", "permissions": {"runs": "write"}, "repoPatterns": ["acme/web"]})).await;
        let tried = stage.send(Method::POST, "/roles/simulate", json!({"role": id, "change": {"assign": member.id.as_str()}})).await;
        let tried = body(tried).await;
        assert_eq!(tried["people"][0]["user"], member.id.as_str());
        assert_eq!(tried["people"][0]["gains"], json!({"runs": ["read", "write"]}));
        assert!(tried.get("refused").is_none(), "{tried}");
        // Which role carries what one has into more repositories.
        let narrow = json!({"name": "Narrow", "permissions": {"runs": "read"}, "repoPatterns": ["acme/api"]});
        let (narrow, bound) = (stage.role(narrow).await, org.member(platform, Matrix::NONE).await.unwrap());
        let assign = json!({"roleIds": [narrow]});
        let assigned = stage.send(Method::PUT, &format!("/members/{}/roles", bound.id), assign).await;
        assert_eq!(assigned.status(), 204);
        let widens = json!({"role": id, "change": {"assign": bound.id.as_str()}});
        let widens = body(stage.send(Method::POST, "/roles/simulate", widens).await).await;
        assert_eq!(widens["people"][0]["scopeAfter"], json!(["acme/api", "acme/web"]));
        assert_eq!(widens["people"][0]["widenedBy"], json!([{"role": "Deployer", "pattern": "acme/web"}]));
        // It says no where the change would: a suspended owner is none to rely on, and an invitation waits.
        let listed = body(stage.send(Method::GET, "/roles", Value::Null).await).await;
        let owner = listed["roles"].as_array().unwrap().iter().find(|role| role["isOwner"] == true).unwrap();
        let second = org.member(platform, Matrix::NONE).await.unwrap();
        let path = format!("/members/{}", second.id);
        let promoted = stage.send(Method::PUT, &format!("{path}/roles"), json!({"roleIds": [owner["id"]]})).await;
        assert_eq!(promoted.status(), 204);
        let demote = json!({"role": owner["id"], "change": {"unassign": org.owner.as_str()}});
        let demoted = async || body(stage.send(Method::POST, "/roles/simulate", demote.clone()).await).await["refused"].clone();
        assert_eq!(demoted().await, Value::Null);
        assert_eq!(stage.send(Method::POST, &format!("{path}/suspend"), Value::Null).await.status(), 204);
        assert_eq!(demoted().await["code"], "last_owner");
        let invited = stage.role(json!({"name": "Invited", "permissions": {"billing": "read"}})).await;
        let invite = json!({"email": "zoe@example.org", "roleIds": [invited]});
        body(stage.send(Method::POST, "/invites", invite).await).await;
        let held = Matrix::only(Resource::Members, Level::Admin);
        let deputy = TestOrg { token: org.member(platform, held).await.unwrap().token, ..org.clone() };
        let edit = json!({"role": invited, "change": {"permissions": {"billing": "admin"}}});
        let edit = deputy.request(platform, Method::POST, "/roles/simulate").json(&edit).send().await.unwrap();
        assert_eq!(body(edit).await["refused"]["code"], "escalation");
        let change = json!({"permissions": {"billing": "admin"}});
        let change = deputy.request(platform, Method::PATCH, &format!("/roles/{invited}")).json(&change);
        problem(change.send().await.unwrap(), 403, "escalation").await;
        let new = json!({"role": null, "change": {"permissions": {"runs": "admin"}}});
        let new = body(stage.send(Method::POST, "/roles/simulate", new).await).await;
        assert_eq!(new, json!({"people": [], "keysNarrowed": 0}));
        for odd in [json!({"change": {"delete": true}}), json!({"role": null, "change": {"delete": true}})] {
            problem(stage.send(Method::POST, "/roles/simulate", odd).await, 422, "invalid_fields").await;
        }
        let odd = stage.send(Method::POST, "/roles/simulate", json!({"role": id, "change": {"delete": true, "assign": member.id.as_str()}})).await;
        problem(odd, 422, "invalid_fields").await;
        let nobody = stage.send(Method::POST, "/roles/simulate", json!({"role": id, "change": {"assign": "usr_0nobody"}})).await;
        problem(nobody, 422, "not_there").await;
        let ask = json!({"user": member.id.as_str(), "resource": "runs", "level": "write", "repo": "acme/web"});
        let answer = body(stage.send(Method::POST, "/permissions/explain", ask).await).await;
        assert_eq!((&answer["allowed"], &answer["held"]), (&json!(false), &json!("read")));
        let remedies: Vec<_> = answer["wouldGrant"].as_array().unwrap().iter().map(|r| r["role"].clone()).collect();
        assert!(remedies.contains(&json!("Deployer")) && remedies.contains(&json!("Owner")), "{answer}");
        let as_member = TestOrg { token: member.token, ..org.clone() };
        let own = as_member.request(platform, Method::POST, "/permissions/explain")
            .json(&json!({"resource": "runs", "level": "read"})).send().await.unwrap();
        let own = body(own).await;
        assert_eq!(own["allowed"], true);
        assert!(own.get("wouldGrant").is_none(), "{own}");
        assert_eq!(own["grantedBy"][0]["via"], "direct");
        let others = as_member.request(platform, Method::POST, "/permissions/explain")
            .json(&json!({"user": org.owner.as_str(), "resource": "runs", "level": "read"})).send().await.unwrap();
        problem(others, 403, "insufficient_permission").await;
    }

    async fn many_permissions_are_checked_at_once(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let sent = json!({"name": "Scoped", "permissions": {"runs": "write", "audit": "read"}, "repoPatterns": ["acme/*"]});
        let role = org.request(&platform, Method::POST, "/roles").json(&sent);
        let role = body(role.send().await.unwrap()).await["id"].clone();
        let someone = org.member(&platform, Matrix::NONE).await.unwrap();
        let roles = org.request(&platform, Method::PUT, &format!("/members/{}/roles", someone.id));
        assert!(roles.json(&json!({"roleIds": [role]})).send().await.unwrap().status().is_success());
        let theirs = TestOrg { token: someone.token, ..org.clone() };
        let ask = async |checks: Value| {
            let asked = theirs.request(&platform, Method::POST, "/permissions/batch");
            asked.json(&json!({"checks": checks})).send().await.unwrap()
        };
        let check = |resource: &str, level: &str, repo: Value| json!({"resource": resource, "level": level, "repo": repo});
        let answer = ask(json!([
            check("runs", "write", json!("acme/shop")),
            check("runs", "write", json!("umbrella/shop")),
            check("runs", "write", Value::Null),
            check("runs", "admin", json!("acme/shop")),
            check("audit", "read", json!("umbrella/shop")),
        ])).await;
        let allowed: Vec<_> = body(answer).await["results"].as_array().unwrap().iter().map(|one| one["allowed"].clone()).collect();
        assert_eq!(json!(allowed), json!([true, false, true, false, true]));
        let refused = problem(ask(json!([check("runs", "read", Value::Null), {"resource": "run", "x": 1}, 7])).await, 422, "invalid_fields").await;
        let paths: Vec<_> = refused["fields"].as_array().unwrap().iter().map(|field| field["path"].as_str().unwrap()).collect();
        assert_eq!(paths, ["checks[1].resource", "checks[1].level", "checks[1].x", "checks[2]"]);
        let many = vec![check("runs", "read", Value::Null); 101];
        for bad in [json!([]), json!(many), json!({}), Value::Null] {
            problem(ask(bad).await, 422, "invalid_fields").await;
        }
    }

    async fn what_can_not_be_changed_is_told_beforehand(database: Database) {
        let stage = Stage::new(&database).await;
        let (platform, org) = (&stage.platform, &stage.org);
        let roles = body(org.request(platform, Method::GET, "/roles").send().await.unwrap()).await;
        let id = |name: &str| roles["roles"].as_array().unwrap().iter().find(|role| role["name"] == name).unwrap()["id"].clone();
        let (owner, member) = (id("Owner"), id("Member"));
        let deputy = org.member(platform, Matrix::only(Resource::Members, Level::Admin)).await.unwrap();
        let reader = org.member(platform, Matrix::only(Resource::Members, Level::Read)).await.unwrap();
        for (token, role, change, code, part) in [
            (&org.token, &owner, json!({"delete": true}), "built_in_role", "built-in role Owner"),
            (&org.token, &owner, json!({"permissions": {"runs": "read"}}), "built_in_role", "built-in role Owner"),
            (&org.token, &owner, json!({"unassign": org.owner.as_str()}), "last_owner", "at least one owner"),
            (&deputy.token, &member, json!({"assign": org.owner.as_str()}), "owners_only", "Only an owner"),
            (&deputy.token, &member, json!({"assign": deputy.id.as_str()}), "escalation", "You can't give"),
            (&reader.token, &member, json!({"delete": true}), "insufficient_permission", "members.admin needed"),
            (&reader.token, &Value::Null, json!({"permissions": {}}), "insufficient_permission", "members.admin needed"),
        ] {
            let caller = TestOrg { token: token.clone(), ..org.clone() };
            let asked = caller.request(platform, Method::POST, "/roles/simulate");
            let answer = body(asked.json(&json!({"role": role, "change": change})).send().await.unwrap()).await;
            assert_eq!(answer["refused"]["code"], code, "{answer}");
            assert!(answer["refused"]["error"].as_str().unwrap().contains(part), "{part}: {answer}");
        }
    }

    async fn there_is_an_end_to_patterns_and_to_the_ways_of_roles(database: Database) {
        let stage = Stage::new(&database).await;
        let Stage { platform, org } = &stage;
        let patterns = |n: usize| (0..100).map(|m| format!("acme/{n}-{m}")).collect::<Vec<_>>();
        let sent = |n: usize| json!({"name": format!("Role {n}"), "permissions": {}, "repoPatterns": patterns(n)});
        // The two built-in roles have one pattern each.
        let mut last = Value::Null;
        for n in 0..19 {
            last = body(stage.send(Method::POST, "/roles", sent(n)).await).await;
        }
        let refused = problem(stage.send(Method::POST, "/roles", sent(19)).await, 409, "too_many").await;
        assert!(refused["error"].as_str().unwrap().starts_with("There are 2000 repository patterns"), "{refused}");
        let few = json!({"name": "Few", "permissions": {}, "repoPatterns": patterns(20)[..98]});
        let few = stage.role(few).await;
        let more = json!({"repoPatterns": patterns(20)});
        problem(stage.send(Method::PATCH, &format!("/roles/{few}"), more).await, 409, "too_many").await;
        let other = json!({"repoPatterns": patterns(21)[..98]});
        body(stage.send(Method::PATCH, &format!("/roles/{few}"), other).await).await;
        // Each team that grants a role is a way of its own.
        let roles = body(stage.send(Method::GET, "/roles", Value::Null).await).await;
        let roles = roles["roles"].as_array().unwrap().iter().filter(|role| role["isOwner"] == false);
        let roles: Vec<_> = roles.map(|role| role["id"].as_str().unwrap().to_owned()).take(20).collect();
        let member = org.member(platform, Matrix::NONE).await.unwrap();
        let mut teams = Vec::new();
        for n in 0..11 {
            let team = body(stage.send(Method::POST, "/teams", json!({"name": format!("Team {n}")})).await).await;
            let team = team["id"].as_str().unwrap().to_owned();
            for role in &roles {
                let granted = stage.send(Method::PUT, &format!("/teams/{team}/roles/{role}"), Value::Null).await;
                assert_eq!(granted.status(), 204);
            }
            teams.push(team);
        }
        let join = async |team: &str| {
            stage.send(Method::PUT, &format!("/teams/{team}/members/{}", member.id), Value::Null).await
        };
        for team in &teams[..10] {
            assert_eq!(join(team).await.status(), 204);
        }
        assert_eq!(join(&teams[0]).await.status(), 204, "they are in it");
        problem(join(&teams[10]).await, 409, "too_many").await;
        let more = format!("/teams/{}/roles/{}", teams[0], last["id"].as_str().unwrap());
        if !roles.iter().any(|role| more.ends_with(role.as_str())) {
            problem(stage.send(Method::PUT, &more, Value::Null).await, 409, "too_many").await;
        }
    }
}
