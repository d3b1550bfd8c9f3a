//! The first frame of a connection and its answer (protocol §4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{OrchRole, PROTOCOL_VERSION};

/// What an orchestrator sends first.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Presented")]
pub struct AuthRequest {
    /// An orchestrator key.
    pub token: String,
    /// The version it speaks.
    pub protocol_version: u32,
    /// What it can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
}

/// The frame in its two forms: that of an orchestrator, and that of one that comes only to join a
/// cluster, which says `apiKey` and a role and no version (protocol §9).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Presented {
    token: Option<String>,
    api_key: Option<String>,
    role: Option<String>,
    protocol_version: Option<u32>,
    capabilities: Option<Capabilities>,
}

impl TryFrom<Presented> for AuthRequest {
    type Error = &'static str;

    fn try_from(presented: Presented) -> Result<Self, Self::Error> {
        let Presented { token, api_key, role, protocol_version, capabilities } = presented;
        match (token, api_key, role.as_deref(), protocol_version) {
            (Some(token), _, _, Some(protocol_version)) => {
                Ok(Self { token, protocol_version, capabilities })
            }
            (None, Some(token), Some("orchestrator"), None) => {
                Ok(Self { token, protocol_version: PROTOCOL_VERSION, capabilities })
            }
            _ => Err("`token` and `protocolVersion` are needed"),
        }
    }
}

/// Hides the token.
impl std::fmt::Debug for AuthRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthRequest")
            .field("protocol_version", &self.protocol_version)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

/// What an orchestrator can do. Keys that are not known here are kept as they are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capabilities(pub Map<String, Value>);

impl Capabilities {
    /// The request types that the orchestrator can answer, at most 500 of them and each cut at 100
    /// characters; `None` where it does not say.
    #[must_use]
    pub fn supported_requests(&self) -> Option<Vec<String>> {
        let listed = self.0.get("supportedDashboardRequests")?.as_array()?;
        let words = listed.iter().filter_map(Value::as_str).take(MOST);
        Some(words.map(|word| crate::shorten(word, 100)).collect())
    }

    /// What the orchestrator does in its cluster; `None` where it does not say.
    #[must_use]
    pub fn role(&self) -> Option<OrchRole> {
        OrchRole::deserialize(self.0.get("orchRole")?).ok()
    }

    /// Which operations the orchestrator lets the dashboard do; `None` where it does not say, as in
    /// the first frame of a process, and where it says more than 500. What is no boolean is a no:
    /// an operation must not become allowed by a mistake.
    #[must_use]
    pub fn dashboard_writes(&self) -> Option<BTreeMap<String, bool>> {
        let given = self.0.get("dashboardWrites")?.as_object()?;
        let is_short = |name: &&String| name.chars().count() <= 100;
        let switches = given.iter().filter(|(name, _)| is_short(name));
        let switches = switches.map(|(name, value)| (name.clone(), value.as_bool() == Some(true)));
        (given.len() <= MOST).then(|| switches.collect())
    }
}

/// The longest list of words, and of switches, that is kept of an orchestrator's capabilities.
const MOST: usize = 500;

/// The token opens the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthSuccess {
    /// The connection's id.
    pub connection_id: String,
    /// The organisation's public alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_public_alias: Option<String>,
    /// The organisation. Optional in the protocol, but without it an orchestrator is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_id: Option<String>,
    /// Who signs provenance; `null` where nobody does.
    #[serde(default)]
    pub provenance_issuer: Option<String>,
}

/// The token opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthFailure {
    /// Why, for the orchestrator's log.
    pub reason: String,
}
