//! Roles: a permission matrix, the repositories it holds in, and a name.

use kici_rbac::{Matrix, RepoPattern};

use crate::text::{Description, RoleName};
use crate::{RoleId, Timestamp, tag};

/// A role of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its name, unique in the organisation without regard to case.
    pub name: RoleName,
    /// What it is for.
    pub description: Option<Description>,
    /// The built-in Owner: everything, everywhere, and not to be changed.
    pub is_owner: bool,
    /// The level per resource.
    pub permissions: Matrix,
    /// Where the repository-scoped resources are reachable: 1 to 100 patterns.
    pub patterns: Vec<RepoPattern>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Role {
    /// Stands for everything in the role that can be changed: two texts are equal when the roles
    /// are. 32 hexadecimal characters.
    #[must_use]
    pub fn tag(&self) -> String {
        let patterns: Vec<_> = self.patterns.iter().map(RepoPattern::as_str).collect();
        let description = self.description.as_ref().map(Description::as_str);
        // A JSON array has no two readings, whatever characters the parts have.
        let content =
            serde_json::json!([self.name.as_str(), description, self.permissions, patterns]);
        tag::of(&content.to_string())
    }
}
