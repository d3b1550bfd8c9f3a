//! Teams: people who share roles. What somebody would gain by a team must lie within what the caller
//! has, as with a role that is assigned directly.

use kici_model::audit::Action;
use kici_model::page::{Limit, Page};
use kici_model::teams::{FullTeam, Team};
use kici_model::text::TeamName;
use kici_model::{RoleId, TeamId, UserId};
use kici_rbac::escalation::{Escalation, Giver};
use kici_rbac::perm;
use kici_rbac::simulate::{Change, NotThere, simulate};
use kici_store::StoreError;
use serde_json::json;

use crate::quotas::{self, Full};
use crate::{App, EnterError, Fault, Kind, ListError, Org, Trouble};

const LIST: &str = "teams";

/// Why something could not be done with a team.
#[derive(Debug, thiserror::Error)]
pub enum TeamsError {
    /// Another team has the name.
    #[error("Another team has the name `{0}`; names differ by more than upper and lower case")]
    NameTaken(TeamName),
    /// The organisation has no such team.
    #[error("This organization has no team with this id")]
    Missing,
    /// The member, or the role, is not in the team.
    #[error("This is not in the team, or there is no such team")]
    NotIn,
    /// A role, person or team is not there.
    #[error("{0}")]
    NotThere(#[from] NotThere),
    /// Owner is assigned to people, never granted to a team.
    #[error("Owner can't be granted to a team: ownership belongs to people")]
    Owner,
    /// Somebody would gain what the caller does not have.
    #[error(transparent)]
    Escalation(#[from] Escalation),
    /// What the caller held has ended meanwhile.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// There are as many as can be.
    #[error(transparent)]
    Full(#[from] Full),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for TeamsError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for TeamsError {
    fn kind(&self) -> Kind {
        match self {
            Self::NameTaken(_) | Self::Owner => Kind::Conflict,
            Self::Missing | Self::NotIn => Kind::Missing,
            Self::NotThere(_) => Kind::Missing,
            Self::Escalation(_) => Kind::Denied,
            Self::Enter(error) => error.kind(),
            Self::Full(full) => full.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NameTaken(_) => "name_taken",
            Self::Missing | Self::NotIn => "not_found",
            Self::NotThere(_) => "not_found",
            Self::Owner => "built_in_role",
            Self::Escalation(_) => "escalation",
            Self::Enter(error) => error.code(),
            Self::Full(full) => full.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// Makes a team without members and roles.
///
/// # Errors
/// The name is taken, or the server did not do its part.
pub async fn create(
    app: &App,
    org: &Org<perm::TeamsAdmin>,
    name: &TeamName,
) -> Result<Team, TeamsError> {
    let id = TeamId::new(&*app.clock, &*app.entropy).map_err(Trouble::from)?;
    let team = Team { id, name: name.clone(), created_at: app.clock.now() };
    let entry = org.audit(app, Action::TeamCreated, &team.id)?;
    let (mut tx, org) = org.begin(app).await?;
    quotas::TEAMS.room(tx.count_teams(org.grant()).await?)?;
    let made = tx.create_team(org.grant(), &team).await;
    made.map_err(|error| taken(error, name))?;
    tx.commit(entry.with(json!({"name": name.as_str()}))).await?;
    Ok(team)
}

/// A page of the teams by name, with their members and roles.
///
/// # Errors
/// A tampered cursor, or the database fails.
pub async fn list(
    app: &App,
    org: &Org<perm::TeamsRead>,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<FullTeam, String>, ListError> {
    let after: Option<String> = app.after(org.id().as_str(), LIST, cursor)?;
    let page = app.store.teams(org.grant(), after.as_deref(), limit).await?;
    Ok(app.page(org.id().as_str(), LIST, page))
}

/// Gives a team another name.
///
/// # Errors
/// The name is taken, there is no such team, or the server did not do its part.
pub async fn rename(
    app: &App,
    org: &Org<perm::TeamsAdmin>,
    team: &TeamId,
    name: &TeamName,
) -> Result<(), TeamsError> {
    let entry = org.audit(app, Action::TeamRenamed, team)?;
    let (mut tx, org) = org.begin(app).await?;
    let before = tx.rename_team(org.grant(), team, name).await;
    let before = before.map_err(|error| taken(error, name))?.ok_or(TeamsError::Missing)?;
    let details = json!({"before": {"name": before}, "after": {"name": name.as_str()}});
    Ok(tx.commit(entry.with(details)).await?)
}

/// Deletes a team. Its members lose what it granted.
///
/// # Errors
/// There is no such team, or the server did not do its part.
pub async fn delete(
    app: &App,
    org: &Org<perm::TeamsAdmin>,
    team: &TeamId,
) -> Result<(), TeamsError> {
    let entry = org.audit(app, Action::TeamDeleted, team)?;
    let (mut tx, org) = org.begin(app).await?;
    if !tx.delete_team(org.grant(), team).await? {
        return Err(TeamsError::Missing);
    }
    Ok(tx.commit(entry).await?)
}

/// Puts a member into a team. They gain its roles.
///
/// # Errors
/// They would gain what the caller does not have, somebody is not there, or the server did not do its
/// part.
pub async fn add_member(
    app: &App,
    org: &Org<perm::TeamsAdmin>,
    team: &TeamId,
    user: &UserId,
) -> Result<(), TeamsError> {
    let entry = org.audit(app, Action::TeamMemberAdded, team)?;
    let (mut tx, org) = org.begin(app).await?;
    let change = Change::JoinTeam { team: team.to_string(), person: user.to_string() };
    let chart = tx.org_chart(org.grant()).await?;
    let mut giver = Giver::new(org.effective());
    for person in simulate(&chart, &change)? {
        person.check(&mut giver)?;
    }
    let gained = chart.teams.iter().find(|known| known.id == team.as_str());
    let gained = gained.filter(|team| !team.members.iter().any(|one| one == user.as_str()));
    quotas::WAYS.keeps(
        quotas::ways(&chart, user.as_str()) + quotas::len(gained.map_or(&[], |team| &team.roles)),
    )?;
    tx.add_to_team(org.grant(), team, user).await?;
    Ok(tx.commit(entry.with(json!({"user": user.as_str()}))).await?)
}

/// Takes a member out of a team. They lose what only the team gave them.
///
/// # Errors
/// They are not in it, or the server did not do its part.
pub async fn remove_member(
    app: &App,
    org: &Org<perm::TeamsAdmin>,
    team: &TeamId,
    user: &UserId,
) -> Result<(), TeamsError> {
    let entry = org.audit(app, Action::TeamMemberRemoved, team)?;
    let (mut tx, org) = org.begin(app).await?;
    if !tx.remove_from_team(org.grant(), team, user).await? {
        return Err(TeamsError::NotIn);
    }
    Ok(tx.commit(entry.with(json!({"user": user.as_str()}))).await?)
}

/// Grants a role to a team. All its members gain it.
///
/// # Errors
/// It is Owner, somebody would gain what the caller does not have, something is not there, or the
/// server did not do its part.
pub async fn grant_role(
    app: &App,
    org: &Org<perm::TeamsAdmin>,
    team: &TeamId,
    role: &RoleId,
) -> Result<(), TeamsError> {
    let entry = org.audit(app, Action::TeamRoleGranted, team)?;
    let (mut tx, org) = org.begin(app).await?;
    let chart = tx.org_chart(org.grant()).await?;
    if chart.roles.iter().any(|known| known.id == role.as_str() && known.is_owner) {
        return Err(TeamsError::Owner);
    }
    let change = Change::GrantTeam { role: role.to_string(), team: team.to_string() };
    let mut giver = Giver::new(org.effective());
    for person in simulate(&chart, &change)? {
        person.check(&mut giver)?;
    }
    let gaining = chart.teams.iter().find(|known| known.id == team.as_str());
    let gaining = gaining.filter(|team| !team.roles.iter().any(|one| one == role.as_str()));
    for person in gaining.iter().flat_map(|team| &team.members) {
        quotas::WAYS.room(quotas::ways(&chart, person))?;
    }
    tx.grant_to_team(org.grant(), team, role).await?;
    Ok(tx.commit(entry.with(json!({"role": role.as_str()}))).await?)
}

/// Takes a role from a team. Its members lose what only that gave them.
///
/// # Errors
/// It does not have the role, or the server did not do its part.
pub async fn revoke_role(
    app: &App,
    org: &Org<perm::TeamsAdmin>,
    team: &TeamId,
    role: &RoleId,
) -> Result<(), TeamsError> {
    let entry = org.audit(app, Action::TeamRoleRevoked, team)?;
    let (mut tx, org) = org.begin(app).await?;
    if !tx.revoke_from_team(org.grant(), team, role).await? {
        return Err(TeamsError::NotIn);
    }
    Ok(tx.commit(entry.with(json!({"role": role.as_str()}))).await?)
}

fn taken(error: StoreError, name: &TeamName) -> TeamsError {
    match error {
        StoreError::Conflict(_) => TeamsError::NameTaken(name.clone()),
        other => other.into(),
    }
}
