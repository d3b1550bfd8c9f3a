//! What an orchestrator serves (protocol §7). The first registration of a connection is the whole
//! list; later ones are deltas, and removal is always a `source.deregister`.

use kici_model::sources::{Provider, Subtype};
use serde::{Deserialize, Serialize};

/// The sources that a connection serves.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceRegister {
    /// Comes back in the ack.
    pub message_id: String,
    /// All of them at first, then what was added or changed.
    pub sources: Vec<RegisteredSource>,
    /// One start of the orchestrator's process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// What its operator calls the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    /// One orchestrator database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The orchestrator's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredSource {
    /// The kind of provider.
    pub provider: Provider,
    /// Which deliveries are for it.
    pub routing_key: String,
    /// What its operator calls it.
    pub name: String,
    /// The kind of source.
    pub subtype: Subtype,
    /// The provider's own short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
}

/// The answer to a registration, also to an empty one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceRegisterAck {
    /// That of the registration.
    pub message_id: String,
    /// Those that are served from now on.
    pub accepted: Vec<Accepted>,
    /// Those that are not.
    pub rejected: Vec<Rejected>,
}

/// A source that is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Its routing key.
    pub routing_key: String,
    /// Where the provider posts to; `null` where the server has no public address.
    pub webhook_url: Option<String>,
}

/// A source that is not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// Its routing key, as it was sent.
    pub routing_key: String,
    /// Why.
    pub reason: String,
}

/// Sources that are gone for good.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceDeregister {
    /// Comes back in the ack.
    pub message_id: String,
    /// Their routing keys.
    pub routing_keys: Vec<String>,
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceDeregisterAck {
    /// That of the request.
    pub message_id: String,
    /// Those that were there.
    pub removed: Vec<String>,
}
