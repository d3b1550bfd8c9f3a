//! Invitations: nobody gives by one what they do not have, neither when it is made nor when it is
//! accepted, and only the verified owner of the address accepts it.

mod answer;

use std::collections::BTreeSet;
use std::time::Duration;

use kici_model::audit::Action;
use kici_model::invites::Invite;
use kici_model::orgs::Org as Organization;
use kici_model::page::{Limit, Page};
use kici_model::text::Email;
use kici_model::{InviteId, RoleId};
use kici_rbac::escalation::{self, Escalation};
use kici_rbac::simulate::Assignments;
use kici_rbac::{Effective, perm};
use kici_store::StoreError;
use serde_json::json;

pub use answer::{accept, decline, pending};

use crate::mails::{Occasion, quoted};
use crate::ports::Mail;
use crate::{App, EnterError, Fault, Kind, ListError, Org, Trouble};

const LIST: &str = "invites";

/// How long an invitation is open.
pub const OPEN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The most invitations of one organisation that are open at once.
pub const MOST: u64 = 1_000;

/// Why something could not be done with an invitation.
#[derive(Debug, thiserror::Error)]
pub enum InvitesError {
    /// There is no such open invitation.
    #[error("There is no open invitation with this id")]
    Missing,
    /// The address is invited already.
    #[error("`{0}` is invited already; send that invitation again, or revoke it")]
    AlreadyInvited(Email),
    /// The address is a member's.
    #[error("`{0}` is a member already")]
    AlreadyMember(Email),
    /// Too many are open.
    #[error("{MOST} invitations are open, and no more can be; revoke some")]
    TooMany,
    /// Nobody has answered it in time.
    #[error("This invitation has expired; ask for a new one")]
    Expired,
    /// Its maker could not give any more what it gives.
    #[error("Whoever invited you can't give its roles any more; ask for a new invitation")]
    Void,
    /// There is no such role.
    #[error("This organization has no role `{0}`")]
    NoRole(RoleId),
    /// They would gain what the caller does not have.
    #[error(transparent)]
    Escalation(#[from] Escalation),
    /// It would have been made by nobody.
    #[error("Only a person, or the key of one, can invite somebody")]
    NoPerson,
    /// What the caller held has ended meanwhile.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for InvitesError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for InvitesError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing => Kind::Missing,
            Self::AlreadyInvited(_) | Self::AlreadyMember(_) | Self::TooMany => Kind::Conflict,
            Self::Expired => Kind::Gone,
            Self::Void => Kind::Conflict,
            Self::NoRole(_) => Kind::Invalid,
            Self::Escalation(_) | Self::NoPerson => Kind::Denied,
            Self::Enter(error) => error.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "not_found",
            Self::AlreadyInvited(_) => "already_invited",
            Self::AlreadyMember(_) => "already",
            Self::TooMany => "too_many_invites",
            Self::Expired => "invite_expired",
            Self::Void => "invite_void",
            Self::NoRole(_) => "not_there",
            Self::Escalation(_) => "escalation",
            Self::NoPerson => "person_required",
            Self::Enter(error) => error.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// An invitation that was sent, by mail or by whoever asked for it.
#[derive(Debug)]
pub struct Sent {
    /// The invitation.
    pub invite: Invite,
    /// Where it is answered; `None` while the server has no public address.
    pub link: Option<String>,
    /// Whether a mail went out; else somebody has to pass the link on.
    pub is_mailed: bool,
}

/// A page of the open invitations, oldest first.
///
/// # Errors
/// A tampered cursor, or the database fails.
pub async fn list(
    app: &App,
    org: &Org<perm::MembersRead>,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<Invite, String>, ListError> {
    let after = app.after(org.id().as_str(), LIST, cursor)?;
    let page = app.store.invites(org.grant(), after.as_ref(), limit).await?;
    Ok(app.page(org.id().as_str(), LIST, page))
}

/// Invites an address. Without roles it will have Member, while that exists.
///
/// # Errors
/// They would gain what the caller does not have, are a member or invited already, a role is not
/// there, or the server did not do its part.
pub async fn create(
    app: &App,
    org: &Org<perm::MembersWrite>,
    email: &Email,
    roles: BTreeSet<RoleId>,
) -> Result<Sent, InvitesError> {
    let (mut tx, org) = org.begin(app).await?;
    let chart = tx.org_chart(org.grant()).await?;
    let after = receives(&chart, &roles)?;
    escalation::check(org.effective(), &Effective::none(), &after)?;
    if tx.has_member_with(org.grant(), email).await? {
        return Err(InvitesError::AlreadyMember(email.clone()));
    }
    if tx.count_invites(org.grant()).await? >= MOST {
        return Err(InvitesError::TooMany);
    }
    let now = app.clock.now();
    let invite = Invite {
        id: InviteId::new(&*app.clock, &*app.entropy).map_err(Trouble::from)?,
        org: org.id().clone(),
        email: email.clone(),
        roles,
        invited_by: org.actor().person().ok_or(InvitesError::NoPerson)?.clone(),
        created_at: now,
        expires_at: now + OPEN,
    };
    tx.create_invite(org.grant(), &invite).await.map_err(|error| match error {
        StoreError::Conflict(_) => InvitesError::AlreadyInvited(email.clone()),
        other => other.into(),
    })?;
    let entry = org.audit(app, Action::InviteCreated, &invite.id)?;
    let roles: Vec<_> = invite.roles.iter().map(ToString::to_string).collect();
    let inviting = tx.inviting_org(org.grant()).await?.ok_or(InvitesError::Missing)?;
    tx.commit(entry.with(json!({"email": email.to_string(), "roleIds": roles}))).await?;
    Ok(send(app, &inviting, invite).await)
}

/// Sends an invitation again, which is open for 7 more days and from now on is the caller's: it is they
/// who must be able to give its roles when it is accepted.
///
/// # Errors
/// There is no such open one, its roles are more than the caller has, or the server did not do its
/// part.
pub async fn resend(
    app: &App,
    org: &Org<perm::MembersWrite>,
    id: &InviteId,
) -> Result<Sent, InvitesError> {
    let entry = org.audit(app, Action::InviteResent, id)?;
    let (mut tx, org) = org.begin(app).await?;
    let invite = tx.invite(org.grant(), id).await?.ok_or(InvitesError::Missing)?;
    let after = receives(&tx.org_chart(org.grant()).await?, &invite.roles)?;
    escalation::check(org.effective(), &Effective::none(), &after)?;
    let expires_at = app.clock.now() + OPEN;
    let invited_by = org.actor().person().ok_or(InvitesError::NoPerson)?.clone();
    let entry = entry.with(json!({"before": {"invitedBy": invite.invited_by.as_str()}}));
    let invite = Invite { expires_at, invited_by, ..invite };
    tx.renew_invite(org.grant(), &invite).await?;
    let inviting = tx.inviting_org(org.grant()).await?.ok_or(InvitesError::Missing)?;
    tx.commit(entry).await?;
    Ok(send(app, &inviting, invite).await)
}

/// Takes an invitation back.
///
/// # Errors
/// There is no such open one, or the server did not do its part.
pub async fn revoke(
    app: &App,
    org: &Org<perm::MembersWrite>,
    id: &InviteId,
) -> Result<(), InvitesError> {
    let entry = org.audit(app, Action::InviteRevoked, id)?;
    let (mut tx, org) = org.begin(app).await?;
    if !tx.revoke_invite(org.grant(), id, app.clock.now()).await? {
        return Err(InvitesError::Missing);
    }
    Ok(tx.commit(entry).await?)
}

/// What somebody new will be able to do with these roles, or with Member where there are none.
pub(crate) fn receives(
    chart: &Assignments,
    roles: &BTreeSet<RoleId>,
) -> Result<Effective, InvitesError> {
    let roles = resolved(chart, roles)?;
    Ok(chart.of_roles(roles.iter().map(RoleId::as_str)))
}

/// Whether a role of this name is what an invitation without roles gives.
pub(crate) fn is_for_the_invited(name: &str) -> bool {
    name.eq_ignore_ascii_case("Member")
}

/// The roles that an invitation means by now.
pub(crate) fn resolved(
    chart: &Assignments,
    roles: &BTreeSet<RoleId>,
) -> Result<BTreeSet<RoleId>, InvitesError> {
    let gone = roles.iter().find(|id| chart.roles.iter().all(|known| known.id != id.as_str()));
    if let Some(role) = gone {
        return Err(InvitesError::NoRole(role.clone()));
    }
    if !roles.is_empty() {
        return Ok(roles.clone());
    }
    let is_member = |role: &&kici_rbac::Role| is_for_the_invited(&role.name);
    let member = chart.roles.iter().find(is_member).and_then(|role| role.id.parse().ok());
    Ok(member.into_iter().collect())
}

/// Mails a stored invitation; the answer says whether that worked. The subject is fixed: in a subject a
/// name that people have chosen would read as words of the platform.
async fn send(app: &App, org: &Organization, invite: Invite) -> Sent {
    let base = app.settings.public_url.as_deref();
    let link = base.map(|base| format!("{base}/invites/{}", invite.id));
    let mail = Mail {
        to: invite.email.clone(),
        subject: "Invitation to an organization on KiCI Platform".to_owned(),
        text: format!(
            "You are invited to an organization on KiCI Platform, which its members call {}.\n\n{}\n\n\
             Sign in with this address to accept or decline, until {}. If you did not expect this, do \
             nothing.\n",
            quoted(org.name.as_str()),
            link.as_deref().unwrap_or("Sign in to see the invitation."),
            invite.expires_at,
        ),
    };
    let occasion = Occasion::Invitation { org, inviter: &invite.invited_by };
    let is_mailed = app.mail(occasion, &mail).await;
    if !is_mailed {
        tracing::info!(invite = %invite.id, link, "invitation not mailed; pass its link on");
    }
    Sent { invite, link, is_mailed }
}
