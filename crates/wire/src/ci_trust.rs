//! Whom CI trusts (protocol §9). Each message takes the place of the one before it, as a whole.

use std::collections::BTreeMap;

use kici_model::ci_trust::{CiTrustLevel, CiTrustPolicy};
use serde::{Deserialize, Serialize};

/// `trust_policy.update`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustPolicyUpdate {
    /// The organisation.
    pub org_id: String,
    /// What it has decided about those whom it does not trust.
    pub policy: CiTrustPolicy,
    /// Which accounts at providers are whose.
    pub identity_links: Vec<LinkedAccount>,
    /// How far each member is trusted, by the subject that stands for them everywhere on this link.
    pub member_ci_trust_levels: BTreeMap<String, CiTrustLevel>,
    /// Who is in which team: approvals may ask for a team's member.
    #[serde(default)]
    pub team_memberships: Vec<TeamMembership>,
}

/// An account at a provider. It counts only by its id: names change hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkedAccount {
    /// Whose it is.
    pub user_id: String,
    /// Such as `github`.
    pub provider: String,
    /// What it is called there.
    pub provider_username: String,
    /// The provider's own id of it.
    #[serde(default)]
    pub provider_user_id: Option<String>,
}

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamMembership {
    /// Its name.
    pub team_name: String,
    /// Its members.
    pub member_user_ids: Vec<String>,
}
