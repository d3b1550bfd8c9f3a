//! One inbound webhook on its way to an orchestrator, and the orchestrator's verdict on it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::sources::words;
use crate::text::DeliveryId;
use crate::{ConnectionId, RoutingKey, Text, TextError, Timestamp};

/// The most bytes that a body may have: 25 MiB.
pub const MAX_BODY: usize = 26_214_400;

/// A delivery as it goes over the link. The body is opaque and stays byte for byte.
#[derive(Clone)]
pub struct Delivery {
    /// Which source it is for.
    pub routing_key: RoutingKey,
    /// The sender's id of it; for generic sources with the routing key before it.
    pub id: DeliveryId,
    /// What happened, in the provider's words.
    pub event: String,
    /// The `action` of the body, where it has one.
    pub action: Option<String>,
    /// The header that carries the signature, if the provider has a fixed one.
    pub signature_header: Option<&'static str>,
    /// The sender's headers that matter to verification and parsing, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Where it came from.
    pub client_ip: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// Hides headers and body: one may carry a credential, the other anything.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("routing_key", &self.routing_key)
            .field("id", &self.id)
            .field("event", &self.event)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

words! {
    /// What an orchestrator says of a delivery, after verification and before processing.
    Verdict, "a verdict" {
        /// The signature is good and the body usable.
        Accepted = "accepted",
        /// The source is known, but the signature, token or address is wrong or missing.
        RejectedSignature = "rejected_signature",
        /// No such source there, or a disabled one.
        RejectedUnknownSource = "rejected_unknown_source",
        /// The source has no secret, its configuration is broken, or the body is not what it says.
        RejectedMisconfigured = "rejected_misconfigured",
    }
}

/// What became of offering a delivery to the live connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relayed {
    /// The orchestrator's answer, or why there is none.
    pub outcome: Outcome,
    /// Every connection that it was offered to, in order.
    pub attempts: Vec<Attempt>,
}

/// The end of a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An orchestrator has answered.
    Verdict {
        /// What it said.
        verdict: Verdict,
        /// Why, in its own words; at most 500 characters.
        reason: Option<String>,
    },
    /// No live connection serves the source.
    NobodyConnected,
    /// Those that do serve it gave no answer in time, or one that is no verdict.
    NoAnswer,
}

/// One offer of a delivery to one connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Microseconds since the Unix epoch.
    pub at_micros: i64,
    /// The connection.
    pub connection: String,
    /// Its verdict, `timeout` or `disconnected`, or whatever else it has answered.
    pub outcome: String,
}

impl Attempt {
    /// An offer that was made at `at` to `connection` and ended in `outcome`.
    #[must_use]
    pub fn new(at: Timestamp, connection: &ConnectionId, outcome: &str) -> Self {
        Self { at_micros: at.micros(), connection: connection.to_string(), outcome: outcome.into() }
    }
}
