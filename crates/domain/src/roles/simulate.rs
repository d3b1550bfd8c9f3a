//! Trying a change of roles.

use std::collections::BTreeSet;

use kici_model::RoleId;
use kici_rbac::escalation::{Escalation, Giver};
use kici_rbac::perm;
use kici_rbac::simulate::{Assignments, Change, PersonChange, simulate as compare};
use kici_store::Owner;

use super::{RolesError, check_invited};
use crate::members::MembersError;
use crate::teams::TeamsError;
use crate::{App, EnterError, Fault, Org};

/// What a change would do, without making it.
#[derive(Debug)]
pub struct Simulation {
    /// Everybody for whom something would change.
    pub people: Vec<PersonChange>,
    /// How many API keys would do less, since their makers would.
    pub keys_narrowed: usize,
    /// Why the caller could not make the change, if they could not.
    pub refused: Option<Refused>,
}

/// What the operation that makes a change would say.
#[derive(Debug)]
pub struct Refused {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub error: String,
}

impl<F: Fault> From<F> for Refused {
    fn from(fault: F) -> Self {
        Self { code: fault.code(), error: fault.to_string() }
    }
}

/// Tries a change of roles without making it; without one, the making of a role, which reaches nobody.
///
/// # Errors
/// It names what is not there, or the database fails.
pub async fn simulate(
    app: &App,
    org: &Org<perm::MembersRead>,
    change: Option<&Change>,
) -> Result<Simulation, RolesError> {
    let Some(change) = change else {
        let refused = org.require::<perm::MembersAdmin>().err();
        let refused = refused.map(|denied| EnterError::from(denied).into());
        return Ok(Simulation { people: Vec::new(), keys_narrowed: 0, refused });
    };
    let chart = app.store.org_chart(org.grant()).await?;
    let people = compare(&chart, change)?;
    let makers = app.store.api_keys_by_maker(org.grant(), app.clock.now()).await?;
    let keys_of = |person: &PersonChange| {
        let own = makers.iter().filter(|(maker, _)| maker.as_str() == person.person);
        own.map(|(_, key)| *key).collect::<Vec<_>>()
    };
    let keys_narrowed = people.iter().map(|person| person.narrowed(keys_of(person))).sum();
    let rules = Rules {
        owners: app.store.owners(org.grant()).await?,
        invited: app.store.invited_roles(org.grant()).await?,
    };
    let refused = refusal(org, change, &chart, &people, &rules);
    Ok(Simulation { people, keys_narrowed, refused })
}

/// What the operation looks at beside the roles.
struct Rules {
    owners: Vec<Owner>,
    invited: BTreeSet<BTreeSet<RoleId>>,
}

/// What the operation that makes the change would say to this caller, of what can be told beforehand.
fn refusal(
    org: &Org<perm::MembersRead>,
    change: &Change,
    chart: &Assignments,
    people: &[PersonChange],
    rules: &Rules,
) -> Option<Refused> {
    let is_owner = |id: &String| chart.roles.iter().any(|role| role.id == *id && role.is_owner);
    let holds_ownership =
        |person: &String| rules.owners.iter().any(|owner| owner.user.as_str() == person);
    let is_last = |person: &String| {
        let others = rules.owners.iter().filter(|owner| owner.user.as_str() != person);
        others.filter(|owner| !owner.is_suspended).count() == 0
    };
    let lacks = match change {
        Change::GrantTeam { .. } | Change::RevokeTeam { .. } | Change::JoinTeam { .. } => {
            org.require::<perm::TeamsAdmin>().err()
        }
        _ => org.require::<perm::MembersAdmin>().err(),
    };
    if let Some(denied) = lacks {
        return Some(EnterError::from(denied).into());
    }
    match change {
        Change::Edit { role, .. } | Change::Delete { role } if is_owner(role) => {
            return Some(RolesError::Owner.into());
        }
        Change::GrantTeam { role, .. } if is_owner(role) => {
            return Some(TeamsError::Owner.into());
        }
        Change::Assign { person, .. } | Change::Unassign { person, .. }
            if holds_ownership(person) && !org.effective().is_owner() =>
        {
            return Some(MembersError::OwnersOnly.into());
        }
        Change::Unassign { role, person }
            if is_owner(role) && holds_ownership(person) && is_last(person) =>
        {
            return Some(MembersError::LastOwner.into());
        }
        _ => {}
    }
    let mut giver = Giver::new(org.effective());
    let refused = people.iter().find_map(|person| person.check(&mut giver).err());
    let refused = refused.or_else(|| invited(change, chart, rules, &mut giver).err());
    refused.map(|error| RolesError::from(error).into())
}

/// Whether nobody who is invited would gain too much.
fn invited(
    change: &Change,
    chart: &Assignments,
    rules: &Rules,
    giver: &mut Giver<'_>,
) -> Result<(), Escalation> {
    let Change::Edit { role: id, permissions, patterns } = change else { return Ok(()) };
    let Ok(edited) = id.parse() else { return Ok(()) };
    let mut after = chart.clone();
    for role in after.roles.iter_mut().filter(|role| role.id == *id) {
        role.permissions = permissions.unwrap_or(role.permissions);
        if let Some(patterns) = patterns {
            role.patterns.clone_from(patterns);
        }
    }
    check_invited(&rules.invited, giver, &edited, [chart, &after])
}
