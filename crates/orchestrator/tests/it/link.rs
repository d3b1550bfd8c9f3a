//! The token, the sources, signs of life, the goodbye.

use std::time::Duration;

use kici_model::Secret;
use kici_orchestrator_core::{Config, LinkError, Orchestrator, Source, State, Verification};
use kici_wire::{
    Accepted, FromOrchestrator, Rejected, SourceDeregisterAck, SourceRegisterAck, ToOrchestrator,
};
use serde_json::json;

use crate::peer::{PATIENCE, Peer, accept_all};

fn github(app: u64) -> Source {
    Source::github(app, "Acme CI", Secret::new("s".to_owned()))
}

#[tokio::test]
async fn it_says_who_it_is_and_what_it_serves() {
    let peer = Peer::bind().await;
    let key = "generic:org_a:hook".parse().unwrap();
    let hook = Source::generic(&key, "hook", Verification::None);
    let orchestrator = Orchestrator::start(Config {
        cluster_name: Some("prod".into()),
        cluster_id: Some("15ecb72a-c0a4-48de-909a-1e1a17f41980".into()),
        version: Some("1.2.3".into()),
        ..peer.config().with_sources([github(1), hook])
    });
    let mut conn = peer.accept().await;
    let auth = conn.authenticate().await;
    assert_eq!(
        auth,
        json!({"type": "auth.request", "token": "kici_ok_test", "protocolVersion": 1,
            "capabilities": {"orchRole": "coordinator", "supportedDashboardRequests": []}})
    );
    let status = orchestrator.wait_for(|status| status.connections == 1, PATIENCE).await.unwrap();
    assert!(
        matches!(&status.state, State::Connected { connection_id, org_id }
            if connection_id == "con_1" && org_id.as_deref() == Some("org_a")),
        "{status:?}"
    );
    let register = conn.expect("source.register").await;
    assert_eq!(
        register["sources"],
        json!([
            {"provider": "generic", "routingKey": "generic:org_a:hook", "name": "hook",
                "subtype": "generic_webhook"},
            {"provider": "github", "routingKey": "github:1", "name": "Acme CI",
                "subtype": "github_app"},
        ])
    );
    assert_eq!((&register["clusterName"], &register["version"]), (&json!("prod"), &json!("1.2.3")));
    assert!(register["instanceId"].as_str().is_some_and(|id| id.len() == 36), "{register}");

    let rejected = Rejected { routing_key: "github:1".into(), reason: "plan limit".into() };
    conn.send(ToOrchestrator::SourceRegisterAck(SourceRegisterAck {
        message_id: register["messageId"].as_str().unwrap().into(),
        accepted: vec![Accepted { routing_key: key.to_string(), webhook_url: Some("u".into()) }],
        rejected: vec![rejected.clone()],
    }))
    .await;
    let update = conn.expect("orch.capabilities.update").await;
    assert_eq!(update["capabilities"]["dashboardWrites"], json!({}));
    let status = orchestrator.wait_until_registered(PATIENCE).await.unwrap();
    let State::Registered { accepted, rejected: refused, .. } = status.state else { panic!() };
    assert_eq!(accepted[0].webhook_url.as_deref(), Some("u"));
    assert_eq!(refused, [rejected]);
}

#[tokio::test]
async fn an_empty_list_is_registered_too_and_the_policy_goes_with_the_next_token() {
    let peer = Peer::bind().await;
    let _orchestrator = Orchestrator::start(peer.config());
    let mut conn = peer.accept().await;
    conn.authenticate().await;
    let register = conn.register().await;
    assert!(register.sources.is_empty());
    conn.send(accept_all(&register)).await;
    conn.expect("orch.capabilities.update").await;
    conn.close(1000, "").await;
    let auth = peer.accept().await.authenticate().await;
    assert_eq!(auth["capabilities"]["dashboardWrites"], json!({}));
}

#[tokio::test]
async fn sources_come_and_go_while_it_runs() {
    let peer = Peer::bind().await;
    let orchestrator = Orchestrator::start(peer.config().with_sources([github(1)]));
    let mut conn = peer.welcome().await;

    let serve = async {
        let register = conn.register().await;
        assert_eq!(register.sources.len(), 1, "only what changed");
        assert_eq!(register.sources[0].routing_key, "github:2");
        conn.send(accept_all(&register)).await;
        conn.expect("orch.capabilities.update").await;
    };
    let (added, ()) = tokio::join!(orchestrator.register(github(2)), serve);
    assert_eq!(added.unwrap().routing_key, "github:2");
    let State::Registered { accepted, .. } = orchestrator.status().state else { panic!() };
    assert_eq!(accepted.len(), 2);

    let serve = async {
        let register = conn.register().await;
        conn.send(ToOrchestrator::SourceRegisterAck(SourceRegisterAck {
            message_id: register.message_id,
            accepted: vec![],
            rejected: vec![Rejected { routing_key: "github:3".into(), reason: "no".into() }],
        }))
        .await;
        conn.expect("orch.capabilities.update").await;
    };
    let (added, ()) = tokio::join!(orchestrator.register(github(3)), serve);
    assert_eq!(added, Err(LinkError::Rejected { reason: "no".into() }));

    let serve = async {
        let FromOrchestrator::SourceDeregister(gone) = conn.frame().await else { panic!() };
        assert_eq!(gone.routing_keys, ["github:1"]);
        conn.send(ToOrchestrator::SourceDeregisterAck(SourceDeregisterAck {
            message_id: gone.message_id,
            removed: gone.routing_keys,
        }))
        .await;
    };
    let (removed, ()) = tokio::join!(orchestrator.deregister("github:1"), serve);
    assert_eq!(removed, Ok(true));
    let State::Registered { accepted, .. } = orchestrator.status().state else { panic!() };
    assert_eq!(accepted.len(), 1);
}

#[tokio::test]
async fn what_changes_while_nobody_is_there_is_told_later() {
    let peer = Peer::bind().await;
    let orchestrator = Orchestrator::start(peer.config().with_sources([github(1), github(2)]));
    let mut conn = peer.accept().await;
    conn.expect("auth.request").await;
    assert_eq!(orchestrator.deregister("github:1").await, Err(LinkError::NotConnected));
    assert_eq!(orchestrator.register(github(3)).await, Err(LinkError::NotConnected));
    drop(conn);

    for _ in 0..2 {
        let mut conn = peer.accept().await;
        conn.authenticate().await;
        let register = conn.register().await;
        let keys: Vec<_> = register.sources.iter().map(|it| it.routing_key.as_str()).collect();
        assert_eq!(keys, ["github:2", "github:3"]);
        let FromOrchestrator::SourceDeregister(gone) = conn.frame().await else { panic!() };
        assert_eq!(gone.routing_keys, ["github:1"], "until it is answered");
    }
    // The platform never knew it: the answer counts all the same.
    let mut conn = peer.accept().await;
    conn.authenticate().await;
    conn.register().await;
    let FromOrchestrator::SourceDeregister(gone) = conn.frame().await else { panic!() };
    conn.send(ToOrchestrator::SourceDeregisterAck(SourceDeregisterAck {
        message_id: gone.message_id,
        removed: vec![],
    }))
    .await;
    conn.close(1001, "").await;
    let mut conn = peer.accept().await;
    conn.authenticate().await;
    let register = conn.register().await;
    conn.send(accept_all(&register)).await;
    conn.expect("orch.capabilities.update").await;
}

#[tokio::test]
async fn signs_of_life_come_by_themselves() {
    let peer = Peer::bind().await;
    let config = Config { heartbeat_every: Duration::from_millis(20), ..peer.config() };
    let _orchestrator = Orchestrator::start(config);
    let mut conn = peer.welcome().await;
    for _ in 0..3 {
        let beat = conn.expect("heartbeat").await;
        assert!(beat["timestamp"].as_f64().unwrap() > 1.7e12, "{beat}");
    }
}

#[tokio::test]
async fn stopping_closes_and_dropping_does_too() {
    let peer = Peer::bind().await;
    let orchestrator = Orchestrator::start(peer.config());
    let conn = peer.welcome().await;
    let watch = orchestrator.watch();
    let (goodbye, ()) = tokio::join!(conn.goodbye(), orchestrator.stop());
    assert_eq!(goodbye, (1000, "Client disconnect".to_owned()));
    assert_eq!(watch.borrow().state, State::Stopped);

    let orchestrator = Orchestrator::start(peer.config());
    let conn = peer.welcome().await;
    drop(orchestrator);
    assert_eq!(conn.goodbye().await.0, 1000);
}

#[tokio::test]
async fn frames_that_make_no_sense_are_dropped() {
    let peer = Peer::bind().await;
    let orchestrator = Orchestrator::start(peer.config());
    let mut conn = peer.welcome().await;
    for noise in [
        "",
        "not json",
        "[]",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"trust_policy.update","orgId":"org_a"}"#,
        r#"{"type":"webhook.relay.start"}"#,
        r#"{"type":"auth.failure","reason":"late"}"#,
        r#"{"type":"webhook.relay.chunk","messageId":"m","sequence":-1,"data":"","final":true}"#,
    ] {
        conn.raw(noise).await;
    }
    let serve = async {
        let register = conn.register().await;
        conn.send(accept_all(&register)).await;
    };
    let (added, ()) = tokio::join!(orchestrator.register(github(2)), serve);
    assert!(added.is_ok());
    assert_eq!(orchestrator.status().connections, 1);
}
