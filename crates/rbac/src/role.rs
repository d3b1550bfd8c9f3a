//! A role as an organization keeps it, before it is known whom it reaches.

use crate::{Matrix, RepoPattern, RoleGrant, Via};

/// A stored role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The role's id.
    pub id: String,
    /// The role's name.
    pub name: String,
    /// Whether it is the built-in role Owner.
    pub is_owner: bool,
    /// What the role gives.
    pub permissions: Matrix,
    /// In which repositories; one or more.
    pub patterns: Vec<RepoPattern>,
}

impl Role {
    /// The role as it reaches somebody.
    #[must_use]
    pub fn granted(&self, via: Via) -> RoleGrant {
        RoleGrant {
            id: self.id.clone(),
            name: self.name.clone(),
            is_owner: self.is_owner,
            permissions: self.permissions,
            patterns: self.patterns.clone(),
            via,
        }
    }
}

/// Which role it is, for an answer that names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleRef {
    /// The role's id.
    pub id: String,
    /// The role's name.
    pub name: String,
}

impl From<&RoleGrant> for RoleRef {
    fn from(role: &RoleGrant) -> Self {
        Self { id: role.id.clone(), name: role.name.clone() }
    }
}

impl From<&Role> for RoleRef {
    fn from(role: &Role) -> Self {
        Self { id: role.id.clone(), name: role.name.clone() }
    }
}
