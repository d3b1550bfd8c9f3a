//! API keys: what a program may do in one organisation.

use kici_rbac::Matrix;

use crate::text::{Description, KeyName};
use crate::{CredentialId, Timestamp, UserId};

/// An API key as it can be listed: without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: CredentialId,
    /// What it is called.
    pub name: KeyName,
    /// What it is for.
    pub description: Option<Description>,
    /// The first 16 characters of the token.
    pub shown: String,
    /// What it was given; at each use narrowed by what its maker can do then.
    pub permissions: Matrix,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, exact to the minute.
    pub last_used_at: Option<Timestamp>,
}
