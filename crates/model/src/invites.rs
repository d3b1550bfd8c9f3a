//! Invitations: an address, the roles that whoever owns it will have, and for how long.

use std::collections::BTreeSet;

use crate::text::{Email, OrgName};
use crate::{InviteId, OrgId, RoleId, Timestamp, UserId};

/// An invitation that nobody has answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Its id: it is in the link, and no secret, since only the owner of the address can accept.
    pub id: InviteId,
    /// The organisation.
    pub org: OrgId,
    /// Who is invited.
    pub email: Email,
    /// The roles that they will have; none means Member, while that exists.
    pub roles: BTreeSet<RoleId>,
    /// Who invited them.
    pub invited_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// From this moment on it can't be accepted.
    pub expires_at: Timestamp,
}

/// An invitation, as the person who is invited sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingInvite {
    /// The invitation.
    pub invite: Invite,
    /// What the organisation is called.
    pub org_name: OrgName,
}

/// How an invitation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The person is a member.
    Accepted,
    /// They don't want to be.
    Declined,
    /// The organisation took it back.
    Revoked,
}

impl Settled {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Revoked => "revoked",
        }
    }
}
