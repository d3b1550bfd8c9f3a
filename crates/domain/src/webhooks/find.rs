//! Which source a delivery is for.

use std::collections::BTreeMap;

use kici_model::sources::Source;
use kici_model::{OrgId, RoutingKey};
use kici_rbac::{SystemTask, perm};

use super::unknown::{Before, KEPT};
use super::{WebhookError, headers, quick};
use crate::sources::LONGEST;
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
    /// How the delivery names it.
    pub(super) wanted: String,
    /// When that was looked up.
    pub(super) before: Before,
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
    let wanted = match target {
        Target::GitHub => Wanted::Key(headers::github_app(said)?),
        Target::Generic(segment) => Wanted::Segment(segment),
    };
    let org: OrgId = org.parse().map_err(|_| WebhookError::UnknownSource)?;
    match known(app, &org, &wanted).await? {
        Some((source, before)) => {
            let (routing_key, wanted) = (source.registered.routing_key, wanted.text());
            Ok(Found { org, routing_key, wanted, before })
        }
        // The event log has no row of it: it belongs to nobody.
        None => Err(WebhookError::UnknownSource),
    }
}

/// What the address and the headers name.
enum Wanted<'a> {
    Key(RoutingKey),
    Segment(&'a str),
}

impl Wanted<'_> {
    /// A text for each, the two kinds apart.
    fn text(&self) -> String {
        match self {
            Self::Key(key) => key.to_string(),
            Self::Segment(segment) => format!("/{segment}"),
        }
    }

    /// Whether a source can be called so. PostgreSQL has no text with a NUL.
    fn can_be(&self) -> bool {
        match self {
            Self::Key(_) => true,
            Self::Segment(segment) => !segment.contains('\0') && segment.chars().count() <= LONGEST,
        }
    }
}

async fn known(
    app: &App,
    org: &OrgId,
    wanted: &Wanted<'_>,
) -> Result<Option<(Source, Before)>, WebhookError> {
    if !wanted.can_be() {
        return Ok(None);
    }
    let Some(before) = app.unknown.look(org, &wanted.text(), app.clock.now()) else {
        return Ok(None);
    };
    let grant = access::task(org.clone(), SystemTask::RelayWebhooks)
        .require::<perm::WebhookSourcesRead>()?;
    let source = match wanted {
        Wanted::Segment(segment) => {
            let found = quick(|| app.store.generic_sources(&grant, segment)).await?;
            meant(found, segment, |key| app.relay.is_served(&grant, key))
        }
        Wanted::Key(key) => quick(|| app.store.source(&grant, key)).await?,
    };
    if source.is_none() {
        app.unknown.note(before, org, wanted.text(), app.clock.now(), KEPT);
    }
    Ok(source.map(|source| (source, before)))
}

/// The source that `segment` means, out of those it can mean, the one registered first at their head. A
/// name may have been left behind by a source that was made anew: one that somebody serves is meant, of
/// several the first, so that nobody takes a name away from who serves it; and where nobody does, the
/// last.
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
        _ => found
            .iter()
            .position(|source| is_served(&key(source)))
            .unwrap_or(found.len().saturating_sub(1)),
    };
    (!found.is_empty()).then(|| found.swap_remove(at))
}
