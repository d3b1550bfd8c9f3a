//! Teams: people who share roles.

use crate::text::TeamName;
use crate::{RoleId, TeamId, Timestamp, UserId};

/// A team of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// Its name, unique in the organisation without regard to case.
    pub name: TeamName,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A team with those who are in it and what it grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullTeam {
    /// The team.
    pub team: Team,
    /// Its members.
    pub members: Vec<UserId>,
    /// The roles that they inherit.
    pub roles: Vec<RoleId>,
}
