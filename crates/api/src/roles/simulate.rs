//! `POST /orgs/{org}/roles/simulate`: its form and its answer.

use std::collections::BTreeMap;

use kici_domain::roles::Simulation;
use kici_model::{RoleId, TeamId, UserId};
use kici_rbac::simulate::{Change, PersonChange};
use kici_rbac::{Level, RepoScope, Resource};
use poem_openapi::Object;

use crate::body::{Fields, Form};
use crate::matrix::Permissions;

/// A change to be tried.
#[derive(Debug, Object)]
pub(crate) struct RoleSimulate {
    /// The role.
    role: String,
    /// What to do with it: one of the fields, or `permissions` and `repoPatterns` together.
    change: RoleSimulateChange,
}

/// What to do with a role.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct RoleSimulateChange {
    /// Give it other permissions.
    permissions: Option<Permissions>,
    /// Give it other patterns.
    repo_patterns: Option<Vec<String>>,
    /// `true` to delete it.
    delete: Option<bool>,
    /// Assign it to this person.
    assign: Option<String>,
    /// Take it from this person.
    unassign: Option<String>,
    /// Grant it to this team.
    grant_team: Option<String>,
    /// Take it from this team.
    revoke_team: Option<String>,
}

/// What a change would do.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct RoleSimulation {
    /// Everybody for whom something would change.
    people: Vec<SimulatedPerson>,
    /// How many API keys would do less, since their makers would.
    keys_narrowed: u64,
    /// Why you could not make this change; `null` when you could.
    refused: Option<String>,
}

/// Somebody for whom something would change.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct SimulatedPerson {
    /// Who.
    user: String,
    /// From each resource to the level before and the level after.
    gains: BTreeMap<String, Vec<String>>,
    /// The same for what is lost.
    loses: BTreeMap<String, Vec<String>>,
    /// The repositories before; `*` alone is all of them.
    scope_before: Vec<String>,
    /// The repositories after.
    scope_after: Vec<String>,
}

impl Form for RoleSimulate {
    type Command = Change;

    fn read(fields: &mut Fields) -> Option<Change> {
        let role = fields.required::<RoleId>("role").map(|role| role.to_string());
        let change = fields.object("change", read_change);
        let role = role?;
        Some(match change? {
            Wanted::Edit { permissions, patterns } => Change::Edit { role, permissions, patterns },
            Wanted::Delete => Change::Delete { role },
            Wanted::Assign(person) => Change::Assign { role, person },
            Wanted::Unassign(person) => Change::Unassign { role, person },
            Wanted::GrantTeam(team) => Change::GrantTeam { role, team },
            Wanted::RevokeTeam(team) => Change::RevokeTeam { role, team },
        })
    }
}

enum Wanted {
    Edit { permissions: Option<kici_rbac::Matrix>, patterns: Option<Vec<kici_rbac::RepoPattern>> },
    Delete,
    Assign(String),
    Unassign(String),
    GrantTeam(String),
    RevokeTeam(String),
}

fn read_change(fields: &mut Fields) -> Option<Wanted> {
    let (permissions, patterns) = (fields.matrix("permissions"), fields.patterns("repoPatterns"));
    let delete = fields.flag("delete");
    let assign = fields.optional::<UserId>("assign");
    let unassign = fields.optional::<UserId>("unassign");
    let grant = fields.optional::<TeamId>("grantTeam");
    let revoke = fields.optional::<TeamId>("revokeTeam");
    let (permissions, patterns) = (permissions?, patterns?);
    let is_edit = permissions.is_some() || patterns.is_some();
    let mut wanted = [
        is_edit.then_some(Wanted::Edit { permissions, patterns }),
        delete?.then_some(Wanted::Delete),
        assign?.map(|id| Wanted::Assign(id.to_string())),
        unassign?.map(|id| Wanted::Unassign(id.to_string())),
        grant?.map(|id| Wanted::GrantTeam(id.to_string())),
        revoke?.map(|id| Wanted::RevokeTeam(id.to_string())),
    ]
    .into_iter()
    .flatten();
    let first = wanted.next();
    if first.is_none() || wanted.next().is_some() {
        fields.refuse("*", "one change at a time: an edit or one of the other fields".to_owned());
        return None;
    }
    first
}

impl From<Simulation> for RoleSimulation {
    fn from(simulation: Simulation) -> Self {
        Self {
            people: simulation.people.iter().map(SimulatedPerson::from).collect(),
            keys_narrowed: u64::try_from(simulation.keys_narrowed).unwrap_or(u64::MAX),
            refused: simulation.refused,
        }
    }
}

impl From<&PersonChange> for SimulatedPerson {
    fn from(change: &PersonChange) -> Self {
        let entry = |change: kici_rbac::simulate::LevelChange| {
            let levels = |from: Level, to: Level| vec![from.to_string(), to.to_string()];
            (Resource::to_string(&change.resource), levels(change.from, change.to))
        };
        Self {
            user: change.person.clone(),
            gains: change.gains().map(entry).collect(),
            loses: change.loses().map(entry).collect(),
            scope_before: scope(change.before.scope()),
            scope_after: scope(change.after.scope()),
        }
    }
}

/// A scope as a role has it: a lone `*` for every repository.
pub(crate) fn scope(scope: &RepoScope) -> Vec<String> {
    match scope.patterns() {
        None => vec!["*".to_owned()],
        Some(patterns) => patterns.iter().map(ToString::to_string).collect(),
    }
}
