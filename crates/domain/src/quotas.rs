//! How many there can be of what people make. Nobody should feel these bounds; they keep whoever makes
//! without end from slowing down everybody else, since much of it is read with every request.

use kici_rbac::simulate::{Assignments, Team};

use crate::{Fault, Kind};

/// An organisation or a person has as many of something as can be.
#[derive(Debug, thiserror::Error)]
#[error("There are {most} {what}, and no more can be; delete or revoke some first")]
pub struct Full {
    what: &'static str,
    most: u64,
}

impl Fault for Full {
    fn kind(&self) -> Kind {
        Kind::Conflict
    }

    fn code(&self) -> &'static str {
        "too_many"
    }
}

/// What there is a bound on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    what: &'static str,
    most: u64,
}

impl Quota {
    const fn new(what: &'static str, most: u64) -> Self {
        Self { what, most }
    }

    /// Whether there is room for one more, beside the `count` that are there.
    pub(crate) fn room(self, count: u64) -> Result<(), Full> {
        self.keeps(count.saturating_add(1))
    }

    /// Whether there can be `count`.
    pub(crate) fn keeps(self, count: u64) -> Result<(), Full> {
        let Self { what, most } = self;
        if count <= most { Ok(()) } else { Err(Full { what, most }) }
    }
}

/// Of one organisation.
pub(crate) const ROLES: Quota = Quota::new("roles in this organization", 1_000);
/// Of all roles of one organisation; a role may have 100.
pub(crate) const PATTERNS: Quota =
    Quota::new("repository patterns in this organization's roles", 2_000);
/// Of one organisation.
pub(crate) const TEAMS: Quota = Quota::new("teams in this organization", 1_000);
/// To one person, over their own and their teams' roles, each way counted.
pub(crate) const WAYS: Quota = Quota::new("ways by which roles reach one person", 200);
/// Of one organisation, in use.
pub(crate) const API_KEYS: Quota = Quota::new("API keys in this organization", 1_000);
/// Of one organisation, in use.
pub(crate) const ORCHESTRATOR_KEYS: Quota =
    Quota::new("orchestrator keys in this organization", 1_000);
/// Of one organisation.
pub(crate) const SERVICE_ACCOUNTS: Quota =
    Quota::new("service accounts in this organization", 1_000);
/// Of all service accounts of one organisation, in use.
pub(crate) const SERVICE_ACCOUNT_KEYS: Quota =
    Quota::new("keys of service accounts in this organization", 1_000);
/// Of one person, in use.
pub(crate) const PERSONAL_TOKENS: Quota = Quota::new("personal access tokens of yours", 500);
/// That one person belongs to, and whoever makes another.
pub(crate) const ORGS: Quota = Quota::new("organizations that you are a member of", 200);

/// By how many ways roles reach somebody.
pub(crate) fn ways(chart: &Assignments, person: &str) -> u64 {
    let own = chart.people.iter().find(|one| one.id == person).map_or(0, |one| len(&one.roles));
    let is_in = |team: &&Team| team.members.iter().any(|member| member == person);
    own + chart.teams.iter().filter(is_in).map(|team| len(&team.roles)).sum::<u64>()
}

pub(crate) fn len(list: &[String]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_can_be_taken_and_none_behind_it() {
        assert!(TEAMS.room(999).is_ok());
        let full = TEAMS.room(1_000).unwrap_err();
        assert_eq!(
            full.to_string(),
            "There are 1000 teams in this organization, and no more can be; delete or revoke some first"
        );
        assert!(PATTERNS.keeps(2_000).is_ok() && PATTERNS.keeps(2_001).is_err());
    }
}
