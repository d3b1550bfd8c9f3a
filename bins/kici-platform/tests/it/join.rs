//! A new orchestrator comes into a cluster through the platform.

use data_encoding::BASE64URL_NOPAD;
use kici_testkit::{Database, TestOrg, TestPlatform};
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::support::app_source;

/// As `kici-admin join` comes: with `apiKey`, and without a version.
async fn joiner(platform: &TestPlatform, org: &TestOrg) -> Raw {
    let (_, key) = org.orchestrator_key(platform).await.unwrap();
    let mut raw = Raw::connect(platform).await;
    raw.send(json!({"type": "auth.request", "apiKey": key, "role": "orchestrator"})).await;
    assert_eq!(raw.next().await["type"], "auth.success");
    raw
}

/// A join token of a cluster of `org` that serves the App.
fn token(org: &TestOrg) -> String {
    let route = json!({"orgId": org.id.as_str(), "routingKey": "github:884211", "expiry": 1});
    let route = BASE64URL_NOPAD.encode(route.to_string().as_bytes());
    format!("kici_join_v1.{route}.{}", "ab".repeat(32))
}

async fn ask(raw: &mut Raw, token: &str) -> Value {
    raw.send(json!({"type": "join.request", "token": token})).await;
    raw.next_of("join.response").await
}

/// An orchestrator of another cluster, which serves the App as well, or nothing.
async fn sibling(platform: &TestPlatform, org: &TestOrg, cluster: &str, is_serving: bool) -> Raw {
    let mut raw = Raw::serving(platform, org).await;
    let source = serde_json::to_value(app_source().registration).unwrap();
    let sources = if is_serving { vec![source] } else { Vec::new() };
    raw.send(json!({
        "type": "source.register",
        "messageId": "m2",
        "sources": sources,
        "clusterName": cluster,
    }))
    .await;
    assert_eq!(raw.next().await["messageId"], "m2");
    raw
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_lets_a_new_orchestrator_in() {
    let database = Database::sqlite().await.unwrap();
    let platform = TestPlatform::start(&database).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let mut new = joiner(&platform, &org).await;
    let nobody = ask(&mut new, &token(&org)).await;
    assert_eq!(nobody["success"], false);
    assert!(nobody["error"].as_str().unwrap().contains("no orchestrator"), "{nobody}");

    let mut apart = sibling(&platform, &org, "apart", false).await;
    let mut other = sibling(&platform, &org, "b", true).await;
    let mut cluster = Raw::serving(&platform, &org).await;
    let token = token(&org);
    new.send(json!({"type": "join.request", "messageId": "mine", "token": token})).await;
    // Both serve the source of the token; the newer one, which is asked first, says no.
    let request = cluster.next_of("join.request").await;
    assert_eq!(request["token"], token);
    let refusal = json!({"type": "join.response", "messageId": request["messageId"], "success": false, "error": "expired"});
    cluster.send(refusal).await;
    let request = other.next_of("join.request").await;
    let bundle = "c2VjcmV0".repeat(1000);
    other.send(json!({"type": "join.response", "messageId": request["messageId"], "success": true, "encryptedBundle": bundle})).await;
    let answer = new.next_of("join.response").await;
    assert_eq!(
        answer,
        json!({"type": "join.response", "messageId": "mine", "success": true, "encryptedBundle": bundle})
    );
    // Who can't have made the token has not seen it.
    apart.send(json!({"type": "source.register", "messageId": "m9", "sources": []})).await;
    loop {
        let frame = apart.any().await;
        assert_ne!(frame["type"], "join.request");
        if frame["messageId"] == "m9" {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cluster_is_asked_for_another_organization_or_with_nonsense() {
    let database = Database::sqlite().await.unwrap();
    let platform = TestPlatform::start(&database).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let other = TestOrg::create(&platform, "Other").await.unwrap();
    let mut cluster = Raw::serving(&platform, &other).await;
    let mut own = Raw::serving(&platform, &org).await;
    let mut new = joiner(&platform, &org).await;
    for (token, why) in
        [(token(&other), "another organization"), ("nonsense".to_owned(), "kici_join_v1.")]
    {
        let answer = ask(&mut new, &token).await;
        assert_eq!(answer["success"], false);
        assert!(answer["error"].as_str().unwrap().contains(why), "{answer}");
    }
    // A response that nobody has asked for goes nowhere.
    cluster.send(json!({"type": "join.response", "messageId": "x", "success": true})).await;
    let source = serde_json::to_value(app_source().registration).unwrap();
    for raw in [&mut cluster, &mut own, &mut new] {
        raw.send(json!({"type": "source.register", "messageId": "m9", "sources": [source]})).await;
        loop {
            let frame = raw.any().await;
            assert!(!frame["type"].as_str().unwrap().starts_with("join."), "{frame}");
            if frame["messageId"] == "m9" {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_orchestrator_says_that_it_lets_nobody_in() {
    let database = Database::sqlite().await.unwrap();
    let scene = crate::support::Scene::new(&database).await;
    let mut new = joiner(&scene.platform, &scene.org).await;
    let answer = ask(&mut new, &token(&scene.org)).await;
    assert_eq!(answer["error"], "this orchestrator has no cluster to come into");
}
