//! People. Who they are is told by an identity provider; what they may do, by their roles.

use crate::text::{Email, PersonName};
use crate::{Timestamp, UserId};

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their address, unique.
    pub email: Email,
    /// What they want to be called.
    pub name: PersonName,
    /// When they were first seen.
    pub created_at: Timestamp,
}
