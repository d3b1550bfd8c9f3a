//! Orchestrators that are connected right now.

use std::collections::BTreeMap;

use crate::RoutingKey;

/// Which operations a cluster lets the dashboard do; one that is left out is allowed.
pub type DashboardWrites = BTreeMap<String, bool>;

/// One cluster of orchestrators; siblings that share a cluster name stand here once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orchestrator {
    /// What its operator calls it.
    pub cluster_name: Option<String>,
    /// What it serves, in order.
    pub routing_keys: Vec<RoutingKey>,
    /// Its version, as it says.
    pub version: Option<String>,
    /// The requests that it can answer, at most 500; `None` where it has not said.
    pub supported_requests: Option<Vec<String>>,
}
