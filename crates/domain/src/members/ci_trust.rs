//! How far CI trusts a member.

use kici_model::UserId;
use kici_model::audit::Action;
use kici_rbac::{Level, perm};
use serde_json::json;

use super::{MembersError, may_act_on};
use crate::{App, Org};

/// Sets how far CI trusts a member, or leaves it to their roles with `None`.
///
/// # Errors
/// The caller is no owner and they are one, there is no such member, or the server did not do its
/// part.
pub async fn set_ci_trust(
    app: &App,
    org: &Org<perm::CiTrustAdmin>,
    user: &UserId,
    level: Option<Level>,
) -> Result<(), MembersError> {
    let (mut tx, org) = org.begin(app).await?;
    may_act_on(&mut tx, &org, user).await?;
    let before = tx.set_ci_trust(org.grant(), user, level).await?;
    let before = before.ok_or_else(|| MembersError::NoMember(user.clone()))?;
    let entry = org.audit(app, Action::MemberCiTrustSet, user)?;
    let told = |level: Option<Level>| json!({"level": level.map(Level::as_str)});
    Ok(tx.commit(entry.with(json!({"before": told(before), "after": told(level)}))).await?)
}
