//! Orchestrators that are connected right now.

use crate::RoutingKey;

/// One cluster of orchestrators; siblings that share a cluster name stand here once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orchestrator {
    /// What its operator calls it.
    pub cluster_name: Option<String>,
    /// What it serves, in order.
    pub routing_keys: Vec<RoutingKey>,
    /// Its version, as it says.
    pub version: Option<String>,
}
