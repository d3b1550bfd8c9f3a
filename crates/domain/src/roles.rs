//! Roles: made, changed, deleted. Nobody gives what they do not have: a change of a role that is in
//! use is compared for each person whom it reaches, before and after.

mod details;
mod simulate;
mod templates;

use std::collections::BTreeSet;

use kici_model::audit::Action;
use kici_model::page::{Limit, Page};
use kici_model::roles::Role;
use kici_model::text::{Description, RoleName};
use kici_model::{OrgId, RoleId};
use kici_rbac::escalation::{Escalation, Giver};
use kici_rbac::simulate::{Assignments, Change, NotThere, simulate as compare};
use kici_rbac::{Denied, Effective, Granted, Matrix, RepoPattern, perm};
use kici_store::{Lost, StoreError, WriteTx};

pub use simulate::{Refused, Simulation, simulate};
pub use templates::{TEMPLATES, Template};

use crate::invites::{is_for_the_invited, receives};
use crate::quotas::{self, Full};
use crate::{App, EnterError, Fault, Kind, ListError, Org, Trouble};

const LIST: &str = "roles";

/// Why something could not be done with a role.
#[derive(Debug, thiserror::Error)]
pub enum RolesError {
    /// The organisation has no such role.
    #[error("This organization has no role with this id")]
    Missing,
    /// The built-in Owner stays as it is.
    #[error("The built-in role Owner can't be changed or deleted")]
    Owner,
    /// Another role has the name.
    #[error("Another role has the name `{0}`; names differ by more than upper and lower case")]
    NameTaken(RoleName),
    /// Somebody else has changed the role meanwhile.
    #[error("The role was changed meanwhile; read it again, and send its new `ETag` as `If-Match`")]
    Stale,
    /// Somebody would gain what the caller does not have.
    #[error(transparent)]
    Escalation(#[from] Escalation),
    /// The change names somebody or something that is not there.
    #[error("{0}")]
    NotThere(#[from] NotThere),
    /// The caller lacks a permission.
    #[error(transparent)]
    Denied(#[from] Denied),
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

impl From<StoreError> for RolesError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for RolesError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing => Kind::Missing,
            Self::Owner | Self::NameTaken(_) => Kind::Conflict,
            Self::Stale => Kind::Stale,
            Self::Escalation(_) | Self::Denied(_) => Kind::Denied,
            Self::NotThere(_) => Kind::Invalid,
            Self::Enter(error) => error.kind(),
            Self::Full(full) => full.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "not_found",
            Self::Owner => "built_in_role",
            Self::NameTaken(_) => "name_taken",
            Self::Stale => "stale",
            Self::Escalation(_) => "escalation",
            Self::NotThere(_) => "not_there",
            Self::Denied(_) => "insufficient_permission",
            Self::Enter(error) => error.code(),
            Self::Full(full) => full.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// A role to be made.
#[derive(Debug, Clone)]
pub struct NewRole {
    /// Its name.
    pub name: RoleName,
    /// What it is for.
    pub description: Option<Description>,
    /// What it gives.
    pub permissions: Matrix,
    /// Where: 1 to 100 patterns.
    pub patterns: Vec<RepoPattern>,
}

/// What is to be changed about a role; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct RoleChange {
    /// Another name.
    pub name: Option<RoleName>,
    /// Another description, or none.
    pub description: Option<Option<Description>>,
    /// Other permissions.
    pub permissions: Option<Matrix>,
    /// Other patterns.
    pub patterns: Option<Vec<RepoPattern>>,
}

/// A page of the roles, by name.
///
/// # Errors
/// A tampered cursor, or the database fails.
pub async fn list(
    app: &App,
    org: &Org<perm::MembersRead>,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<Role, String>, ListError> {
    let after: Option<String> = app.after(org.id().as_str(), LIST, cursor)?;
    let page = app.store.roles(org.grant(), after.as_deref(), limit).await?;
    Ok(app.page(org.id().as_str(), LIST, page))
}

/// One role.
///
/// # Errors
/// There is no such role, or the database fails.
pub async fn get(app: &App, org: &Org<perm::MembersRead>, id: &RoleId) -> Result<Role, RolesError> {
    app.store.role(org.grant(), id).await?.ok_or(RolesError::Missing)
}

/// Makes a role. It reaches nobody yet, so nobody gains anything but, by its name, the invited.
///
/// # Errors
/// They would gain what the caller does not have, the name is taken, or the server did not do its part.
pub async fn create(
    app: &App,
    org: &Org<perm::MembersAdmin>,
    wanted: NewRole,
) -> Result<Role, RolesError> {
    let role = Role {
        id: RoleId::new(&*app.clock, &*app.entropy).map_err(Trouble::from)?,
        name: wanted.name,
        description: wanted.description,
        is_owner: false,
        permissions: wanted.permissions,
        patterns: wanted.patterns,
        created_at: app.clock.now(),
    };
    let entry = org.audit(app, Action::RoleCreated, &role.id)?;
    let (mut tx, org) = org.begin(app).await?;
    let (count, patterns) = tx.count_roles(org.grant()).await?;
    quotas::ROLES.room(count)?;
    quotas::PATTERNS.keeps(patterns + len(&role.patterns))?;
    // It is in no invitation yet; but those without a role find theirs by its name.
    if is_for_the_invited(role.name.as_str()) {
        let before = tx.org_chart(org.grant()).await?;
        let mut after = before.clone();
        after.roles.push(plain(&role));
        let mut giver = Giver::new(org.effective());
        let invited = tx.invited_roles(org.grant()).await?;
        check_invited(&invited, &mut giver, &role.id, [&before, &after])?;
    }
    tx.create_role(org.grant(), &role).await.map_err(|error| taken(error, &role.name))?;
    tx.commit(entry.with(details::whole(&role))).await?;
    Ok(role)
}

/// Makes a role that gives what another one gives, under another name. Owner is copied as a role that
/// is none: all levels, without ownership.
///
/// # Errors
/// There is no such role, the name is taken, or the server did not do its part.
pub async fn copy(
    app: &App,
    org: &Org<perm::MembersAdmin>,
    id: &RoleId,
    name: RoleName,
) -> Result<Role, RolesError> {
    let reads = org.require::<perm::MembersRead>()?;
    let role = app.store.role(&reads, id).await?.ok_or(RolesError::Missing)?;
    let Role { description, permissions, patterns, .. } = role;
    create(app, org, NewRole { name, description, permissions, patterns }).await
}

/// Changes a role, if it still is what one of `tags` stands for.
///
/// # Errors
/// It is not, somebody would gain what the caller does not have, the name is taken, or the server
/// did not do its part.
pub async fn update(
    app: &App,
    org: &Org<perm::MembersAdmin>,
    id: &RoleId,
    tags: Option<&[&str]>,
    change: RoleChange,
) -> Result<Role, RolesError> {
    let entry = org.audit(app, Action::RoleUpdated, id)?;
    let (mut tx, org) = org.begin(app).await?;
    let role = editable(&mut tx, org.grant(), id, tags).await?;
    let was = role.clone();
    let changed = Role {
        name: change.name.unwrap_or(role.name),
        description: change.description.unwrap_or(role.description),
        permissions: change.permissions.unwrap_or(role.permissions),
        patterns: change.patterns.unwrap_or(role.patterns),
        ..role
    };
    if plain(&was) != plain(&changed) {
        may_change(&mut tx, &org, &was, &changed).await?;
    }
    tx.update_role(org.grant(), &changed).await.map_err(|error| taken(error, &changed.name))?;
    tx.commit(entry.with(details::difference(&was, &changed))).await?;
    Ok(changed)
}

/// Nobody whom the role reaches, or will, gains what the caller does not have.
async fn may_change(
    tx: &mut WriteTx,
    org: &Org<perm::MembersAdmin>,
    was: &Role,
    changed: &Role,
) -> Result<(), RolesError> {
    let edit = Change::Edit {
        role: was.id.to_string(),
        permissions: Some(changed.permissions),
        patterns: Some(changed.patterns.clone()),
    };
    let before = tx.org_chart(org.grant()).await?;
    let mut giver = Giver::new(org.effective());
    for person in compare(&before, &edit)? {
        person.check(&mut giver)?;
    }
    let mut after = before.clone();
    after.roles.retain(|role| role.id != was.id.as_str());
    after.roles.push(plain(changed));
    if changed.patterns.len() > was.patterns.len() {
        quotas::PATTERNS.keeps(after.roles.iter().map(|role| len(&role.patterns)).sum())?;
    }
    // A name gives something as well: invitations without roles find theirs by it.
    let invited = tx.invited_roles(org.grant()).await?;
    Ok(check_invited(&invited, &mut giver, &was.id, [&before, &after])?)
}

/// Deletes a role with all its assignments, if it still is what one of `tags` stands for, and says how many
/// have lost it.
///
/// # Errors
/// It is not, it is Owner, or the server did not do its part.
pub async fn delete(
    app: &App,
    org: &Org<perm::MembersAdmin>,
    id: &RoleId,
    tags: Option<&[&str]>,
) -> Result<Lost, RolesError> {
    let entry = org.audit(app, Action::RoleDeleted, id)?;
    let (mut tx, org) = org.begin(app).await?;
    let role = editable(&mut tx, org.grant(), id, tags).await?;
    let lost = tx.delete_role(org.grant(), id).await?;
    tx.commit(entry.with(details::whole(&role))).await?;
    Ok(lost)
}

/// Nobody gives by a change of roles what they do not have to those who are invited: the invitation
/// may be that of somebody who has it.
fn check_invited(
    invited: &BTreeSet<BTreeSet<RoleId>>,
    giver: &mut Giver<'_>,
    changed: &RoleId,
    [before, after]: [&Assignments; 2],
) -> Result<(), Escalation> {
    // A role that is gone makes an invitation void.
    let given = |chart: &Assignments, roles: &BTreeSet<RoleId>| {
        receives(chart, roles).unwrap_or_else(|_| Effective::none())
    };
    for roles in invited.iter().filter(|roles| roles.is_empty() || roles.contains(changed)) {
        giver.check(&given(before, roles), &given(after, roles))?;
    }
    Ok(())
}

/// The role as the comparison sees it.
fn plain(role: &Role) -> kici_rbac::Role {
    kici_rbac::Role {
        id: role.id.to_string(),
        name: role.name.to_string(),
        is_owner: role.is_owner,
        permissions: role.permissions,
        patterns: role.patterns.clone(),
    }
}

fn len(patterns: &[RepoPattern]) -> u64 {
    u64::try_from(patterns.len()).unwrap_or(u64::MAX)
}

async fn editable(
    tx: &mut WriteTx,
    grant: &Granted<perm::MembersAdmin, OrgId>,
    id: &RoleId,
    tags: Option<&[&str]>,
) -> Result<Role, RolesError> {
    let role = tx.role(grant, id).await?.ok_or(RolesError::Missing)?;
    if role.is_owner {
        return Err(RolesError::Owner);
    }
    if tags.is_some_and(|tags| !tags.contains(&role.tag().as_str())) {
        return Err(RolesError::Stale);
    }
    Ok(role)
}

fn taken(error: StoreError, name: &RoleName) -> RolesError {
    match error {
        StoreError::Conflict(_) => RolesError::NameTaken(name.clone()),
        other => other.into(),
    }
}
