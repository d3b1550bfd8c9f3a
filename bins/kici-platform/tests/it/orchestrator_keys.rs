//! Orchestrator keys: shown once, listed without their token, gone at once.

use kici_domain::members;
use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, PATIENCE, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::json as value;

use crate::support::{Post, Scene, json, problem};

on_both_databases! {
    async fn a_key_is_shown_once_and_listed_without_its_token(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let create = org.request(&platform, Method::POST, "/orchestrator-keys")
            .json(&value!({"name": "  prod  ", "description": "eu"})).send().await.unwrap();
        assert_eq!(create.status(), 201);
        let made = json(create).await;
        let token = made["token"].as_str().unwrap();
        assert!(token.parse::<kici_model::Token>().is_ok());
        assert_eq!(made["key"]["name"], "prod");
        assert_eq!(made["key"]["prefix"], token[..16]);
        let list = org.request(&platform, Method::GET, "/orchestrator-keys").send().await.unwrap();
        let list = list.text().await.unwrap();
        assert!(list.contains(made["key"]["id"].as_str().unwrap()));
        assert!(!list.contains(token));
        let path = format!("/orchestrator-keys/{}", made["key"]["id"].as_str().unwrap());
        let revoke = async || org.request(&platform, Method::DELETE, &path).send().await.unwrap();
        assert_eq!(revoke().await.status(), 204);
        problem(revoke().await, 404, "not_found").await;
        let list = org.request(&platform, Method::GET, "/orchestrator-keys").send().await.unwrap();
        assert_eq!(json(list).await, value!({"orchestratorKeys": [], "nextCursor": null}));
    }

    async fn bad_input_is_told_field_by_field_and_makes_nothing(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let post = async |body: String| org.request(&platform, Method::POST, "/orchestrator-keys")
            .header("content-type", "application/json").body(body).send().await.unwrap();
        let long = "x".repeat(300);
        let body = value!({"name": long, "description": 5, "nmae": true}).to_string();
        let body = problem(post(body).await, 422, "invalid_fields").await;
        let paths: Vec<_> = body["fields"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
        assert_eq!(paths, ["name", "description", "nmae"]);
        for bad in ["{}", "", r#"{"name":null}"#, r#"{"name":"a\u0000b"}"#, r#"{"name":" "}"#] {
            let body = problem(post(bad.to_owned()).await, 422, "invalid_fields").await;
            assert_eq!(body["fields"][0]["path"], "name", "{bad}");
        }
        problem(post("[]".to_owned()).await, 422, "invalid_fields").await;
        problem(post("{".to_owned()).await, 400, "malformed_json").await;
        problem(post(format!(r#"{{"name":"{}"}}"#, "x".repeat(2_000_000))).await, 413, "too_large").await;
        let text = org.request(&platform, Method::POST, "/orchestrator-keys").body(r#"{"name":"x"}"#);
        problem(text.send().await.unwrap(), 415, "unsupported_media_type").await;
        let wrong = org.request(&platform, Method::DELETE, "/orchestrator-keys/usr_x").send().await.unwrap();
        problem(wrong, 400, "bad_request").await;
        let put = org.request(&platform, Method::PUT, "/orchestrator-keys").send().await.unwrap();
        assert_eq!(put.headers()["allow"], "GET, POST");
        problem(put, 405, "method_not_allowed").await;
        let list = org.request(&platform, Method::GET, "/orchestrator-keys").send().await.unwrap();
        assert_eq!(json(list).await, value!({"orchestratorKeys": [], "nextCursor": null}));
    }

    async fn revoking_a_key_closes_its_live_link_at_once(database: Database) {
        let scene = Scene::new(&database).await;
        // The last use is noted beside the connection, not on its way.
        scene.platform.app().write_notes().await.unwrap();
        let list = scene.org.request(&scene.platform, Method::GET, "/orchestrator-keys");
        let key = json(list.send().await.unwrap()).await["orchestratorKeys"][0].clone();
        assert!(key["lastUsedAt"].is_string(), "{key}");
        let path = format!("/orchestrator-keys/{}", key["id"].as_str().unwrap());
        let begun = std::time::Instant::now();
        scene.org.request(&scene.platform, Method::DELETE, &path).send().await.unwrap();
        let status = scene.orchestrator.wait_for_closes(1, PATIENCE).await.unwrap();
        println!("closed {} ms after the request began", begun.elapsed().as_millis());
        assert_eq!(status.close_codes()[0], 4001);
        // It tries again, and is refused.
        scene.orchestrator.wait_for(
            |status| matches!(status.state, kici_orchestrator_core::State::Refused { .. }), PATIENCE,
        ).await.unwrap();
        problem(Post::new("{}").to(&scene.platform, &scene.org).await, 503, "no_orchestrator").await;
    }

    async fn the_key_of_another_organisation_can_not_be_revoked(database: Database) {
        let scene = Scene::new(&database).await;
        let list = scene.org.request(&scene.platform, Method::GET, "/orchestrator-keys");
        let list = json(list.send().await.unwrap()).await;
        let key = list["orchestratorKeys"][0]["id"].as_str().unwrap().to_owned();
        let other = TestOrg::create(&scene.platform, "Umbrella").await.unwrap();
        let tried = other.request(&scene.platform, Method::DELETE, &format!("/orchestrator-keys/{key}"));
        problem(tried.send().await.unwrap(), 404, "not_found").await;
        json(Post::new("{}").to(&scene.platform, &scene.org).await).await;
    }

    async fn a_key_is_made_as_kici_admin_asks_for_it(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let other = TestOrg::create(&platform, "Umbrella").await.unwrap();
        let post = async |token: &str, path: &str, sent: serde_json::Value| {
            let request = platform.http().post(platform.url(path)).bearer_auth(token).header("idempotency-key", format!("{}{sent}", &path[path.len().saturating_sub(40)..]));
            request.json(&sent).send().await.unwrap()
        };
        let sent = value!({"label": "prod", "routingKeys": ["github:1"], "newer": true});
        let made = json(post(&org.token, "//api/v1/api-keys", sent.clone()).await).await;
        assert!(made["key"].as_str().unwrap().starts_with("kici_ok_"));
        assert_eq!(made["routingKeys"], value!(["github:1"]));
        // The token is not kept for whoever repeats the request.
        problem(post(&org.token, "//api/v1/api-keys", sent).await, 409, "secret_shown_once").await;
        let path = format!("/api/v1/api-keys/{}/routing-permissions", made["id"].as_str().unwrap());
        let pattern = value!({"pattern": "github:*"});
        problem(post(&other.token, &path, pattern.clone()).await, 404, "not_found").await;
        let added = json(post(&org.token, &path, pattern.clone()).await).await;
        assert_eq!(added, value!({"id": made["id"], "pattern": "github:*"}));
        let listed = org.request(&platform, Method::GET, "/orchestrator-keys").send().await.unwrap();
        assert_eq!(json(listed).await["orchestratorKeys"][0]["routingPatterns"], value!(["github:1", "github:*"]));
        problem(post(&org.token, &path, value!({"pattern": "github:1"})).await, 409, "already").await;
        problem(post(&org.token, &path, value!({"pattern": "git hub"})).await, 422, "invalid_fields").await;
        let free = json(post(&org.token, "/api/v1/api-keys", value!({"label": "free"})).await).await;
        let path = format!("/api/v1/api-keys/{}/routing-permissions", free["id"].as_str().unwrap());
        problem(post(&org.token, &path, pattern).await, 409, "already").await;
        // Whoever belongs to several has to say which, by a key of it.
        let both = org.member(&platform, Matrix::OWNER).await.unwrap();
        let as_owner = other.enter(&platform).await.unwrap();
        members::add(platform.app(), &as_owner, &both.id).await.unwrap();
        problem(post(&both.token, "/api/v1/api-keys", value!({"label": "x"})).await, 409, "ambiguous_org").await;
        let key = org.api_key(&platform, Matrix::only(Resource::ApiKeys, Level::Admin)).await.unwrap();
        assert_eq!(post(&key, "/api/v1/api-keys", value!({"label": "y"})).await.status(), 201);
    }
}
