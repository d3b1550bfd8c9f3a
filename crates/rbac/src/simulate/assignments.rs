//! Who has which roles, and what becomes of it when something is changed.

use std::collections::{HashMap, HashSet};

use super::Change;
use crate::{Effective, Role, RoleGrant, Via};

/// Who has which roles: what a change is tried on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignments {
    /// All roles of the organization.
    pub roles: Vec<Role>,
    /// All its members.
    pub people: Vec<Person>,
    /// All its teams.
    pub teams: Vec<Team>,
}

/// A member and the roles assigned to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The person's id.
    pub id: String,
    /// Ids of the roles.
    pub roles: Vec<String>,
}

/// A team, its members and the roles granted to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// The team's id.
    pub id: String,
    /// The team's name.
    pub name: String,
    /// Ids of the people in it.
    pub members: Vec<String>,
    /// Ids of the roles.
    pub roles: Vec<String>,
}

/// A change names something that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} `{id}`")]
pub struct NotThere {
    kind: &'static str,
    id: String,
}

impl Assignments {
    /// The roles that reach one person, with their ways; none for somebody who is not there. For many
    /// people ask [`reaching`](Self::reaching) once.
    #[must_use]
    pub fn roles_of(&self, person: &str) -> Vec<RoleGrant> {
        let found = self.people.iter().find(|known| known.id == person);
        found.map(|person| self.reaching().grants(person)).unwrap_or_default()
    }

    /// What a person adds up to whom these roles reach and no others; roles that are not there give
    /// nothing.
    #[must_use]
    pub fn of_roles<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Effective {
        let ids: HashSet<_> = ids.into_iter().collect();
        let found = self.roles.iter().filter(|role| ids.contains(role.id.as_str()));
        Effective::from_roles(&found.map(|role| role.granted(Via::Direct)).collect::<Vec<_>>())
    }

    /// The roles that reach each person, to be asked about many of them.
    #[must_use]
    pub fn reaching(&self) -> Reaching<'_> {
        let roles = self.roles.iter().map(|role| (role.id.as_str(), role)).collect();
        let people = self.people.iter().map(|person| (person.id.as_str(), person)).collect();
        let mut teams = HashMap::<_, Vec<_>>::new();
        for team in &self.teams {
            for member in &team.members {
                teams.entry(member.as_str()).or_default().push(team);
            }
        }
        Reaching { roles, people, teams }
    }

    pub(super) fn apply(&mut self, change: &Change) -> Result<(), NotThere> {
        match change {
            Change::Edit { role, permissions, patterns } => {
                let role = self.role(role)?;
                role.permissions = permissions.unwrap_or(role.permissions);
                if let Some(patterns) = patterns {
                    role.patterns.clone_from(patterns);
                }
            }
            Change::Delete { role } => {
                self.role(role)?;
                self.roles.retain(|kept| kept.id != *role);
            }
            Change::Assign { role, person } => {
                self.role(role)?;
                self.person(person)?.roles.push(role.clone());
            }
            Change::Unassign { role, person } => {
                self.role(role)?;
                self.person(person)?.roles.retain(|kept| kept != role);
            }
            Change::GrantTeam { role, team } => {
                self.role(role)?;
                self.team(team)?.roles.push(role.clone());
            }
            Change::RevokeTeam { role, team } => {
                self.role(role)?;
                self.team(team)?.roles.retain(|kept| kept != role);
            }
            Change::JoinTeam { team, person } => {
                self.person(person)?;
                self.team(team)?.members.push(person.clone());
            }
        }
        Ok(())
    }

    fn role(&mut self, id: &str) -> Result<&mut Role, NotThere> {
        let found = self.roles.iter_mut().find(|role| role.id == id);
        found.ok_or_else(|| NotThere { kind: "role", id: id.to_owned() })
    }

    fn person(&mut self, id: &str) -> Result<&mut Person, NotThere> {
        let found = self.people.iter_mut().find(|person| person.id == id);
        found.ok_or_else(|| NotThere { kind: "member", id: id.to_owned() })
    }

    fn team(&mut self, id: &str) -> Result<&mut Team, NotThere> {
        let found = self.teams.iter_mut().find(|team| team.id == id);
        found.ok_or_else(|| NotThere { kind: "team", id: id.to_owned() })
    }
}

/// Roles and people by their ids, and teams by their members.
#[derive(Debug)]
pub struct Reaching<'a> {
    roles: HashMap<&'a str, &'a Role>,
    people: HashMap<&'a str, &'a Person>,
    teams: HashMap<&'a str, Vec<&'a Team>>,
}

impl Reaching<'_> {
    /// The roles that reach one person, with their ways; none for somebody who is not there.
    #[must_use]
    pub fn roles_of(&self, person: &str) -> Vec<RoleGrant> {
        self.people.get(person).map(|person| self.grants(person)).unwrap_or_default()
    }

    /// What they add up to for one person.
    #[must_use]
    pub fn effective(&self, person: &str) -> Effective {
        Effective::from_roles(&self.roles_of(person))
    }

    pub(super) fn grants(&self, person: &Person) -> Vec<RoleGrant> {
        let granted = |ids: &[String], via: Via| -> Vec<RoleGrant> {
            let found = ids.iter().filter_map(|id| self.roles.get(id.as_str()));
            found.map(|role| role.granted(via.clone())).collect()
        };
        let mut grants = granted(&person.roles, Via::Direct);
        for team in self.teams.get(person.id.as_str()).into_iter().flatten() {
            let via = Via::Team { id: team.id.clone(), name: team.name.clone() };
            grants.extend(granted(&team.roles, via));
        }
        grants
    }
}
