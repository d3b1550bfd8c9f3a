//! Who did what: the entry that every change by a person is committed with.

mod details;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use details::{DETAILS_BYTES_MAX, bounded};

use crate::credentials::Means;
use crate::sources::words;
use crate::text::ActionFilter;
use crate::{AuditId, CredentialId, OrgId, ServiceAccountId, Text, TextError, Timestamp, UserId};

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A person, by what they came with.
    User {
        /// The person.
        id: UserId,
        /// Their token, or how they have signed in.
        means: Means,
    },
    /// An API key.
    ApiKey {
        /// The key.
        id: CredentialId,
        /// Who made it.
        maker: UserId,
    },
    /// A service account, by one of its keys.
    ServiceAccount {
        /// The account.
        id: ServiceAccountId,
        /// The key.
        credential: CredentialId,
    },
    /// A part of the program itself, such as `setup`.
    System {
        /// Which.
        component: &'static str,
    },
}

impl Actor {
    /// `user`, `api_key`, `service_account` or `system`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::ApiKey { .. } => "api_key",
            Self::ServiceAccount { .. } => "service_account",
            Self::System { .. } => "system",
        }
    }

    /// The id of the person or key, or the name of the component.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::User { id, .. } => id.as_str(),
            Self::ApiKey { id, .. } => id.as_str(),
            Self::ServiceAccount { id, .. } => id.as_str(),
            Self::System { component } => component,
        }
    }

    /// The person who answers for what is made: the actor, or the maker of the key.
    #[must_use]
    pub const fn person(&self) -> Option<&UserId> {
        match self {
            Self::User { id, .. } | Self::ApiKey { maker: id, .. } => Some(id),
            Self::ServiceAccount { .. } | Self::System { .. } => None,
        }
    }

    /// The id of the token or session that the actor came with; `oidc` for a token of the provider.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        match self {
            Self::User { means: Means::Token(id), .. }
            | Self::ApiKey { id, .. }
            | Self::ServiceAccount { credential: id, .. } => Some(id.as_str()),
            Self::User { means: Means::Session(id), .. } => Some(id.as_str()),
            Self::User { means: Means::Oidc, .. } => Some("oidc"),
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
    /// What else there is to tell, such as what was there before: names and ids, never a secret.
    /// Stored as [`bounded`] has it.
    pub details: Option<serde_json::Value>,
    /// The id of the request that asked for it.
    pub request_id: String,
    /// When.
    pub at: Timestamp,
}

impl AuditEntry {
    /// The entry with more to tell.
    #[must_use]
    pub fn with(self, details: serde_json::Value) -> Self {
        Self { details: Some(details), ..self }
    }
}

/// One row of the audit log, as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its id.
    pub id: AuditId,
    /// `user`, `api_key`, `service_account` or `system`.
    pub actor_type: String,
    /// The id of the person or key, or the name of the component.
    pub actor_id: String,
    /// The token that they came with.
    pub credential: Option<String>,
    /// What they did.
    pub action: String,
    /// To what.
    pub target: String,
    /// Whether they could.
    pub outcome: Outcome,
    /// How often within the minute, for what was denied.
    pub times: i64,
    /// What else there is to tell: a JSON object.
    pub details: Option<serde_json::Value>,
    /// The id of the request that asked for it.
    pub request_id: String,
    /// When.
    pub at: Timestamp,
}

/// Which rows a list is limited to; what is `None` limits nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Those of this person, key or component.
    pub actor: Option<String>,
    /// Those of this action, or with a dot at its end of all that begin with it.
    pub action: Option<ActionFilter>,
    /// Those that were done to this.
    pub target: Option<String>,
    /// Those that ended so.
    pub outcome: Option<Outcome>,
    /// Those at this moment or later.
    pub from: Option<Timestamp>,
    /// Those before this moment.
    pub to: Option<Timestamp>,
}

words! {
    /// Whether something was done.
    Outcome, "an outcome" {
        /// It was.
        Allowed = "allowed",
        /// It was not.
        Denied = "denied",
    }
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
        /// The roles of a member were set.
        MemberRolesSet = "member.roles_set",
        /// A member's level of CI trust was set, or is taken from their roles again.
        MemberCiTrustSet = "member.ci_trust_set",
        /// What CI does with changes by those whom it does not trust was decided.
        CiTrustPolicySet = "ci_trust_policy.set",
        /// Several clusters of orchestrators were found to serve the same sources.
        SourceShared = "source.shared",
        /// Somebody left.
        MemberLeft = "member.left",
        /// A team got another name.
        TeamRenamed = "team.renamed",
        /// A team was deleted, and with it what it granted.
        TeamDeleted = "team.deleted",
        /// Somebody was taken out of a team.
        TeamMemberRemoved = "team.member_removed",
        /// A role was taken from a team.
        TeamRoleRevoked = "team.role_revoked",
        /// A key ends soon.
        KeyExpiring = "key.expiring",
        /// A key got a new token.
        ApiKeyRotated = "api_key.rotated",
        /// An orchestrator key got a new token.
        OrchestratorKeyRotated = "orchestrator_key.rotated",
        /// An orchestrator key may register more.
        OrchestratorKeyWidened = "orchestrator_key.pattern_added",
        /// A service account was made.
        ServiceAccountCreated = "service_account.created",
        /// A service account was changed.
        ServiceAccountUpdated = "service_account.updated",
        /// A service account was deleted, and with it its keys.
        ServiceAccountDeleted = "service_account.deleted",
        /// A service account got one more key.
        ServiceAccountKeyCreated = "service_account.key_created",
        /// A key of a service account got a new token.
        ServiceAccountKeyRotated = "service_account.key_rotated",
        /// A key of a service account was revoked.
        ServiceAccountKeyRevoked = "service_account.key_revoked",
        /// Somebody was invited.
        InviteCreated = "invite.created",
        /// An invitation was sent again, and is open for longer.
        InviteResent = "invite.resent",
        /// An invitation was taken back.
        InviteRevoked = "invite.revoked",
        /// An invitation was accepted.
        InviteAccepted = "invite.accepted",
        /// An invitation was declined.
        InviteDeclined = "invite.declined",
        /// An organisation was disabled.
        OrgDisabled = "org.disabled",
        /// A disabled organisation was enabled again.
        OrgEnabled = "org.enabled",
        /// Somebody tried a change that they may not make.
        AccessDenied = "access.denied",
        /// Somebody signed in for the first time.
        UserCreated = "user.created",
        /// Somebody who was known by their address signed in for the first time.
        UserAdopted = "user.adopted",
        /// The provider has verified another address of somebody, which is theirs from now on.
        UserEmailChanged = "user.email_changed",
        /// Somebody signed in with a browser.
        SessionCreated = "session.created",
        /// A session was ended.
        SessionRevoked = "session.revoked",
        /// The identity provider has told an account of somebody at another provider.
        IdentityLinkCreated = "identity_link.created",
        /// It has told another account there, or another name of it.
        IdentityLinkChanged = "identity_link.changed",
        /// It tells the account no more, or of somebody else; or they have unlinked it themselves.
        IdentityLinkRemoved = "identity_link.removed",
        /// The identity provider has another address.
        IssuerRenamed = "issuer.renamed",
    }
}
