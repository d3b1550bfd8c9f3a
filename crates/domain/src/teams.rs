//! Teams: people who share roles. What somebody would gain by a team must lie within what the caller
//! has, as with a role that is assigned directly.

use kici_model::audit::Action;
use kici_model::teams::Team;
use kici_model::text::TeamName;
use kici_model::{RoleId, TeamId, UserId};
use kici_rbac::escalation::Escalation;
use kici_rbac::perm;
use kici_rbac::simulate::{Change, NotThere, simulate};
use kici_store::StoreError;

use crate::{App, EnterError, Fault, Kind, Org, Trouble};

/// Why something could not be done with a team.
#[derive(Debug, thiserror::Error)]
pub enum TeamsError {
    /// The name is taken, or that is so already, or somebody is not of this organisation.
    #[error("The name is taken, or that is so already")]
    Already,
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
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for TeamsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => Self::Already,
            other => Self::Trouble(other.into()),
        }
    }
}

impl Fault for TeamsError {
    fn kind(&self) -> Kind {
        match self {
            Self::Already | Self::Owner => Kind::Conflict,
            Self::NotThere(_) => Kind::Invalid,
            Self::Escalation(_) => Kind::Denied,
            Self::Enter(error) => error.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Already => "already",
            Self::NotThere(_) => "not_there",
            Self::Owner => "built_in_role",
            Self::Escalation(_) => "escalation",
            Self::Enter(error) => error.code(),
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
    tx.create_team(org.grant(), &team).await?;
    tx.commit(entry).await?;
    Ok(team)
}

/// Puts a member into a team. They gain its roles.
///
/// # Errors
/// They would gain what the caller does not have, or the server did not do its part.
pub async fn add_member(
    app: &App,
    org: &Org<perm::TeamsAdmin>,
    team: &TeamId,
    user: &UserId,
) -> Result<(), TeamsError> {
    let entry = org.audit(app, Action::TeamMemberAdded, team)?;
    let (mut tx, org) = org.begin(app).await?;
    let change = Change::JoinTeam { team: team.to_string(), person: user.to_string() };
    for person in simulate(&tx.org_chart(org.grant()).await?, &change)? {
        person.check(org.effective())?;
    }
    tx.add_to_team(org.grant(), team, user).await?;
    Ok(tx.commit(entry).await?)
}

/// Grants a role to a team. All its members gain it.
///
/// # Errors
/// It is Owner, somebody would gain what the caller does not have, or the server did not do its
/// part.
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
    for person in simulate(&chart, &change)? {
        person.check(org.effective())?;
    }
    tx.grant_to_team(org.grant(), team, role).await?;
    Ok(tx.commit(entry).await?)
}
