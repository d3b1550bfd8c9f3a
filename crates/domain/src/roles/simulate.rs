//! Trying a change of roles.

use kici_rbac::escalation::Giver;
use kici_rbac::perm;
use kici_rbac::simulate::{Assignments, Change, PersonChange, simulate as compare};

use super::RolesError;
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
    let makers = app.store.api_keys_by_maker(org.grant()).await?;
    let keys_of = |person: &PersonChange| {
        let own = makers.iter().filter(|(maker, _)| maker.as_str() == person.person);
        own.map(|(_, key)| *key).collect::<Vec<_>>()
    };
    let keys_narrowed = people.iter().map(|person| person.narrowed(keys_of(person))).sum();
    let refused = refusal(org, change, &chart, &people);
    Ok(Simulation { people, keys_narrowed, refused })
}

/// What the operation that makes the change would say to this caller, of what can be told beforehand.
fn refusal(
    org: &Org<perm::MembersRead>,
    change: &Change,
    chart: &Assignments,
    people: &[PersonChange],
) -> Option<Refused> {
    let is_owner = |id: &String| chart.roles.iter().any(|role| role.id == *id && role.is_owner);
    let holds_ownership = |person: &String| {
        let roles = chart.people.iter().find(|one| one.id == *person).map(|one| &one.roles);
        roles.is_some_and(|roles| roles.iter().any(&is_owner))
    };
    let owners = chart.people.iter().filter(|person| person.roles.iter().any(&is_owner)).count();
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
            if is_owner(role) && holds_ownership(person) && owners == 1 =>
        {
            return Some(MembersError::LastOwner.into());
        }
        _ => {}
    }
    let mut giver = Giver::new(org.effective());
    let refused = people.iter().find_map(|person| person.check(&mut giver).err());
    refused.map(|error| RolesError::from(error).into())
}
