//! `/orgs/{org}/orchestrators`

use std::collections::HashMap;
use std::sync::Arc;

use kici_domain::App;
use kici_domain::orchestrators::{self, Connected};
use kici_rbac::perm;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use crate::org::Org;
use crate::page;
use crate::problem::ApiError;
use crate::routes::Tag;

/// A cluster of orchestrators that is connected right now.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Orchestrator {
    /// What its operator calls it.
    cluster_name: Option<String>,
    /// What it serves.
    routing_keys: Vec<String>,
    /// Its version.
    orch_version: Option<String>,
    /// The requests that it can answer; `null` where it has not said.
    supported_dashboard_requests: Option<Vec<String>>,
    /// Which operations it lets the dashboard do, as it has last reported; one that is left out is
    /// allowed. `null` where it has never said.
    dashboard_writes: Option<HashMap<String, bool>>,
}

/// All connected clusters.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct OrchestratorList {
    /// By cluster name.
    orchestrators: Vec<Orchestrator>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

pub(crate) struct Orchestrators;

#[OpenApi(prefix_path = "/orgs/:org")]
impl Orchestrators {
    /// The orchestrators that are connected right now, one entry for each cluster.
    #[oai(
        path = "/orchestrators",
        method = "get",
        operation_id = "orchestrators_list",
        tag = "Tag::Orchestrators"
    )]
    async fn list(
        &self,
        org: Org<perm::WebhookSourcesRead>,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<OrchestratorList>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page = orchestrators::list(&app, &org, limit, cursor.0.as_deref()).await?;
        let orchestrators = page.items.into_iter().map(Orchestrator::from).collect();
        Ok(Json(OrchestratorList { orchestrators, next_cursor: page.next }))
    }
}

impl From<Connected> for Orchestrator {
    fn from(found: Connected) -> Self {
        let Connected { orchestrator, dashboard_writes } = found;
        Self {
            cluster_name: orchestrator.cluster_name,
            routing_keys: orchestrator.routing_keys.iter().map(ToString::to_string).collect(),
            orch_version: orchestrator.version,
            supported_dashboard_requests: orchestrator.supported_requests,
            dashboard_writes: dashboard_writes.map(|writes| writes.into_iter().collect()),
        }
    }
}
