//! Service accounts: programs that belong to an organisation, and outlive whoever made them.

use kici_rbac::Matrix;

use crate::text::{AccountName, Description, KeyName};
use crate::{CredentialId, ServiceAccountId, Timestamp, UserId};

/// A service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its id.
    pub id: ServiceAccountId,
    /// Its name, unique in the organisation without regard to case.
    pub name: AccountName,
    /// What it is for.
    pub description: Option<Description>,
    /// What it may do, in every repository.
    pub permissions: Matrix,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A key of a service account as it can be listed: without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccountKey {
    /// Its id.
    pub id: CredentialId,
    /// What it is called.
    pub name: KeyName,
    /// The first 16 characters of the token.
    pub shown: String,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, exact to the minute.
    pub last_used_at: Option<Timestamp>,
}
