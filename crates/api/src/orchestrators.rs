//! `/orgs/{org}/orchestrators`

use std::sync::Arc;

use kici_domain::{App, orchestrators};
use kici_rbac::perm;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use crate::org::Org;
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
}

/// All connected clusters.
#[derive(Debug, Object)]
pub(crate) struct OrchestratorList {
    /// By cluster name.
    orchestrators: Vec<Orchestrator>,
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
    ) -> Result<Json<OrchestratorList>, ApiError> {
        let orchestrators = orchestrators::list(&app, &org)
            .into_iter()
            .map(|found| Orchestrator {
                cluster_name: found.cluster_name,
                routing_keys: found.routing_keys.iter().map(ToString::to_string).collect(),
                orch_version: found.version,
                supported_dashboard_requests: found.supported_requests,
            })
            .collect();
        Ok(Json(OrchestratorList { orchestrators }))
    }
}
