//! Orchestrators that are connected right now, and what must be known of them while they are away.

use kici_model::orchestrators::{DashboardWrites, Orchestrator};
use kici_rbac::perm;

use crate::{App, Link, Org, Trouble};

/// A cluster that is connected, and what it lets the dashboard write.
#[derive(Debug)]
pub struct Connected {
    /// The cluster.
    pub orchestrator: Orchestrator,
    /// The last that it has reported, on this connection or an earlier one.
    pub dashboard_writes: Option<DashboardWrites>,
}

/// Who is connected, one entry for each cluster name.
///
/// # Errors
/// The database fails.
pub async fn list(
    app: &App,
    org: &Org<perm::WebhookSourcesRead>,
) -> Result<Vec<Connected>, Trouble> {
    let mut kept = app.store.dashboard_writes(org.grant()).await?;
    let live = app.relay.orchestrators(org.grant()).into_iter();
    let list = live.map(|orchestrator| Connected {
        dashboard_writes: kept.remove(orchestrator.cluster_name.as_deref().unwrap_or_default()),
        orchestrator,
    });
    Ok(list.collect())
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
    let mut tx = app.store.record().await?;
    let cluster = cluster.unwrap_or_default();
    tx.keep_dashboard_writes(link.grant(), cluster, writes, app.clock.now()).await?;
    Ok(tx.commit().await?)
}
