//! Becoming a member, and having roles.

use std::collections::BTreeSet;

use kici_model::audit::Action;
use kici_model::{RoleId, UserId};
use kici_rbac::{Effective, escalation, perm};
use kici_store::NewMember;
use serde_json::json;

use super::{MembersError, may_act_on, still_owned};
use crate::{App, Org, quotas};

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

/// Gives a member these roles and no others.
///
/// # Errors
/// They would gain what the caller does not have, or have too many roles, the last owner would lose Owner, the caller is no
/// owner and they are one, somebody or something is not there, or the server did not do its part.
pub async fn set_roles(
    app: &App,
    org: &Org<perm::MembersAdmin>,
    user: &UserId,
    roles: &BTreeSet<RoleId>,
) -> Result<(), MembersError> {
    let (mut tx, org) = org.begin(app).await?;
    let mut chart = tx.org_chart(org.grant()).await?;
    let before = Effective::from_roles(&chart.roles_of(user.as_str()));
    let unknown = roles.iter().find(|id| chart.roles.iter().all(|known| known.id != id.as_str()));
    let Some(person) = chart.people.iter_mut().find(|person| person.id == user.as_str()) else {
        return Err(MembersError::NoMember(user.clone()));
    };
    if let Some(role) = unknown {
        return Err(MembersError::NoRole(role.clone()));
    }
    let wanted = roles.iter().map(ToString::to_string).collect();
    let had = std::mem::replace(&mut person.roles, wanted);
    if roles.len() > had.len() {
        quotas::WAYS.keeps(quotas::ways(&chart, user.as_str()))?;
    }
    may_act_on(&mut tx, &org, user).await?;
    let after = Effective::from_roles(&chart.roles_of(user.as_str()));
    escalation::check(org.effective(), &before, &after)?;
    tx.set_roles(org.grant(), user, roles).await?;
    still_owned(&mut tx, org.grant()).await?;
    let entry = org.audit(app, Action::MemberRolesSet, user)?;
    let ids: Vec<_> = roles.iter().map(ToString::to_string).collect();
    Ok(tx.commit(entry.with(json!({"before": had, "after": ids}))).await?)
}
