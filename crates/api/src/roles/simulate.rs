//! `POST /orgs/{org}/roles/simulate`: its form and its answer.

use std::collections::BTreeMap;

use kici_domain::roles::Simulation;
use kici_model::{RoleId, TeamId, UserId};
use kici_rbac::WidenedBy;
use kici_rbac::simulate::{Change, PersonChange};
use kici_rbac::{Level, RepoScope, Resource};
use poem_openapi::Object;

use crate::body::{Fields, Form};
use crate::matrix::Permissions;
use crate::text::Txt;

/// A change to be tried.
#[derive(Debug, Object)]
pub(crate) struct RoleSimulate {
    /// The role; `null` for one that would be made, which reaches nobody.
    role: Option<Txt<RoleId>>,
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
    assign: Option<Txt<UserId>>,
    /// Take it from this person.
    unassign: Option<Txt<UserId>>,
    /// Grant it to this team.
    grant_team: Option<Txt<TeamId>>,
    /// Take it from this team.
    revoke_team: Option<Txt<TeamId>>,
}

/// What a change would do.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct RoleSimulation {
    /// Everybody for whom something would change.
    people: Vec<SimulatedPerson>,
    /// How many API keys would do less, since their makers would.
    keys_narrowed: u64,
    /// What you would be told if you made this change; left out when you could.
    #[oai(skip_serializing_if_is_none)]
    refused: Option<SimulatedRefusal>,
}

/// Why you could not make a change.
#[derive(Debug, Object)]
pub(crate) struct SimulatedRefusal {
    /// In a sentence.
    error: String,
    /// For programs, as in the error that you would get.
    code: String,
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
    /// The roles that reach into repositories that are new.
    widened_by: Vec<Widening>,
}

/// A role that reaches further than others.
#[derive(Debug, Object)]
pub(crate) struct Widening {
    /// Its name.
    role: String,
    /// By which pattern.
    pattern: String,
}

impl From<&WidenedBy> for Widening {
    fn from(by: &WidenedBy) -> Self {
        Self { role: by.role.name.clone(), pattern: by.pattern.to_string() }
    }
}

impl Form for RoleSimulate {
    type Command = Option<Change>;

    fn read(fields: &mut Fields) -> Option<Option<Change>> {
        if !fields.has("role") {
            fields.refuse("role", "is missing; `null` for a role that would be made".to_owned());
        }
        let role = fields.optional::<RoleId>("role");
        let change = fields.object("change", read_change);
        let (role, change) = (role?, change?);
        let Some(role) = role.map(|role| role.to_string()) else {
            if !matches!(change, Wanted::Edit { .. }) {
                let message = "a role that is not made yet has permissions and patterns alone";
                fields.refuse("change", message.to_owned());
            }
            return Some(None);
        };
        Some(Some(match change {
            Wanted::Edit { permissions, patterns } => Change::Edit { role, permissions, patterns },
            Wanted::Delete => Change::Delete { role },
            Wanted::Assign(person) => Change::Assign { role, person },
            Wanted::Unassign(person) => Change::Unassign { role, person },
            Wanted::GrantTeam(team) => Change::GrantTeam { role, team },
            Wanted::RevokeTeam(team) => Change::RevokeTeam { role, team },
        }))
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
            refused: simulation.refused.map(|refused| SimulatedRefusal {
                error: refused.error,
                code: refused.code.to_owned(),
            }),
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
            widened_by: change.widened_by.iter().map(Widening::from).collect(),
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
