//! Personal access tokens: a person, in all their organisations.

use kici_rbac::Matrix;

use crate::text::{AgentLabel, KeyName};
use crate::{CredentialId, Timestamp};

/// A personal access token as it can be listed: without the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalToken {
    /// Its id.
    pub id: CredentialId,
    /// What it is called.
    pub name: KeyName,
    /// The first 16 characters of the token.
    pub shown: String,
    /// The most that it can do; `None` is all that the person can.
    pub scopes: Option<Matrix>,
    /// The program that it was made for, where it is not for the person themselves.
    pub agent: Option<AgentLabel>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, exact to the minute.
    pub last_used_at: Option<Timestamp>,
}
