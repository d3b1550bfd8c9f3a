//! The event log: one row for each delivery to a known source, whatever became of it. Where too many were
//! refused, one row counts the rest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::delivery::Attempt;
use crate::sources::words;
use crate::text::DeliveryId;
use crate::{EventId, RoutingKey, Text, TextError, Timestamp};

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id here.
    pub id: EventId,
    /// The source it was for.
    pub routing_key: RoutingKey,
    /// The sender's id of it.
    pub delivery_id: DeliveryId,
    /// What happened, in the provider's words: at most 100 characters.
    pub event: String,
    /// The `action` of the body: at most 100 characters.
    pub action: Option<String>,
    /// The repository that the body names: at most 256 characters.
    pub repo: Option<String>,
    /// The git ref that the body names: at most 256 characters.
    pub git_ref: Option<String>,
    /// What became of it.
    pub status: EventStatus,
    /// Why, where it was not relayed: at most 500 characters.
    pub reason: Option<String>,
    /// The offers that were made of it.
    pub attempts: Vec<Attempt>,
    /// Size of the body in bytes.
    pub body_bytes: i64,
    /// SHA-256 of the body in lower-case hexadecimal.
    pub body_hash: String,
    /// Where it came from.
    pub client_ip: Option<String>,
    /// When its last byte had arrived.
    pub received_at: Timestamp,
    /// How many deliveries the row stands for; the other fields are those of the first of them.
    pub times: i64,
}

/// Which deliveries a list is limited to; what is `None` limits nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Those of this source.
    pub routing_key: Option<RoutingKey>,
    /// Those of this event, in the provider's words.
    pub event: Option<String>,
    /// Those that this became of.
    pub status: Option<EventStatus>,
    /// Those whose id has this part, in the same case.
    pub delivery_id: Option<String>,
    /// Those received at this moment or later.
    pub from: Option<Timestamp>,
    /// Those received before this moment.
    pub to: Option<Timestamp>,
}

words! {
    /// What became of a delivery.
    EventStatus, "a delivery status" {
        /// An orchestrator has accepted it.
        Relayed = "relayed",
        /// An orchestrator has refused it.
        Rejected = "rejected",
        /// No orchestrator took it.
        Failed = "failed",
    }
}
