//! People in an organisation.

use kici_rbac::Level;

use crate::Timestamp;
use crate::users::User;

/// A membership, without the roles that go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// Since when they are a member.
    pub joined_at: Timestamp,
    /// Since when they are suspended, if they are.
    pub suspended_at: Option<Timestamp>,
    /// How far CI trusts them, where it was set; `None` is what their roles say.
    pub ci_trust: Option<Level>,
}
