//! Who belongs to an organisation, and with which roles. Nobody gives what they do not have, only an
//! owner acts on an owner, and an organisation always has an owner who is not suspended.

use kici_model::audit::Action;
use kici_model::{OrgId, RoleId, UserId};
use kici_rbac::escalation::{self, Escalation};
use kici_rbac::simulate::{Change, NotThere, simulate};
use kici_rbac::{Effective, Granted, perm};
use kici_store::{NewMember, StoreError, WriteTx};

use crate::{App, EnterError, Fault, Kind, Org, Trouble};

/// Why something could not be done with a member.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// They are a member already, or have the role already.
    #[error("That is so already")]
    Already,
    /// There is no such member, or role.
    #[error("{0}")]
    NotThere(#[from] NotThere),
    /// There is no such member.
    #[error("This organization has no member `{0}`")]
    NoMember(UserId),
    /// They don't have the role.
    #[error("The member `{0}` does not have this role, or is no member")]
    NoRole(UserId),
    /// They are the last one.
    #[error("An organization keeps at least one owner who is not suspended, and this is the last")]
    LastOwner,
    /// They are an owner and the caller is not.
    #[error("Only an owner can do this to an owner")]
    OwnersOnly,
    /// They would gain what the caller does not have.
    #[error(transparent)]
    Escalation(#[from] Escalation),
    /// What the caller held has ended meanwhile.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for MembersError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => Self::Already,
            other => Self::Trouble(other.into()),
        }
    }
}

impl Fault for MembersError {
    fn kind(&self) -> Kind {
        match self {
            Self::Already | Self::LastOwner => Kind::Conflict,
            Self::NotThere(_) => Kind::Invalid,
            Self::NoMember(_) | Self::NoRole(_) => Kind::Missing,
            Self::OwnersOnly | Self::Escalation(_) => Kind::Denied,
            Self::Enter(error) => error.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Already => "already",
            Self::NotThere(_) => "not_there",
            Self::NoMember(_) | Self::NoRole(_) => "not_found",
            Self::LastOwner => "last_owner",
            Self::OwnersOnly => "owners_only",
            Self::Escalation(_) => "escalation",
            Self::Enter(error) => error.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// Makes a known person a member, without any role yet.
///
/// # Errors
/// They are one already, or the server did not do its part.
pub async fn add(
    app: &App,
    org: &Org<perm::MembersAdmin>,
    user: &UserId,
) -> Result<(), MembersError> {
    let entry = org.audit(app, Action::MemberAdded, user)?;
    let (mut tx, org) = org.begin(app).await?;
    tx.add_member(org.grant(), NewMember { user, joined_at: app.clock.now() }).await?;
    Ok(tx.commit(entry).await?)
}

/// Assigns a role to a member.
///
/// # Errors
/// They would gain what the caller does not have, they have it already, either is not there, or the
/// server did not do its part.
pub async fn assign_role(
    app: &App,
    org: &Org<perm::MembersAdmin>,
    user: &UserId,
    role: &RoleId,
) -> Result<(), MembersError> {
    let entry = org.audit(app, Action::RoleAssigned, user)?;
    let (mut tx, org) = org.begin(app).await?;
    may_act_on(&mut tx, &org, user).await?;
    let change = Change::Assign { role: role.to_string(), person: user.to_string() };
    for person in simulate(&tx.org_chart(org.grant()).await?, &change)? {
        person.check(org.effective())?;
    }
    tx.assign_role(org.grant(), user, role).await?;
    Ok(tx.commit(entry).await?)
}

/// Takes a role from a member.
///
/// # Errors
/// It is the last owner's Owner, the caller is no owner and the member is one, either is not there,
/// or the server did not do its part.
pub async fn unassign_role(
    app: &App,
    org: &Org<perm::MembersAdmin>,
    user: &UserId,
    role: &RoleId,
) -> Result<(), MembersError> {
    let entry = org.audit(app, Action::RoleUnassigned, user)?;
    let (mut tx, org) = org.begin(app).await?;
    may_act_on(&mut tx, &org, user).await?;
    if !tx.unassign_role(org.grant(), user, role).await? {
        return Err(MembersError::NoRole(user.clone()));
    }
    still_owned(&mut tx, org.grant()).await?;
    Ok(tx.commit(entry).await?)
}

/// Suspends a member: from their next request on they are refused.
///
/// # Errors
/// They are the last owner, the caller is no owner and they are one, there is no such member, or the
/// server did not do its part.
pub async fn suspend(
    app: &App,
    org: &Org<perm::MembersAdmin>,
    user: &UserId,
) -> Result<(), MembersError> {
    let entry = org.audit(app, Action::MemberSuspended, user)?;
    let (mut tx, org) = org.begin(app).await?;
    may_act_on(&mut tx, &org, user).await?;
    if !tx.suspend_member(org.grant(), user, Some(app.clock.now())).await? {
        return Err(MembersError::NoMember(user.clone()));
    }
    still_owned(&mut tx, org.grant()).await?;
    Ok(tx.commit(entry).await?)
}

/// Lets a suspended member back in.
///
/// # Errors
/// The caller is no owner and they are one, there is no such member, or the server did not do its
/// part.
pub async fn unsuspend(
    app: &App,
    org: &Org<perm::MembersAdmin>,
    user: &UserId,
) -> Result<(), MembersError> {
    let entry = org.audit(app, Action::MemberUnsuspended, user)?;
    let (mut tx, org) = org.begin(app).await?;
    may_act_on(&mut tx, &org, user).await?;
    // They get back what they had, which must not be more than the caller has.
    let back = Effective::from_roles(&tx.org_chart(org.grant()).await?.roles_of(user.as_str()));
    escalation::check(org.effective(), &Effective::none(), &back)?;
    if !tx.suspend_member(org.grant(), user, None).await? {
        return Err(MembersError::NoMember(user.clone()));
    }
    Ok(tx.commit(entry).await?)
}

/// Removes a member together with their roles, team memberships and API keys.
///
/// # Errors
/// They are the last owner, the caller is no owner and they are one, there is no such member, or the
/// server did not do its part.
pub async fn remove(
    app: &App,
    org: &Org<perm::MembersAdmin>,
    user: &UserId,
) -> Result<(), MembersError> {
    let entry = org.audit(app, Action::MemberRemoved, user)?;
    let (mut tx, org) = org.begin(app).await?;
    may_act_on(&mut tx, &org, user).await?;
    if !tx.remove_member(org.grant(), user, app.clock.now()).await? {
        return Err(MembersError::NoMember(user.clone()));
    }
    still_owned(&mut tx, org.grant()).await?;
    Ok(tx.commit(entry).await?)
}

async fn may_act_on(
    tx: &mut WriteTx,
    org: &Org<perm::MembersAdmin>,
    user: &UserId,
) -> Result<(), MembersError> {
    let is_owner = tx.owners(org.grant()).await?.iter().any(|owner| owner.user == *user);
    if is_owner && !org.effective().is_owner() {
        return Err(MembersError::OwnersOnly);
    }
    Ok(())
}

/// Looked at after the change and before the commit: whatever the way, an owner must be left.
async fn still_owned(
    tx: &mut WriteTx,
    grant: &Granted<perm::MembersAdmin, OrgId>,
) -> Result<(), MembersError> {
    if tx.owners(grant).await?.iter().any(|owner| !owner.is_suspended) {
        Ok(())
    } else {
        Err(MembersError::LastOwner)
    }
}
