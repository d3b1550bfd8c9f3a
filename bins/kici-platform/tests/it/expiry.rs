//! Keys that end soon.

use std::sync::Arc;
use std::time::Duration;

use kici_mail::{Config, Encryption};
use kici_platform::Options;
use kici_testkit::{Database, TestClock, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

use crate::node_server::NodeServer;
use crate::support::{json as body, problem};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A key that lasts so many days; its id.
async fn key(platform: &TestPlatform, org: &TestOrg, name: &str, days: u32) -> String {
    let sent = json!({"name": name, "permissions": {}, "expiresInDays": days});
    let made = org.request(platform, Method::POST, "/api-keys").json(&sent).send().await.unwrap();
    body(made).await["key"]["id"].as_str().unwrap().to_owned()
}

on_both_databases! {
    async fn a_key_is_warned_of_a_week_and_a_day_before_its_end(database: Database) {
        let clock = Arc::new(TestClock::default());
        let options = Options { clock: clock.clone(), ..TestPlatform::options(&database) };
        let platform = TestPlatform::start_with(options).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let warned = async || platform.app().warn_of_expiry().await.unwrap();
        let ending = key(&platform, &org, "ending", 9).await;
        let rotated = key(&platform, &org, "rotated", 9).await;
        key(&platform, &org, "later", 100).await;
        assert_eq!(warned().await, 0);
        let rotate = format!("/api-keys/{rotated}/rotate");
        let rotate = async || org.request(&platform, Method::POST, &rotate).json(&json!({"overlapDays": 8})).send().await.unwrap();
        let successor = body(rotate().await).await["key"]["expiresAt"].clone();
        // The end that the overlap gave it is not the life that it was meant to have.
        problem(rotate().await, 409, "already_rotated").await;
        clock.advance(DAY * 2);
        // The one, and the successor of the other, which lasts as long.
        assert_eq!((warned().await, warned().await), (2, 0));
        clock.advance(DAY * 6 + Duration::from_secs(1));
        assert_eq!((warned().await, warned().await), (2, 0));
        let log = org.request(&platform, Method::GET, "/audit?action=key.expiring").send().await.unwrap();
        let log = body(log).await;
        let items = log["items"].as_array().unwrap();
        assert_eq!(items.len(), 4, "{log}");
        let own: Vec<_> = items.iter().filter(|item| item["target"] == ending.as_str()).collect();
        assert_eq!(own.len(), 2);
        assert_eq!(own[0]["details"]["name"], "ending");
        assert_eq!(own[0]["details"]["expiresAt"], successor);
        clock.advance(DAY);
        assert_eq!(warned().await, 0);
    }
}

#[tokio::test]
async fn whoever_made_a_key_hears_of_its_end() {
    let Some(server) = NodeServer::start("mail.mjs", &[]) else { return };
    let database = Database::sqlite().await.unwrap();
    let clock = Arc::new(TestClock::default());
    let mail = Config {
        host: "localhost".to_owned(),
        port: Some(server.hello.parse().unwrap()),
        encryption: Encryption::None,
        login: None,
        from: "ci@example.org".parse().unwrap(),
    };
    let options =
        Options { clock: clock.clone(), mail: Some(mail), ..TestPlatform::options(&database) };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    key(&platform, &org, "deploy", 5).await;
    clock.advance(DAY);
    assert_eq!(platform.app().warn_of_expiry().await.unwrap(), 1);
    let mail: Value = serde_json::from_str(&server.next()).unwrap();
    assert_eq!(mail["to"], json!(["owner@acme.example"]));
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("Subject: KiCI Platform: your API key ends soon"), "{text}");
    assert!(
        text.contains("kici_sk_") && text.contains("Acme") && text.contains("deploy"),
        "{text}"
    );
}
