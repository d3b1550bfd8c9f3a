//! Which source a delivery is for.

use std::collections::BTreeMap;

use kici_model::sources::Source;
use kici_model::{OrgId, RoutingKey};
use kici_rbac::{SystemTask, perm};

use super::{WebhookError, headers, quick};
use crate::{App, access};

/// Where a delivery was posted to.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// `/webhook/{org}/github`: the App is told by a header.
    GitHub,
    /// `/webhook/{org}/generic/{source}`: by its name or the last part of its routing key.
    Generic(&'a str),
}

/// A known source, and the organisation that it was found in.
#[derive(Debug, Clone)]
pub struct Found {
    pub(super) org: OrgId,
    pub(super) routing_key: RoutingKey,
}

/// Finds the source that a delivery is for, before its body is read.
///
/// # Errors
/// A header is missing, there is no such source, or the database fails.
pub async fn find(
    app: &App,
    org: &str,
    target: Target<'_>,
    said: &BTreeMap<String, String>,
) -> Result<Found, WebhookError> {
    let routing_key = match target {
        Target::GitHub => Some(headers::github_app(said)?),
        Target::Generic(_) => None,
    };
    let org: OrgId = org.parse().map_err(|_| WebhookError::UnknownSource)?;
    if matches!(target, Target::Generic(segment) if segment.contains('\0')) {
        // PostgreSQL has no such text.
        return Err(WebhookError::UnknownSource);
    }
    let grant = access::task(org.clone(), SystemTask::RelayWebhooks)
        .require::<perm::WebhookSourcesRead>()?;
    let source = match (target, routing_key) {
        (Target::Generic(segment), _) => {
            let found = quick(app.store.generic_sources(&grant, segment)).await?;
            meant(found, segment, |key| app.relay.is_served(&grant, key))
        }
        (Target::GitHub, Some(key)) => quick(app.store.source(&grant, &key)).await?,
        (Target::GitHub, None) => None,
    };
    let Some(source) = source else {
        // The event log has no row of it: it belongs to nobody.
        app.metrics().delivered("unknown_source", 0);
        return Err(WebhookError::UnknownSource);
    };
    Ok(Found { org, routing_key: source.registered.routing_key })
}

/// The source that `segment` means, out of those it can mean, the likeliest first. A name may have been
/// left behind by a source that was made anew: the one that somebody serves is meant.
fn meant(
    mut found: Vec<Source>,
    segment: &str,
    is_served: impl Fn(&RoutingKey) -> bool,
) -> Option<Source> {
    let key = |source: &Source| source.registered.routing_key.clone();
    let is_exact = |source: &Source| match key(source) {
        RoutingKey::Generic { source, .. } => *source == *segment,
        RoutingKey::GitHub { .. } => false,
    };
    let at = match found.first() {
        Some(first) if is_exact(first) => 0,
        _ => found.iter().position(|source| is_served(&key(source))).unwrap_or(0),
    };
    (!found.is_empty()).then(|| found.swap_remove(at))
}
