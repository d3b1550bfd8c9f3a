//! Who did what: the entry that every change by a person is committed with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::sources::words;
use crate::{AuditId, CredentialId, OrgId, Text, TextError, Timestamp, UserId};

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A person, by the credential that they came with.
    User {
        /// The person.
        id: UserId,
        /// Their token.
        credential: CredentialId,
    },
    /// An API key.
    ApiKey {
        /// The key.
        id: CredentialId,
        /// Who made it.
        maker: UserId,
    },
    /// A part of the program itself, such as `setup`.
    System {
        /// Which.
        component: &'static str,
    },
}

impl Actor {
    /// `user`, `api_key` or `system`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::ApiKey { .. } => "api_key",
            Self::System { .. } => "system",
        }
    }

    /// The id of the person or key, or the name of the component.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::User { id, .. } => id.as_str(),
            Self::ApiKey { id, .. } => id.as_str(),
            Self::System { component } => component,
        }
    }

    /// The person who answers for what is made: the actor, or the maker of the key.
    #[must_use]
    pub const fn person(&self) -> Option<&UserId> {
        match self {
            Self::User { id, .. } | Self::ApiKey { maker: id, .. } => Some(id),
            Self::System { .. } => None,
        }
    }
}

/// One row of the audit log. A write transaction does not commit without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// Where it happened; `None` outside of any organisation.
    pub org: Option<OrgId>,
    /// Who did it.
    pub actor: Actor,
    /// What they did.
    pub action: Action,
    /// To what: an id.
    pub target: String,
    /// The id of the request that asked for it.
    pub request_id: String,
    /// When.
    pub at: Timestamp,
}

words! {
    /// What somebody did, in dotted words that only ever grow.
    Action, "an action" {
        /// An organisation was made.
        OrgCreated = "org.created",
        /// An API key was made.
        ApiKeyCreated = "api_key.created",
        /// An orchestrator key was made.
        OrchestratorKeyCreated = "orchestrator_key.created",
        /// An orchestrator key was revoked.
        OrchestratorKeyRevoked = "orchestrator_key.revoked",
        /// A personal access token was made.
        PersonalTokenCreated = "personal_token.created",
        /// A personal access token was revoked.
        PersonalTokenRevoked = "personal_token.revoked",
        /// An organisation was renamed.
        OrgRenamed = "org.renamed",
        /// An API key was revoked.
        ApiKeyRevoked = "api_key.revoked",
        /// Somebody became a member.
        MemberAdded = "member.added",
        /// A member was suspended.
        MemberSuspended = "member.suspended",
        /// A suspended member was let back in.
        MemberUnsuspended = "member.unsuspended",
        /// A member was removed.
        MemberRemoved = "member.removed",
        /// A role was assigned to a member.
        RoleAssigned = "role.assigned",
        /// A role was taken from a member.
        RoleUnassigned = "role.unassigned",
        /// A team was made.
        TeamCreated = "team.created",
        /// Somebody joined a team.
        TeamMemberAdded = "team.member_added",
        /// A role was granted to a team.
        TeamRoleGranted = "team.role_granted",
        /// A role was made.
        RoleCreated = "role.created",
        /// A role was changed.
        RoleUpdated = "role.updated",
        /// A role was deleted, and with it its assignments.
        RoleDeleted = "role.deleted",
    }
}
