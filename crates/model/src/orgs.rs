//! Organisations, the tenants.

use crate::text::OrgName;
use crate::{OrgAlias, OrgId, Timestamp, tag};

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Org {
    /// Its id.
    pub id: OrgId,
    /// Stands for it in public links.
    pub alias: OrgAlias,
    /// What people call it.
    pub name: OrgName,
    /// Whether it may be used.
    pub state: OrgState,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Org {
    /// Stands for everything in the organisation that its owners can change. 32 hexadecimal characters.
    #[must_use]
    pub fn tag(&self) -> String {
        tag::of(self.name.as_str())
    }
}

/// Whether an organisation may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrgState {
    /// It may.
    Active,
    /// The operator of the installation has closed it: every request but the operator's is refused.
    Disabled {
        /// Since when.
        at: Timestamp,
    },
}

/// An organisation as one of its members finds it in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgOfPerson {
    /// Its id.
    pub id: OrgId,
    /// What people call it.
    pub name: OrgName,
    /// Whether the person is an owner.
    pub is_owner: bool,
    /// The names of the roles that are assigned to them directly.
    pub roles: Vec<String>,
    /// Since when they are a member.
    pub joined_at: Timestamp,
}
