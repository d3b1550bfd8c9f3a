//! Members: listed, given roles, shut out, removed, and leaving by themselves.

use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, TestMember, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{json as body, problem, send};

fn acting(org: &TestOrg, member: &TestMember) -> TestOrg {
    TestOrg { token: member.token.clone(), ..org.clone() }
}

async fn role(
    platform: &TestPlatform,
    org: &TestOrg,
    name: &str,
    permissions: Value,
    pattern: &str,
) -> String {
    let sent = json!({"name": name, "permissions": permissions, "repoPatterns": [pattern]});
    let made = send(platform, org, Method::POST, "/roles", sent).await;
    body(made).await["id"].as_str().unwrap().to_owned()
}

on_both_databases! {
    async fn pages_of_members_show_everybody_once_with_their_roles(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let mut ids = vec![org.owner.to_string()];
        for _ in 0..6 {
            ids.push(org.member(&platform, Matrix::only(Resource::CiTrust, Level::Write)).await.unwrap().id.to_string());
        }
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/members?limit=3{cursor}");
            let page = body(send(&platform, &org, Method::GET, &path, Value::Null).await).await;
            for member in page["members"].as_array().unwrap() {
                seen.push(member["userId"].as_str().unwrap().to_owned());
            }
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, ids);
        let page = body(send(&platform, &org, Method::GET, "/members", Value::Null).await).await;
        let owner = &page["members"][0];
        assert_eq!(owner["roles"], json!(["Owner"]));
        assert_eq!(owner["roleAssignments"][0]["isOwner"], true);
        assert_eq!(owner["ciTrustLevel"], "admin");
        assert_eq!(owner["suspendedAt"], Value::Null);
        assert_eq!(owner["identityLinks"], json!([]));
        let second = &page["members"][1];
        assert_eq!((&second["ciTrustLevel"], &second["ciTrustIsSet"]), (&json!("write"), &json!(false)));
        let path = format!("/members/{}/ci-trust", ids[1]);
        send(&platform, &org, Method::PUT, &path, json!({"level": "read"})).await;
        let page = body(send(&platform, &org, Method::GET, "/members", Value::Null).await).await;
        let second = &page["members"][1];
        assert_eq!((&second["ciTrustLevel"], &second["ciTrustIsSet"]), (&json!("read"), &json!(true)));
        for bad in [json!({}), json!({"level": "read_payload"}), json!({"level": 7})] {
            problem(send(&platform, &org, Method::PUT, &path, bad).await, 422, "invalid_fields").await;
        }
        problem(send(&platform, &org, Method::GET, "/members?cursor=AAAA", Value::Null).await, 400, "invalid_cursor").await;
    }

    async fn roles_hold_from_the_next_request_and_nobody_gives_what_they_lack(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let held = Matrix::only(Resource::Members, Level::Admin).with(Resource::EventLog, Level::Read);
        let deputy = acting(&org, &org.member(&platform, held).await.unwrap());
        let someone = org.member(&platform, Matrix::NONE).await.unwrap();
        let path = format!("/members/{}/roles", someone.id);
        let reads = role(&platform, &org, "Reads", json!({"event_log": "read"}), "*").await;
        let writes = role(&platform, &org, "Writes", json!({"event_log": "write"}), "*").await;
        let log = async || acting(&org, &someone).request(&platform, Method::GET, "/event-log").send().await.unwrap().status();
        assert_eq!(log().await, 403);
        assert_eq!(send(&platform, &deputy, Method::PUT, &path, json!({"roleIds": [reads]})).await.status(), 204);
        assert_eq!(log().await, 200);
        let beyond = send(&platform, &deputy, Method::PUT, &path, json!({"roleIds": [reads, writes]})).await;
        let beyond = problem(beyond, 403, "escalation").await;
        assert!(beyond["error"].as_str().unwrap().contains("`event_log: write`"), "{beyond}");
        assert_eq!(log().await, 200);
        assert_eq!(send(&platform, &deputy, Method::PUT, &path, json!({"roleIds": []})).await.status(), 204);
        assert_eq!(log().await, 403);
        let nobody = "/members/usr_0nobody/roles";
        problem(send(&platform, &org, Method::PUT, nobody, json!({"roleIds": []})).await, 404, "not_found").await;
        let no_role = json!({"roleIds": ["rol_0nothing"]});
        problem(send(&platform, &org, Method::PUT, &path, no_role).await, 422, "not_there").await;
        let many = json!({"roleIds": vec!["rol_x"; 101]});
        problem(send(&platform, &org, Method::PUT, &path, many).await, 422, "invalid_fields").await;
    }

    async fn roles_reach_one_person_by_so_many_ways_and_no_more(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let someone = org.member(&platform, Matrix::NONE).await.unwrap();
        let mut roles = Vec::new();
        for n in 0..100 {
            roles.push(role(&platform, &org, &format!("r{n}"), json!({}), "*").await);
        }
        for name in ["one", "two"] {
            let team = body(send(&platform, &org, Method::POST, "/teams", json!({"name": name})).await).await;
            let team = team["id"].as_str().unwrap().to_owned();
            for role in &roles[..60] {
                let path = format!("/teams/{team}/roles/{role}");
                assert_eq!(send(&platform, &org, Method::PUT, &path, Value::Null).await.status(), 204);
            }
            let path = format!("/teams/{team}/members/{}", someone.id);
            assert_eq!(send(&platform, &org, Method::PUT, &path, Value::Null).await.status(), 204);
        }
        let path = format!("/members/{}/roles", someone.id);
        let set = async |n: usize| send(&platform, &org, Method::PUT, &path, json!({"roleIds": roles[..n]})).await;
        problem(set(81).await, 409, "too_many").await;
        assert_eq!(set(80).await.status(), 204);
        // Less is never too much.
        assert_eq!(set(79).await.status(), 204);
    }

    async fn a_weak_role_with_a_wide_pattern_is_a_gain(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let narrow = role(&platform, &org, "Narrow", json!({"runs": "write", "members": "admin"}), "acme/one").await;
        let wide = role(&platform, &org, "Wide", json!({"event_log": "read"}), "*").await;
        let [deputy, someone] = [(); 2].map(|()| org.member(&platform, Matrix::NONE));
        let (deputy, someone) = (deputy.await.unwrap(), someone.await.unwrap());
        for user in [&deputy, &someone] {
            let path = format!("/members/{}/roles", user.id);
            assert_eq!(send(&platform, &org, Method::PUT, &path, json!({"roleIds": [narrow]})).await.status(), 204);
        }
        // `runs: write` would hold everywhere, which the deputy has in one repository alone.
        let path = format!("/members/{}/roles", someone.id);
        let sent = json!({"roleIds": [narrow, wide]});
        problem(send(&platform, &acting(&org, &deputy), Method::PUT, &path, sent).await, 403, "escalation").await;
    }

    async fn who_is_suspended_or_removed_is_out_at_once(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let someone = org.member(&platform, Matrix::MEMBER).await.unwrap();
        let theirs = acting(&org, &someone);
        let own = async || theirs.request(&platform, Method::GET, "").send().await.unwrap();
        let act = async |method: Method, what: &str| {
            send(&platform, &org, method, &format!("/members/{}{what}", someone.id), Value::Null).await.status()
        };
        assert_eq!(act(Method::POST, "/suspend").await, 204);
        problem(own().await, 403, "member_suspended").await;
        let listed = async || body(send(&platform, &org, Method::GET, "/members", Value::Null).await).await["members"][1]["suspendedAt"].clone();
        let since = listed().await;
        assert_eq!(act(Method::POST, "/suspend").await, 204);
        assert_eq!(listed().await, since);
        let ask = json!({"user": someone.id.as_str(), "resource": "runs", "level": "read"});
        let allowed = async || body(send(&platform, &org, Method::POST, "/permissions/explain", ask.clone()).await).await["allowed"].clone();
        assert_eq!(allowed().await, false);
        assert_eq!(act(Method::POST, "/unsuspend").await, 204);
        assert_eq!(allowed().await, true);
        body(own().await).await;
        assert_eq!(act(Method::DELETE, "").await, 204);
        problem(own().await, 404, "not_found").await;
        assert_eq!(act(Method::DELETE, "").await, 404);
    }

    async fn a_token_with_bounds_does_not_leave(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let ada = org.member(&platform, Matrix::OWNER).await.unwrap();
        for (bounds, is_free) in [
            (json!({"name": "x", "scopes": {"members": "admin"}}), false),
            (json!({"name": "x", "kind": "agent", "agentLabel": "bot"}), false),
            (json!({"name": "x"}), true),
        ] {
            let made = platform.http().post(platform.url("/api/v1/pats")).bearer_auth(&ada.token);
            let token = body(made.json(&bounds).send().await.unwrap()).await["token"].as_str().unwrap().to_owned();
            let theirs = TestOrg { token, ..org.clone() };
            let left = send(&platform, &theirs, Method::POST, "/leave", Value::Null).await;
            match is_free {
                true => assert_eq!(left.status(), 204),
                false => drop(problem(left, 403, "escalation").await),
            }
        }
    }

    async fn everybody_may_leave_but_the_last_owner_and_keys(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let someone = acting(&org, &org.member(&platform, Matrix::NONE).await.unwrap());
        let leave = async |who: &TestOrg| send(&platform, who, Method::POST, "/leave", Value::Null).await;
        assert_eq!(leave(&someone).await.status(), 204);
        problem(leave(&someone).await, 404, "not_found").await;
        problem(leave(&org).await, 409, "last_owner").await;
        let key = org.api_key(&platform, Matrix::NONE).await.unwrap();
        problem(leave(&TestOrg { token: key, ..org.clone() }).await, 403, "person_required").await;
        let me = format!("/members/{}", org.owner);
        problem(send(&platform, &org, Method::DELETE, &me, Value::Null).await, 409, "last_owner").await;
        problem(send(&platform, &org, Method::POST, &format!("{me}/suspend"), Value::Null).await, 409, "last_owner").await;
        problem(send(&platform, &org, Method::PUT, &format!("{me}/roles"), json!({"roleIds": []})).await, 409, "last_owner").await;
    }
}
