//! Teams: their names, their members, and what those inherit.

use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{json as body, problem};

on_both_databases! {
    async fn members_inherit_what_their_team_is_granted_and_no_longer(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let send = async |method: Method, path: &str, sent: Value| -> Response {
            org.request(&platform, method, path).json(&sent).send().await.unwrap()
        };
        let made = body(send(Method::POST, "/teams", json!({"name": " Release "})).await).await;
        let team = made["id"].as_str().unwrap();
        assert_eq!(made["name"], "Release");
        problem(send(Method::POST, "/teams", json!({"name": "rELEASE"})).await, 409, "name_taken").await;
        let sent = json!({"name": "Reads", "permissions": {"event_log": "read"}});
        let role = body(send(Method::POST, "/roles", sent).await).await["id"].as_str().unwrap().to_owned();
        let someone = org.member(&platform, Matrix::NONE).await.unwrap();
        let theirs = TestOrg { token: someone.token.clone(), ..org.clone() };
        let log = async || theirs.request(&platform, Method::GET, "/event-log").send().await.unwrap().status();
        let (member, granted) = (format!("/teams/{team}/members/{}", someone.id), format!("/teams/{team}/roles/{role}"));
        for path in [&member, &granted, &member, &granted] {
            assert_eq!(send(Method::PUT, path, Value::Null).await.status(), 204);
        }
        assert_eq!(log().await, 200);
        let own = body(theirs.request(&platform, Method::GET, "/permissions").send().await.unwrap()).await;
        assert_eq!(own["roles"][0]["via"]["team"]["name"], "Release");
        let listed = body(send(Method::GET, "/teams", Value::Null).await).await;
        assert_eq!(listed["teams"][0]["memberIds"], json!([someone.id.as_str()]));
        assert_eq!(listed["teams"][0]["roleIds"], json!([role]));
        for (undo, again) in [(&member, &member), (&granted, &granted)] {
            assert_eq!(send(Method::DELETE, undo, Value::Null).await.status(), 204);
            assert_eq!(log().await, 403);
            problem(send(Method::DELETE, undo, Value::Null).await, 404, "not_found").await;
            assert_eq!(send(Method::PUT, again, Value::Null).await.status(), 204);
            assert_eq!(log().await, 200);
        }
        let path = format!("/teams/{team}");
        assert_eq!(send(Method::PATCH, &path, json!({"name": "Shipping"})).await.status(), 204);
        assert_eq!(send(Method::DELETE, &path, Value::Null).await.status(), 204);
        assert_eq!(log().await, 403);
        for (method, path) in [(Method::DELETE, path.clone()), (Method::PUT, member.clone()), (Method::PUT, granted)] {
            problem(send(method, &path, json!({"name": "x"})).await, 404, "not_found").await;
        }
        let stranger = TestOrg::create(&platform, "Umbrella").await.unwrap();
        let made = body(send(Method::POST, "/teams", json!({"name": "Crew"})).await).await;
        let foreign = format!("/teams/{}/members/{}", made["id"].as_str().unwrap(), stranger.owner);
        problem(send(Method::PUT, &foreign, Value::Null).await, 404, "not_found").await;
    }

    async fn nobody_gives_by_a_team_what_they_lack_and_owner_is_for_people(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let deputy = org.member(&platform, Matrix::only(Resource::Teams, Level::Admin)).await.unwrap();
        let deputy = TestOrg { token: deputy.token, ..org.clone() };
        let send = async |who: &TestOrg, method: Method, path: &str, sent: Value| -> Response {
            who.request(&platform, method, path).json(&sent).send().await.unwrap()
        };
        let team = body(send(&deputy, Method::POST, "/teams", json!({"name": "Crew"})).await).await;
        let team = team["id"].as_str().unwrap();
        let sent = json!({"name": "Reads", "permissions": {"event_log": "read"}});
        let role = body(send(&org, Method::POST, "/roles", sent).await).await["id"].as_str().unwrap().to_owned();
        let someone = org.member(&platform, Matrix::NONE).await.unwrap();
        let (member, granted) = (format!("/teams/{team}/members/{}", someone.id), format!("/teams/{team}/roles/{role}"));
        // To an empty team anybody may grant; whoever joins then gains.
        assert_eq!(send(&deputy, Method::PUT, &granted, Value::Null).await.status(), 204);
        problem(send(&deputy, Method::PUT, &member, Value::Null).await, 403, "escalation").await;
        assert_eq!(send(&deputy, Method::DELETE, &granted, Value::Null).await.status(), 204);
        assert_eq!(send(&deputy, Method::PUT, &member, Value::Null).await.status(), 204);
        problem(send(&deputy, Method::PUT, &granted, Value::Null).await, 403, "escalation").await;
        let roles = body(send(&org, Method::GET, "/roles", Value::Null).await).await;
        let owner = roles["roles"].as_array().unwrap().iter().find(|role| role["isOwner"] == true).unwrap();
        let owner = format!("/teams/{team}/roles/{}", owner["id"].as_str().unwrap());
        problem(send(&org, Method::PUT, &owner, Value::Null).await, 409, "built_in_role").await;
    }
}
