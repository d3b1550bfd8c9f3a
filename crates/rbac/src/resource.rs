//! The sixteen things that a level can be held on. What may be done with them at which level is
//! not said here: that is the business of whoever asks for a permission.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Something in an organization that permissions are given on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Workflow runs, their jobs, steps and logs. Scoped by repository.
    Runs,
    /// Workflow definitions and lock files. Scoped by repository.
    Workflows,
    /// Secret values and contexts. Scoped by repository.
    Secrets,
    /// API keys, orchestrator keys and service accounts.
    ApiKeys,
    /// Webhook sources and their secrets.
    WebhookSources,
    /// Display name and settings of the organization.
    OrgSettings,
    /// Members, roles and invites.
    Members,
    /// Plan, checkout, subscription.
    Billing,
    /// The audit log.
    Audit,
    /// Environments and their approval policies.
    Environments,
    /// Outbound webhook endpoints.
    WebhookEndpoints,
    /// The log of received webhook events.
    EventLog,
    /// The dead-letter queue of webhook events.
    EventDlq,
    /// Teams, their members and roles.
    Teams,
    /// CI trust levels and security approvals.
    CiTrust,
    /// Support sessions.
    Support,
}

impl Resource {
    /// All sixteen, in the order in which they are stored and shown.
    pub const ALL: [Self; 16] = [
        Self::Runs,
        Self::Workflows,
        Self::Secrets,
        Self::ApiKeys,
        Self::WebhookSources,
        Self::OrgSettings,
        Self::Members,
        Self::Billing,
        Self::Audit,
        Self::Environments,
        Self::WebhookEndpoints,
        Self::EventLog,
        Self::EventDlq,
        Self::Teams,
        Self::CiTrust,
        Self::Support,
    ];

    /// The name on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Workflows => "workflows",
            Self::Secrets => "secrets",
            Self::ApiKeys => "api_keys",
            Self::WebhookSources => "webhook_sources",
            Self::OrgSettings => "org_settings",
            Self::Members => "members",
            Self::Billing => "billing",
            Self::Audit => "audit",
            Self::Environments => "environments",
            Self::WebhookEndpoints => "webhook_endpoints",
            Self::EventLog => "event_log",
            Self::EventDlq => "event_dlq",
            Self::Teams => "teams",
            Self::CiTrust => "ci_trust",
            Self::Support => "support",
        }
    }

    /// Whether a level on it holds only in the repositories of the holder's scope.
    #[must_use]
    pub const fn is_repo_scoped(self) -> bool {
        matches!(self, Self::Runs | Self::Workflows | Self::Secrets)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown resource `{text}`, expected one of {}", Resource::ALL.map(Resource::as_str).join(", "))]
pub struct ParseResourceError {
    text: String,
}

impl FromStr for Resource {
    type Err = ParseResourceError;

    fn from_str(text: &str) -> Result<Self, ParseResourceError> {
        Self::ALL
            .into_iter()
            .find(|resource| resource.as_str() == text)
            .ok_or_else(|| ParseResourceError { text: text.to_owned() })
    }
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Resource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize(deserializer, "the name of a resource")
    }
}
