//! Orchestrator keys: shown once, listed without their token, gone at once.

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
        assert_eq!(json(list).await, value!({"orchestratorKeys": []}));
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
        assert_eq!(json(list).await, value!({"orchestratorKeys": []}));
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
}
