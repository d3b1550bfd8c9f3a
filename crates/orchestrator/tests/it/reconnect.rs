//! Coming back: after every close code, after a refused token, after nobody was there.

use std::time::Duration;

use kici_orchestrator_core::{Config, Orchestrator, State, Status};
use kici_wire::{AuthFailure, MAX_FRAME, ToOrchestrator};

use crate::peer::{PATIENCE, Peer};

#[tokio::test]
async fn it_comes_back_whatever_the_close_code_and_keeps_them_all() {
    let peer = Peer::bind().await;
    let orchestrator = Orchestrator::start(peer.config());
    let codes = [1000, 1001, 4001, 4003, 4004, 4006, 4020];
    for code in codes {
        peer.welcome().await.close(code, "because").await;
    }
    drop(peer.welcome().await);
    let status = orchestrator.wait_for_closes(codes.len() + 1, PATIENCE).await.unwrap();
    assert_eq!(status.close_codes(), codes);
    assert_eq!(status.closes[0].reason, "because");
    assert_eq!(status.closes.last().unwrap().code, None, "it just went away");
    assert!(matches!(status.state, State::Closed { code: None, .. }), "{status:?}");
}

#[tokio::test]
async fn pauses_grow_until_the_token_is_accepted() {
    let peer = Peer::bind().await;
    let base = Duration::from_millis(8);
    let orchestrator = Orchestrator::start(Config { reconnect_base: base, ..peer.config() });
    for _ in 0..4 {
        peer.accept().await.close(4002, "").await;
    }
    for _ in 0..2 {
        let mut conn = peer.accept().await;
        conn.authenticate().await;
        conn.register().await;
        conn.close(1001, "").await;
    }
    peer.accept().await.close(4002, "").await;
    let closes = orchestrator.wait_for_closes(7, PATIENCE).await.unwrap().closes;
    for (close, attempt) in closes.iter().zip([0, 1, 2, 3, 0, 0, 1]) {
        let least = base.mul_f64(1.5_f64.powi(attempt));
        let bounds = least..least.mul_f64(1.5) + Duration::from_micros(1);
        assert!(bounds.contains(&close.retry_in), "{attempt} {closes:?}");
    }
}

#[tokio::test]
async fn a_refused_token_is_tried_again() {
    let peer = Peer::bind().await;
    let orchestrator = Orchestrator::start(peer.config());
    for attempt in 1..=2 {
        let mut conn = peer.accept().await;
        conn.expect("auth.request").await;
        conn.send(ToOrchestrator::AuthFailure(AuthFailure { reason: "unknown".into() })).await;
        if attempt == 1 {
            assert_eq!(conn.goodbye().await, (1000, "Auth failed".to_owned()));
        } else {
            conn.close(4001, "unauthorized").await;
        }
    }
    let status = orchestrator.wait_for_closes(2, PATIENCE).await.unwrap();
    assert_eq!(status.state, State::Refused { reason: "unknown".into() });
    assert_eq!(status.closes[1].code, Some(4001), "{status:?}");
    assert_eq!(status.connections, 0);
    peer.welcome().await;
}

#[tokio::test]
async fn it_waits_for_a_platform_that_is_not_there_yet() {
    let address = {
        let peer = Peer::bind().await;
        peer.config().url
    };
    let peer = Peer::bind().await;
    let orchestrator = Orchestrator::start(Config { url: address, ..peer.config() });
    let is_closed = |status: &Status| matches!(status.state, State::Closed { code: None, .. });
    let status = orchestrator.wait_for(is_closed, PATIENCE).await.unwrap();
    assert!(status.closes.is_empty(), "there was no connection to close");
    orchestrator.stop().await;
}

#[tokio::test]
async fn who_says_nothing_for_too_long_is_left() {
    let peer = Peer::bind().await;
    let silence = Duration::from_millis(300);
    let orchestrator = Orchestrator::start(Config { silence, ..peer.config() });
    let _mute = peer.welcome().await;
    // It is looked at each second.
    peer.welcome().await;
    let status = orchestrator.wait_for_closes(1, PATIENCE).await.unwrap();
    assert_eq!(status.closes[0].reason, "nothing was heard of the platform");
}

#[tokio::test]
async fn a_frame_over_the_limit_ends_the_connection_and_a_new_one_begins() {
    let peer = Peer::bind().await;
    let orchestrator = Orchestrator::start(peer.config());
    let mut conn = peer.welcome().await;
    conn.raw(" ".repeat(MAX_FRAME)).await;
    let serve = async {
        conn.risk(" ".repeat(MAX_FRAME + 1)).await;
        peer.welcome().await
    };
    let (status, _) = tokio::join!(orchestrator.wait_for_closes(1, PATIENCE), serve);
    let close = &status.unwrap().closes[0];
    assert!(close.reason.contains("too long"), "{close:?}");
}

/// With TLS on one side only: an error to wait after, not a panic for want of a TLS provider.
#[tokio::test]
async fn a_platform_without_tls_is_no_platform() {
    let peer = Peer::bind().await;
    let url = peer.config().url.replace("ws://", "wss://");
    let orchestrator = Orchestrator::start(Config { url, ..peer.config() });
    let serve = async { drop(peer.socket().await) };
    let is_closed = |status: &Status| matches!(status.state, State::Closed { code: None, .. });
    let (status, ()) = tokio::join!(orchestrator.wait_for(is_closed, PATIENCE), serve);
    assert!(status.unwrap().closes.is_empty());
}
