//! The end of a membership: by others, and by oneself.

use kici_model::UserId;
use kici_model::audit::{Action, Actor};
use kici_rbac::perm;
use kici_store::Removed;
use serde_json::{Value, json};

use super::{MembersError, may_act_on, still_owned};
use crate::{App, Org};

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
    let removed = tx.remove_member(org.grant(), user, app.clock.now()).await?;
    let removed = removed.ok_or_else(|| MembersError::NoMember(user.clone()))?;
    still_owned(&mut tx, org.grant()).await?;
    Ok(tx.commit(entry.with(told(&removed))).await?)
}

/// Lets the caller leave, as if somebody had removed them.
///
/// # Errors
/// They are the last owner, or no person, their token has bounds, or the server did not do its part.
pub async fn leave(app: &App, org: &Org<perm::Membership>) -> Result<(), MembersError> {
    let Actor::User { id: user, .. } = org.actor() else {
        return Err(MembersError::PersonRequired);
    };
    if org.is_limited() {
        return Err(MembersError::Limited);
    }
    let entry = org.audit(app, Action::MemberLeft, user)?;
    let (mut tx, org) = org.begin(app).await?;
    let left = tx.leave(org.grant(), user, app.clock.now()).await?;
    let left = left.ok_or_else(|| MembersError::NoMember(user.clone()))?;
    still_owned(&mut tx, org.grant()).await?;
    Ok(tx.commit(entry.with(told(&left))).await?)
}

/// What they had.
fn told(removed: &Removed) -> Value {
    json!({"before": {"roles": removed.roles, "teams": removed.teams}})
}
