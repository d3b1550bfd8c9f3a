//! What a credential opens. The token itself is never here.

use kici_rbac::Matrix;

use crate::identities::IdentityKey;
use crate::text::AgentLabel;
use crate::{
    CredentialId, OrgId, RoutingPattern, ServiceAccountId, SessionId, Timestamp, TokenHash,
    TokenKind, UserId,
};

/// What somebody has presented, as it is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// A token of ours.
    Token(TokenHash),
    /// The cookie of a session.
    Session(TokenHash),
    /// A token of the identity provider, which was verified.
    Identity {
        /// Whose it is.
        key: IdentityKey,
        /// From this moment on it is nobody's.
        expires_at: Timestamp,
    },
}

impl From<TokenHash> for Presented {
    fn from(hash: TokenHash) -> Self {
        Self::Token(hash)
    }
}

/// By what somebody was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// A token of ours.
    Token(CredentialId),
    /// A session of a browser.
    Session(SessionId),
    /// A token of the identity provider.
    Oidc,
}

impl Means {
    /// Whether a person has signed in, rather than made a token for later.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        matches!(self, Self::Session(_) | Self::Oidc)
    }
}

/// A credential that was found by what was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// By what its bearer was recognised.
    pub means: Means,
    /// What it opens, and for whom.
    pub bearer: Bearer,
    /// Whether it still works.
    pub state: CredentialState,
}

/// Who stands behind a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// A person, by a personal access token, narrowed by `scopes` where it has any; by a session or
    /// a token of the identity provider, all of them.
    Person {
        /// The person.
        user: UserId,
        /// The most that the token can do; `None` is all that the person can.
        scopes: Option<Matrix>,
        /// The program that acts for the person, where it is not they themselves.
        agent: Option<AgentLabel>,
    },
    /// An API key: `permissions`, narrowed at every use by what its maker can do then.
    ApiKey {
        /// The organisation it was made in.
        org: OrgId,
        /// Who made it.
        maker: UserId,
        /// What it was given.
        permissions: Matrix,
    },
    /// A key of a service account: what the account may do, whoever made it.
    ServiceAccount {
        /// The organisation it was made in.
        org: OrgId,
        /// The account.
        account: ServiceAccountId,
        /// What the account may do.
        permissions: Matrix,
    },
    /// An orchestrator key: the WebSocket link of this organisation.
    Orchestrator {
        /// The organisation it was made in.
        org: OrgId,
        /// Which sources it may register; `None` is all of them.
        patterns: Option<Vec<RoutingPattern>>,
    },
}

impl Bearer {
    /// Whether it is less than a person: a token with scopes, one of an agent, or a key.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        !matches!(self, Self::Person { scopes: None, agent: None, .. })
    }
}

/// Whether a credential still works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialState {
    /// It does, up to `expires_at` where there is one.
    Active {
        /// From this moment on it does not.
        expires_at: Option<Timestamp>,
    },
    /// Somebody has revoked it.
    Revoked {
        /// When.
        at: Timestamp,
    },
}

impl CredentialState {
    /// Whether the credential works at `now`.
    #[must_use]
    pub fn is_usable(self, now: Timestamp) -> bool {
        match self {
            Self::Active { expires_at } => expires_at.is_none_or(|end| now < end),
            Self::Revoked { .. } => false,
        }
    }
}

/// A credential that ends soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiring {
    /// Its id.
    pub id: CredentialId,
    /// What it is.
    pub kind: TokenKind,
    /// What it is called.
    pub name: crate::text::KeyName,
    /// The first 16 characters of the token.
    pub shown: String,
    /// The organisation it was made in, and what that is called; `None` for a person's own.
    pub org: Option<(OrgId, crate::text::OrgName)>,
    /// Where whoever made it reads mail, while they belong to the organisation.
    pub maker: Option<crate::text::Email>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A credential about to be stored: everything but its token.
#[derive(Debug, Clone)]
pub struct NewCredential<'a> {
    /// Its id.
    pub id: &'a CredentialId,
    /// What it is called.
    pub name: &'a crate::text::KeyName,
    /// What it is for.
    pub description: Option<&'a crate::text::Description>,
    /// The token that was drawn for it; the hash and the first characters are stored.
    pub token: &'a crate::Token,
    /// Who made it.
    pub made_by: &'a UserId,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}
