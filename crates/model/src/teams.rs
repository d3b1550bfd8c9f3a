//! Teams: people who share roles.

use crate::text::TeamName;
use crate::{TeamId, Timestamp};

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
