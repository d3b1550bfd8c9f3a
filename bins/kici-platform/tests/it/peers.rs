//! Orchestrators that serve the same sources are told of each other.

use kici_testkit::{Database, TestOrg, TestPlatform};
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::support::app_source;

async fn serving(platform: &TestPlatform, org: &TestOrg, instance: &str, address: Value) -> Raw {
    let mut raw = Raw::authenticated(platform, org).await;
    let source = serde_json::to_value(app_source().registration).unwrap();
    raw.send(json!({
        "type": "source.register",
        "messageId": "m1",
        "sources": [source],
        "instanceId": instance,
        "address": address,
    }))
    .await;
    assert_eq!(raw.any().await["messageId"], "m1");
    raw
}

/// The instances in the next update.
async fn told(raw: &mut Raw) -> Vec<String> {
    let update = raw.next_of("peer.update").await;
    let peers = update["peers"].as_array().unwrap();
    peers.iter().map(|peer| peer["instanceId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn siblings_hear_of_each_other_and_of_the_end() {
    let database = Database::sqlite().await.unwrap();
    let platform = TestPlatform::start(&database).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let stranger = TestOrg::create(&platform, "Other").await.unwrap();
    let mut a = serving(&platform, &org, "a", json!("ws://10.0.0.1:4000")).await;
    // Of another organization; without an address; with a source of its own.
    let mut theirs = serving(&platform, &stranger, "x", json!("ws://10.0.0.9:4000")).await;
    let mut hidden = serving(&platform, &org, "hidden", Value::Null).await;
    let mut apart = serving(&platform, &org, "apart", json!("ws://10.0.0.3:4000")).await;
    apart.send(json!({"type": "source.register", "messageId": "m3", "sources": []})).await;
    let mut b = serving(&platform, &org, "b", json!("ws://10.0.0.2:4000")).await;
    b.send(
        json!({"type": "orch.capabilities.update", "capabilities": {"orchRole": "coordinator"}}),
    )
    .await;
    let peer = loop {
        let update = a.next_of("peer.update").await;
        let peers = update["peers"].as_array().unwrap();
        if peers.len() == 1 && peers[0]["orchRole"] == "coordinator" {
            break peers[0].clone();
        }
    };
    assert_eq!(peer["instanceId"], "b");
    assert_eq!(peer["address"], "ws://10.0.0.2:4000");
    assert_eq!(peer["routingKeys"], json!(["github:884211"]));
    assert!(peer["connectionId"].as_str().unwrap().starts_with("con_"), "{peer}");
    while told(&mut b).await != ["a"] {}
    let both = async |raw: &mut Raw| loop {
        let mut peers = told(raw).await;
        peers.sort();
        if peers == ["a", "b"] {
            break;
        }
    };
    both(&mut hidden).await;
    b.close().await;
    // Whoever says goodbye is answered.
    assert_eq!(b.closed().await, 1000);
    while !told(&mut a).await.is_empty() {}
    while told(&mut hidden).await != ["a"] {}
    theirs.send(json!({"type": "source.register", "messageId": "m3", "sources": []})).await;
    loop {
        let frame = theirs.any().await;
        assert_ne!(frame["type"], "peer.update", "{frame}");
        if frame["messageId"] == "m3" {
            break;
        }
    }
}
