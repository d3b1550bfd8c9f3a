//! Shutting a member out for a while, and letting them back in.

use kici_model::UserId;
use kici_model::audit::Action;
use kici_rbac::{Effective, escalation, perm};

use super::{MembersError, may_act_on, still_owned};
use crate::{App, Org};

/// Suspends a member: from their next request on they are refused. One who is suspended stays so,
/// since the time when it began.
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
/// The caller is no owner and they are one, they would get back more than the caller has, there is
/// no such member, or the server did not do its part.
pub async fn unsuspend(
    app: &App,
    org: &Org<perm::MembersAdmin>,
    user: &UserId,
) -> Result<(), MembersError> {
    let entry = org.audit(app, Action::MemberUnsuspended, user)?;
    let (mut tx, org) = org.begin(app).await?;
    may_act_on(&mut tx, &org, user).await?;
    let back = Effective::from_roles(&tx.org_chart(org.grant()).await?.roles_of(user.as_str()));
    escalation::check(org.effective(), &Effective::none(), &back)?;
    if !tx.suspend_member(org.grant(), user, None).await? {
        return Err(MembersError::NoMember(user.clone()));
    }
    Ok(tx.commit(entry).await?)
}
