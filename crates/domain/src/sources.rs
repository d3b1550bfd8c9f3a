//! Webhook sources: orchestrators register them, people look at them.

use std::collections::HashSet;

use kici_model::audit::{Action, Actor, AuditEntry};
use kici_model::page::{Limit, Page};
use kici_model::sources::{Registration, Source};
use kici_model::{AuditId, OrgId, RoutingKey, SourceId};
use kici_rbac::perm;
use kici_wire::{Accepted, Known, RegisteredSource, Rejected, shorten};
use serde_json::json;

use crate::retry::retry_contention;
use crate::{App, Link, ListError, Org, Trouble};

const LIST: &str = "sources";

/// How long names and slugs are kept.
pub(crate) const LONGEST: usize = 200;
/// How many sources one row of the audit log names.
const NAMED: usize = 20;

/// A source, and who serves it.
#[derive(Debug)]
pub struct Listed {
    /// The source.
    pub source: Source,
    /// How many clusters of orchestrators serve it right now.
    pub clusters: usize,
}

/// A page of the sources of the organisation, by routing key.
///
/// # Errors
/// A tampered cursor, or the database fails.
pub async fn list(
    app: &App,
    org: &Org<perm::WebhookSourcesRead>,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<Listed, String>, ListError> {
    let after: Option<String> = app.after(org.id().as_str(), LIST, cursor)?;
    let page = app.store.sources(org.grant(), after.as_deref(), limit).await?;
    let listed = |source: Source| Listed {
        clusters: app.relay.clusters(org.grant(), &source.registered.routing_key),
        source,
    };
    let page = Page { items: page.items.into_iter().map(listed).collect(), next: page.next };
    Ok(app.page(org.id().as_str(), LIST, page))
}

/// What became of a registration.
#[derive(Debug)]
pub struct Registered {
    /// The keys that the connection serves from now on.
    pub serves: Vec<RoutingKey>,
    /// What the orchestrator is told of those.
    pub accepted: Vec<Accepted>,
    /// What it is told of the others.
    pub rejected: Vec<Rejected>,
}

/// Registers what an orchestrator says that it serves; all of the good ones or, when the database
/// fails, none. An organisation has `most` sources: those beyond are no good ones.
///
/// # Errors
/// The database fails.
pub async fn register(
    app: &App,
    link: &Link,
    sources: &[RegisteredSource],
    most: usize,
) -> Result<Registered, Trouble> {
    let mut done = Registered { serves: Vec::new(), accepted: Vec::new(), rejected: Vec::new() };
    let mut good = Vec::new();
    for source in sources {
        match registration(link, source) {
            Ok(registration) => good.push(registration),
            Err(reason) => {
                let routing_key = shorten(&source.routing_key, LONGEST);
                done.rejected.push(Rejected { routing_key, reason });
            }
        }
    }
    // In one order for everybody: two siblings that register the same keys don't block each other.
    good.sort_by(|one, other| one.routing_key.cmp(&other.routing_key));
    let beyond = retry_contention(|| keep(app, link, &good, most)).await?;
    if !good.is_empty() {
        app.unknown.forget(link.org());
    }
    for Registration { routing_key, .. } in good {
        if beyond.contains(&routing_key) {
            let reason = format!(
                "the organization has {most} sources, which is the most; deregister some of them"
            );
            done.rejected.push(Rejected { routing_key: routing_key.to_string(), reason });
            continue;
        }
        done.accepted.push(Accepted {
            webhook_url: webhook_url(app, link.org(), &routing_key),
            routing_key: routing_key.to_string(),
        });
        done.serves.push(routing_key);
    }
    Ok(done)
}

/// Writes what is not written yet, and says for which keys there is no room.
async fn keep(
    app: &App,
    link: &Link,
    good: &[Registration],
    most: usize,
) -> Result<HashSet<RoutingKey>, Trouble> {
    let mut beyond = HashSet::new();
    if good.is_empty() {
        return Ok(beyond);
    }
    let keys = good.iter().map(|registration| &registration.routing_key);
    let known = app.store.registered(link.grant(), keys).await?;
    let news: Vec<_> =
        good.iter().filter(|one| known.get(&one.routing_key) != Some(*one)).collect();
    // An orchestrator that comes back says what it said before: that writes nothing.
    if news.is_empty() {
        return Ok(beyond);
    }
    let mut tx = app.store.record().await?;
    let mut room = most.saturating_sub(tx.count_sources(link.grant()).await?);
    for registration in news {
        if !known.contains_key(&registration.routing_key) {
            if room == 0 {
                beyond.insert(registration.routing_key.clone());
                continue;
            }
            room -= 1;
        }
        let fresh = SourceId::new(&*app.clock, &*app.entropy)?;
        tx.register_source(link.grant(), &fresh, registration, app.clock.now()).await?;
    }
    tx.commit().await?;
    Ok(beyond)
}

/// Removes sources for good, and says which were there. A key that may not register one may not
/// remove it either.
///
/// # Errors
/// The database fails; then none was removed.
pub async fn deregister(
    app: &App,
    link: &Link,
    routing_keys: &[RoutingKey],
) -> Result<Vec<RoutingKey>, Trouble> {
    retry_contention(|| remove(app, link, routing_keys)).await
}

async fn remove(
    app: &App,
    link: &Link,
    routing_keys: &[RoutingKey],
) -> Result<Vec<RoutingKey>, Trouble> {
    let mut removed = Vec::new();
    let mut tx = app.store.record().await?;
    for key in routing_keys.iter().filter(|key| link.may_register(key)) {
        if tx.deregister_source(link.grant(), key).await? {
            removed.push(key.clone());
        }
    }
    tx.commit().await?;
    Ok(removed)
}

/// Where a provider posts to for this source; `None` while the server has no public address.
#[must_use]
pub fn webhook_url(app: &App, org: &OrgId, key: &RoutingKey) -> Option<String> {
    let base = app.settings.public_url.as_deref()?;
    Some(match key {
        RoutingKey::GitHub { .. } => format!("{base}/webhook/{org}/github"),
        RoutingKey::Generic { source, .. } => format!("{base}/webhook/{org}/generic/{source}"),
    })
}

/// Tells the audit log, and the server's, that several clusters serve these sources: each gets a part of
/// the deliveries, which is most likely not what anybody wants.
///
/// # Errors
/// The database fails.
pub async fn note_shared(app: &App, link: &Link, sources: &[RoutingKey]) -> Result<(), Trouble> {
    let keys: Vec<_> = sources.iter().take(NAMED).map(ToString::to_string).collect();
    tracing::warn!(org = %link.org(), sources = ?keys, "several clusters serve the same sources");
    let entry = AuditEntry {
        id: AuditId::new(&*app.clock, &*app.entropy)?,
        org: Some(link.org().clone()),
        actor: Actor::System { component: "link" },
        action: Action::SourceShared,
        target: link.org().to_string(),
        details: Some(json!({"routingKeys": keys, "count": sources.len()})),
        request_id: link.key().to_string(),
        at: app.clock.now(),
    };
    Ok(app.store.write().await?.commit(entry).await?)
}

fn known<T: Copy>(word: &Known<T>, what: &str) -> Result<T, String> {
    match word {
        Known::Word(word) => Ok(*word),
        Known::Other(other) => Err(format!("this server does not know the {what} `{other}`")),
    }
}

fn registration(link: &Link, source: &RegisteredSource) -> Result<Registration, String> {
    let org = link.org();
    let routing_key: RoutingKey = source.routing_key.parse().map_err(|error| format!("{error}"))?;
    if let RoutingKey::Generic { org: named, .. } = &routing_key
        && named != org
    {
        return Err(format!("this connection belongs to `{org}`, the routing key to `{named}`"));
    }
    if !link.may_register(&routing_key) {
        return Err("the key of this connection is not for this source".to_owned());
    }
    Ok(Registration {
        routing_key,
        name: shorten(&source.name, LONGEST),
        provider: known(&source.provider, "provider")?,
        subtype: known(&source.subtype, "subtype")?,
        slug: source.slug.as_deref().map(|slug| shorten(slug, LONGEST)),
    })
}
