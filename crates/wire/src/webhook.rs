//! One delivery on the link: a start, chunks in order, an ack (protocol §8).

use std::collections::BTreeMap;

use kici_model::delivery::Verdict;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::shorten;

/// Announces a body.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookRelayStart {
    /// The same on the start, on every chunk and on the ack.
    pub message_id: String,
    /// Which source it is for.
    pub routing_key: String,
    /// The sender's id of the delivery.
    pub delivery_id: String,
    /// What happened.
    pub event: String,
    /// The body's `action`.
    #[serde(default)]
    pub action: Option<String>,
    /// The header that carries the signature.
    #[serde(default)]
    pub signature_header_name: Option<String>,
    /// Its value.
    #[serde(default)]
    pub signature_header: Option<String>,
    /// Where it came from.
    #[serde(default)]
    pub client_ip: Option<String>,
    /// Header names in lower case, with their values.
    pub headers: BTreeMap<String, String>,
    /// The size of the whole body in bytes.
    pub total_size: usize,
    /// How many chunks follow: at least one, also for an empty body.
    pub chunk_count: usize,
    /// The id of the HTTP request that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// Hides the headers: one of them may carry a credential.
impl std::fmt::Debug for WebhookRelayStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookRelayStart")
            .field("message_id", &self.message_id)
            .field("routing_key", &self.routing_key)
            .field("delivery_id", &self.delivery_id)
            .field("event", &self.event)
            .field("total_size", &self.total_size)
            .finish_non_exhaustive()
    }
}

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookRelayChunk {
    /// That of the start.
    pub message_id: String,
    /// From 0, strictly in order.
    pub sequence: usize,
    /// Base64 of this piece alone.
    pub data: String,
    /// Whether it is the last.
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// The orchestrator's verdict, given after verification and before processing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookAck {
    /// That of the start; the only thing to correlate by.
    pub message_id: String,
    /// That of the start, or the message id where the orchestrator no longer knows it.
    pub delivery_id: String,
    /// What it says; left out means accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<AckResult>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What an ack says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckResult {
    /// A verdict on the delivery.
    Verdict(Verdict),
    /// Anything else, such as the `shed_retry_later` of an orchestrator that is newer: nobody has taken
    /// the delivery. At most 100 characters.
    Other(String),
}

impl From<Verdict> for AckResult {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}

impl Serialize for AckResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Verdict(verdict) => verdict.serialize(serializer),
            Self::Other(word) => word.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AckResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let verdict = word.parse().map(Self::Verdict);
        Ok(verdict.unwrap_or_else(|_| Self::Other(shorten(&word, 100))))
    }
}
