//! Orchestrators that are connected right now, and what must be known of them while they are away.

use kici_model::orchestrators::{DashboardWrites, Orchestrator};
use kici_model::page::{Limit, Page};
use kici_rbac::perm;

use crate::retry::retry_contention;
use crate::{App, Link, ListError, Org, Trouble};

const LIST: &str = "orchestrators";

/// A cluster that is connected, and what it lets the dashboard write.
#[derive(Debug)]
pub struct Connected {
    /// The cluster.
    pub orchestrator: Orchestrator,
    /// The last that it has reported, on this connection or an earlier one.
    pub dashboard_writes: Option<DashboardWrites>,
}

/// A page of who is connected, one entry for each cluster name, by that.
///
/// # Errors
/// A tampered cursor, or the database fails.
pub async fn list(
    app: &App,
    org: &Org<perm::WebhookSourcesRead>,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<Connected, String>, ListError> {
    let after: Option<String> = app.after(org.id().as_str(), LIST, cursor)?;
    let mut kept = app.store.dashboard_writes(org.grant()).await?;
    let mut live = app.relay.orchestrators(org.grant());
    // The one without a name is the first.
    let name = |one: &Orchestrator| one.cluster_name.clone().unwrap_or_default();
    live.sort_by_key(name);
    live.retain(|one| after.as_ref().is_none_or(|after| name(one) > *after));
    let Page { items, next } = app.page(org.id().as_str(), LIST, Page::cut(live, limit, name));
    let connected = items.into_iter().map(|orchestrator| Connected {
        dashboard_writes: kept.remove(&name(&orchestrator)),
        orchestrator,
    });
    Ok(Page { items: connected.collect(), next })
}

/// Keeps what a cluster lets the dashboard write. A process that was just started does not say: what
/// was kept holds until it does, so that no restart allows everything.
///
/// # Errors
/// The database fails.
pub async fn keep_dashboard_writes(
    app: &App,
    link: &Link,
    cluster: Option<&str>,
    writes: &DashboardWrites,
) -> Result<(), Trouble> {
    let cluster = cluster.unwrap_or_default();
    // It comes after each registration, mostly the same.
    if app.store.kept_dashboard_writes(link.grant(), cluster).await?.as_ref() == Some(writes) {
        return Ok(());
    }
    retry_contention(|| async {
        let mut tx = app.store.record().await?;
        tx.keep_dashboard_writes(link.grant(), cluster, writes, app.clock.now()).await?;
        Ok(tx.commit().await?)
    })
    .await
}
