//! What an orchestrator says that it serves (protocol §7).

use std::collections::BTreeSet;

use kici_domain::{App, Link, Trouble, sources};
use kici_model::RoutingKey;
use kici_wire::{
    Rejected, SourceDeregister, SourceDeregisterAck, SourceRegister, SourceRegisterAck,
    ToOrchestrator, shorten,
};

use super::keep_dashboard_writes;
use crate::Hub;
use crate::connection::Connection;

/// How many rejected sources one answer names.
const REJECTED: usize = 100;
/// The longest cluster name and version that are kept.
const LONGEST: usize = 100;
/// The longest address that is passed on, in bytes.
const LONGEST_ADDRESS: usize = 500;

pub(super) async fn register(
    app: &App,
    hub: &Hub,
    link: &Link,
    connection: &Connection,
    register: SourceRegister,
) -> Result<(), Trouble> {
    let turn = connection.common.writes.lock().await;
    // Those of this connection count together, since later registrations only add.
    let served: BTreeSet<String> =
        connection.about().serves.iter().map(ToString::to_string).collect();
    let mut room = hub.limits.sources.saturating_sub(served.len());
    let mut seen = BTreeSet::new();
    let once =
        register.sources.into_iter().filter(|source| seen.insert(source.routing_key.clone()));
    let (named, beyond): (Vec<_>, Vec<_>) = once.partition(|source| {
        let is_new = !served.contains(&source.routing_key);
        let fits = !is_new || room > 0;
        room -= usize::from(is_new && fits);
        fits
    });
    let done = sources::register(app, link, &named, hub.limits.org_sources).await?;
    let has_moved = {
        let mut about = connection.about();
        let before = (about.serves.clone(), about.address.clone(), about.instance.clone());
        about.cluster_name = register.cluster_name.map(|name| shorten(&name, LONGEST));
        // Of an id nothing is cut: a long one is no id.
        let cluster = register.cluster_id.filter(|id| (1..=LONGEST).contains(&id.len()));
        about.cluster_id = cluster.or_else(|| about.cluster_id.take());
        let instance = register.instance_id.filter(|id| (1..=LONGEST).contains(&id.len()));
        about.instance = instance.or_else(|| about.instance.take());
        let address = register.address.filter(|text| (1..=LONGEST_ADDRESS).contains(&text.len()));
        about.address = address.or_else(|| about.address.take());
        about.version = register.version.map(|version| shorten(&version, LONGEST));
        if named.is_empty() && beyond.is_empty() {
            // "This connection serves no routing key" (protocol §7).
            about.serves.clear();
        }
        about.serves.extend(done.serves);
        about.is_registered = true;
        before != (about.serves.clone(), about.address.clone(), about.instance.clone())
    };
    // Until it is known who serves what: a sibling may be deregistering the same.
    drop(turn);
    hub.supersede(connection);
    keep_dashboard_writes(app, link, connection).await?;
    let shared = connection.common.newly_shared(hub.shared(connection));
    if !shared.is_empty() {
        sources::note_shared(app, link, &shared).await?;
    }
    let too_many = beyond.into_iter().map(|source| Rejected {
        routing_key: shorten(&source.routing_key, LONGEST),
        reason: format!("one connection serves {} sources at most", hub.limits.sources),
    });
    let ack = SourceRegisterAck {
        message_id: register.message_id,
        accepted: done.accepted,
        rejected: done.rejected.into_iter().chain(too_many).take(REJECTED).collect(),
    };
    connection.outbox.answer(&ToOrchestrator::SourceRegisterAck(ack)).await;
    connection.registrations.up();
    if has_moved {
        connection.common.news.moves.up();
    }
    Ok(())
}

pub(super) async fn deregister(
    app: &App,
    hub: &Hub,
    link: &Link,
    connection: &Connection,
    deregister: SourceDeregister,
) -> Result<(), Trouble> {
    let turn = connection.common.writes.lock().await;
    let named = deregister.routing_keys.iter().take(hub.limits.sources);
    let named: BTreeSet<RoutingKey> = named.filter_map(|key| key.parse().ok()).collect();
    // What another connection of the organization still serves stays known.
    let (mut removed, gone): (Vec<_>, Vec<_>) =
        named.into_iter().partition(|key| hub.is_served_elsewhere(connection, key));
    removed.retain(|key| connection.about().serves.contains(key));
    removed.extend(sources::deregister(app, link, &gone).await?);
    {
        let mut about = connection.about();
        for key in &removed {
            about.serves.remove(key);
        }
    }
    let removed = removed.iter().map(ToString::to_string).collect();
    drop(turn);
    let ack = SourceDeregisterAck { message_id: deregister.message_id, removed };
    connection.outbox.answer(&ToOrchestrator::SourceDeregisterAck(ack)).await;
    connection.common.news.moves.up();
    Ok(())
}
