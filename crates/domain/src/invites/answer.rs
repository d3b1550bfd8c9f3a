//! The answer of who is invited: only they give it, signed in, and by an address that the identity
//! provider has verified.

use kici_model::InviteId;
use kici_model::audit::Action;
use kici_model::invites::{Invite, PendingInvite, Settled};
use kici_model::orgs::OrgState;
use kici_model::page::{Limit, Page};
use kici_rbac::{Effective, SystemTask, escalation, perm};
use kici_store::{NewMember, StoreError};
use serde_json::json;

use super::{InvitesError, receives, resolved};
use crate::access::Interactive;
use crate::{App, EnterError, ListError, access};

const LIST: &str = "pending-invites";

/// A page of the open invitations of a person, newest first; those that have expired too.
///
/// # Errors
/// A tampered cursor, or the database fails.
pub async fn pending(
    app: &App,
    me: &Interactive,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<PendingInvite, String>, ListError> {
    let after = app.after(me.id().as_str(), LIST, cursor)?;
    let page = app.store.pending_invites(me.grant(), after.as_ref(), limit).await?;
    Ok(app.page(me.id().as_str(), LIST, page))
}

/// Makes the person a member, with the roles of the invitation. Whoever invited them must be able to
/// give these still.
///
/// # Errors
/// There is no such open invitation for them, it has expired, its maker can't give its roles any
/// more, they are a member already, or the server did not do its part.
pub async fn accept(app: &App, me: &Interactive, id: &InviteId) -> Result<Invite, InvitesError> {
    let mut tx = me.begin(app).await?;
    let invite = tx.pending_invite(me.grant(), id).await?.ok_or(InvitesError::Missing)?;
    let now = app.clock.now();
    if now >= invite.expires_at {
        return Err(InvitesError::Expired);
    }
    let access = access::task(invite.org.clone(), SystemTask::AcceptInvites);
    let members = access.require::<perm::MembersAdmin>().map_err(EnterError::from)?;
    match tx.lock_org(&members).await? {
        None => return Err(InvitesError::Missing),
        Some(OrgState::Disabled { at }) => return Err(EnterError::Disabled { at }.into()),
        Some(OrgState::Active) => {}
    }
    let chart = tx.org_chart(&members).await?;
    let giver = match tx.is_active_member(&members, &invite.invited_by).await? {
        true => Effective::from_roles(&chart.roles_of(invite.invited_by.as_str())),
        false => Effective::none(),
    };
    let after = receives(&chart, &invite.roles).map_err(|_| InvitesError::Void)?;
    escalation::check(&giver, &Effective::none(), &after).map_err(|_| InvitesError::Void)?;
    let roles = resolved(&chart, &invite.roles)?;
    let joined = tx.add_member(&members, NewMember { user: me.id(), joined_at: now }).await;
    joined.map_err(|error| match error {
        StoreError::Conflict(_) => InvitesError::AlreadyMember(invite.email.clone()),
        other => other.into(),
    })?;
    tx.set_roles(&members, me.id(), &roles).await?;
    if !tx.settle_invite(me.grant(), id, Settled::Accepted, now).await? {
        return Err(InvitesError::Missing);
    }
    let entry = me.audit_in(app, &invite.org, Action::InviteAccepted, id)?;
    let roles: Vec<_> = roles.iter().map(ToString::to_string).collect();
    let details = json!({"invitedBy": invite.invited_by.as_str(), "roleIds": roles});
    tx.commit(entry.with(details)).await?;
    Ok(invite)
}

/// Ends an invitation without becoming a member.
///
/// # Errors
/// There is no such open invitation for them, or the server did not do its part.
pub async fn decline(app: &App, me: &Interactive, id: &InviteId) -> Result<(), InvitesError> {
    let mut tx = me.begin(app).await?;
    let invite = tx.pending_invite(me.grant(), id).await?.ok_or(InvitesError::Missing)?;
    if !tx.settle_invite(me.grant(), id, Settled::Declined, app.clock.now()).await? {
        return Err(InvitesError::Missing);
    }
    let entry = me.audit_in(app, &invite.org, Action::InviteDeclined, id)?;
    Ok(tx.commit(entry).await?)
}
