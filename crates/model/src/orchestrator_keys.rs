//! Orchestrator keys: they open the WebSocket link and nothing else.

use crate::routing_key::RoutingPattern;
use crate::text::{Description, KeyName};
use crate::{CredentialId, Timestamp, UserId};

/// An orchestrator key as it can be listed: without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrchestratorKey {
    /// Its id.
    pub id: CredentialId,
    /// What it is called.
    pub name: KeyName,
    /// What it is for.
    pub description: Option<Description>,
    /// The first 16 characters of the token.
    pub shown: String,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Which sources it may register; `None` is all of them.
    pub patterns: Option<Vec<RoutingPattern>>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// When a connection was last opened with it, exact to the minute.
    pub last_used_at: Option<Timestamp>,
}
