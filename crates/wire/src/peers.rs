//! Other orchestrators that serve the same sources (protocol §9).

use serde::{Deserialize, Serialize};

/// What an orchestrator does in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrchRole {
    /// It gives work to others.
    Coordinator,
    /// It does what it is given.
    Worker,
}

/// `peer.update`: all of them, after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerUpdate {
    /// Everybody else.
    pub peers: Vec<Peer>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Its connection here.
    pub connection_id: String,
    /// One start of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// Where its siblings reach it.
    pub address: Option<String>,
    /// What it serves.
    pub routing_keys: Vec<String>,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orch_role: Option<OrchRole>,
}
