//! What a connection is told without asking (protocol §9): whom CI trusts, and who else is there.

use std::convert::Infallible;
use std::time::Duration;

use kici_domain::{App, Link};
use kici_wire::PeerUpdate;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::Hub;
use crate::connection::Connection;

/// For how long changes are collected before they are told: who moves ten people into a team does not
/// make ten messages of it.
const COLLECT: Duration = Duration::from_millis(100);
/// After how long something is tried again that went wrong.
const AGAIN: Duration = Duration::from_secs(1);

/// Tells whom CI trusts: after each registration, and whenever it is something else.
pub(super) async fn tell_trust(
    app: &App,
    hub: &Hub,
    link: &Link,
    connection: &Connection,
) -> Infallible {
    let mut registrations = connection.registrations.watch();
    let mut changes = connection.common.news.changes.watch();
    let mut told = None;
    let mut pause = hub.limits.key_check;
    registered(&mut registrations).await;
    loop {
        match connection.common.news.trust(app, link, &hub.limits).await {
            Ok(frame) if told.as_ref() == Some(&frame) => pause = hub.limits.key_check,
            Ok(frame) => {
                connection.outbox.tell_trust(frame.clone());
                told = Some(frame);
                pause = hub.limits.key_check;
            }
            Err(trouble) => {
                tracing::warn!(
                    error = &trouble as &dyn std::error::Error,
                    "an orchestrator is not told whom CI trusts"
                );
                pause = AGAIN.min(pause);
            }
        }
        tokio::select! {
            _ = registrations.changed() => told = None,
            _ = changes.changed() => sleep(COLLECT).await,
            () = sleep(pause) => {}
        }
    }
}

/// Tells who else serves the same sources, whenever that is somebody else.
pub(super) async fn tell_peers(hub: &Hub, connection: &Connection) -> Infallible {
    let mut registrations = connection.registrations.watch();
    let mut moves = connection.common.news.moves.watch();
    let mut told = Vec::new();
    registered(&mut registrations).await;
    loop {
        let peers = hub.peers(connection);
        if peers != told {
            connection.outbox.tell_peers(PeerUpdate { peers: peers.clone() });
            told = peers;
        }
        let _ = moves.changed().await;
        sleep(COLLECT).await;
    }
}

/// Only who has registered is told anything; that may have been before anybody watched.
async fn registered(registrations: &mut watch::Receiver<u64>) {
    let _ = registrations.wait_for(|count| *count > 0).await;
}
