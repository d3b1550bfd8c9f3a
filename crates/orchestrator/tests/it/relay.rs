//! Deliveries: put together, judged, answered, handed on once.

use std::sync::Arc;
use std::time::Duration;

use kici_model::Secret;
use kici_model::delivery::Verdict;
use kici_orchestrator_core::{Collect, Delivered, Handler, Orchestrator, Source, sign};
use kici_wire::{Chunks, ToOrchestrator, WebhookRelayStart};
use tokio::sync::Semaphore;

use crate::peer::{Conn, PATIENCE, Peer, start};

const SECRET: &str = "It's a Secret to Everybody";

async fn connected() -> (Arc<Collect>, Orchestrator, Conn) {
    let peer = Peer::bind().await;
    let collect = Arc::new(Collect::default());
    let source = Source::github(1, "Acme CI", Secret::new(SECRET.to_owned()));
    let config = peer.config().with_sources([source]).with_handler(collect.clone());
    let orchestrator = Orchestrator::start(config);
    let conn = peer.welcome().await;
    (collect, orchestrator, conn)
}

fn signed(message: &str, delivery: &str, body: &[u8]) -> WebhookRelayStart {
    WebhookRelayStart {
        signature_header: Some(sign::github(SECRET, body)),
        ..start(message, delivery, body)
    }
}

fn bytes(seed: usize, size: usize) -> Vec<u8> {
    (0..size).map(|n| (n.wrapping_mul(2_654_435_761) >> 7).wrapping_add(seed) as u8).collect()
}

#[tokio::test]
async fn interleaved_bodies_arrive_byte_for_byte() {
    let (collect, _orchestrator, mut conn) = connected().await;
    let sizes = [0, 1, 65_536, 65_537, 1_000_003, 5_000_000];
    let bodies: Vec<_> = sizes.iter().enumerate().map(|(n, size)| bytes(n, *size)).collect();
    let mut streams = Vec::new();
    for (n, body) in bodies.iter().enumerate() {
        let id = n.to_string();
        conn.send(ToOrchestrator::WebhookRelayStart(signed(&id, &id, body))).await;
        streams.push(Chunks::new(id, body.clone().into()));
    }
    while !streams.is_empty() {
        let mut rest = Vec::new();
        for mut stream in streams {
            if let Some(chunk) = stream.next() {
                conn.send(ToOrchestrator::WebhookRelayChunk(chunk)).await;
                rest.push(stream);
            }
        }
        streams = rest;
    }
    for _ in &bodies {
        assert_eq!(conn.ack().await.result, Some(Verdict::Accepted.into()));
    }
    let arrived = collect.wait_for_count(bodies.len(), PATIENCE).await.unwrap();
    for delivery in arrived {
        let n: usize = delivery.start.delivery_id.parse().unwrap();
        assert!(delivery.body == bodies[n], "body {n} differs");
    }
}

#[tokio::test]
async fn the_largest_body_goes_through() {
    let (collect, _orchestrator, mut conn) = connected().await;
    let body = bytes(7, 26_214_400);
    conn.relay(signed("m", "d", &body), &body).await;
    assert_eq!(conn.ack().await.result, Some(Verdict::Accepted.into()));
    let arrived = collect.wait_for_count(1, PATIENCE).await.unwrap();
    assert!(arrived[0].body == body);
}

#[tokio::test]
async fn each_delivery_is_judged_and_only_good_ones_are_handed_on() {
    let (collect, orchestrator, mut conn) = connected().await;
    let body = br#"{"zen":"Design for failure."}"#;

    let forged = WebhookRelayStart {
        signature_header: Some(sign::github("guess", body)),
        ..start("m1", "d1", body)
    };
    conn.relay(forged, body).await;
    let ack = conn.ack().await;
    assert_eq!((ack.message_id.as_str(), ack.delivery_id.as_str()), ("m1", "d1"));
    assert_eq!(ack.result, Some(Verdict::RejectedSignature.into()));

    let elsewhere =
        WebhookRelayStart { routing_key: "github:2".into(), ..signed("m2", "d1", body) };
    conn.relay(elsewhere, body).await;
    assert_eq!(conn.ack().await.result, Some(Verdict::RejectedUnknownSource.into()));

    assert!(orchestrator.set_enabled("github:1", false));
    conn.relay(signed("m3", "d1", body), body).await;
    assert_eq!(conn.ack().await.result, Some(Verdict::RejectedUnknownSource.into()));
    assert!(orchestrator.set_enabled("github:1", true));
    assert!(!orchestrator.set_enabled("github:2", true));

    // A refused delivery binds nothing: the same id goes through once it is good.
    conn.relay(signed("m4", "d1", body), body).await;
    let ack = conn.ack().await;
    assert_eq!((ack.result, ack.reason), (Some(Verdict::Accepted.into()), None));
    assert_eq!(collect.wait_for_count(1, PATIENCE).await.unwrap()[0].start.message_id, "m4");
}

#[tokio::test]
async fn a_delivery_that_comes_again_is_accepted_but_not_handed_on() {
    let (collect, _orchestrator, mut conn) = connected().await;
    for message in ["m1", "m2", "m3"] {
        conn.relay(signed(message, "d1", b"x"), b"x").await;
        assert_eq!(conn.ack().await.result, Some(Verdict::Accepted.into()));
    }
    conn.relay(signed("m4", "d2", b"x"), b"x").await;
    let arrived = collect.wait_for_count(2, PATIENCE).await.unwrap();
    let ids: Vec<_> = arrived.iter().map(|it| it.start.delivery_id.as_str()).collect();
    assert_eq!(ids, ["d1", "d2"]);
}

#[tokio::test]
async fn a_broken_stream_is_answered_and_disturbs_no_other() {
    let (collect, _orchestrator, mut conn) = connected().await;
    let body = bytes(1, 150_000);
    let chunks: Vec<_> = Chunks::new("bad".into(), body.clone().into()).collect();
    conn.send(ToOrchestrator::WebhookRelayStart(signed("bad", "d1", &body))).await;
    conn.send(ToOrchestrator::WebhookRelayChunk(chunks[1].clone())).await;
    let ack = conn.ack().await;
    assert_eq!((ack.message_id.as_str(), ack.delivery_id.as_str()), ("bad", "bad"));
    assert_eq!(ack.result, Some(Verdict::RejectedMisconfigured.into()));
    conn.send(ToOrchestrator::WebhookRelayChunk(chunks[2].clone())).await;

    conn.relay(signed("good", "d1", &body), &body).await;
    assert_eq!(conn.ack().await.message_id, "good");
    assert!(collect.wait_for_count(1, PATIENCE).await.unwrap()[0].body == body);
}

/// Takes a delivery only when it gets a permit.
#[derive(Debug)]
struct Slow(Semaphore, Collect);

#[async_trait::async_trait]
impl Handler for Slow {
    async fn accepted(&self, delivery: Delivered) {
        self.0.acquire().await.unwrap().forget();
        self.1.accepted(delivery).await;
    }
}

#[tokio::test]
async fn a_stuck_handler_delays_no_answer_and_loses_nothing() {
    let peer = Peer::bind().await;
    let slow = Arc::new(Slow(Semaphore::new(0), Collect::default()));
    let source = Source::github(1, "Acme CI", Secret::new(SECRET.to_owned()));
    let config = peer.config().with_sources([source]).with_handler(slow.clone());
    let orchestrator = Orchestrator::start(config);
    let mut conn = peer.welcome().await;
    for n in 0..500 {
        let id = n.to_string();
        conn.relay(signed(&id, &id, b"x"), b"x").await;
        assert_eq!(conn.ack().await.message_id, id);
    }
    assert_eq!(slow.1.count(), 0);
    let stopping = tokio::spawn(orchestrator.stop());
    assert_eq!(conn.goodbye().await.0, 1000);
    slow.0.add_permits(500);
    stopping.await.unwrap();
    let arrived = slow.1.wait_for_count(500, Duration::ZERO).await.unwrap();
    assert_eq!(arrived[499].start.delivery_id, "499", "in order");
}
