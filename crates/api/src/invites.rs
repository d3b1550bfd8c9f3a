//! `/orgs/{org}/invites`

use std::collections::BTreeSet;
use std::sync::Arc;

use kici_domain::App;
use kici_domain::invites::{self, Sent};
use kici_model::text::Email;
use kici_model::{InviteId, RoleId, invites as model};
use kici_rbac::perm;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::body::{Body, Fields, Form};
use crate::me::Interactive;
use crate::members::MOST_ROLES;
use crate::org::Org;
use crate::page;
use crate::problem::ApiError;
use crate::routes::{Platform, Tag};
use crate::text::Txt;

/// An invitation that nobody has answered yet.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Invite {
    /// Its id.
    id: String,
    /// Who is invited.
    email: String,
    /// The roles that they will have; none means the role Member, while that exists.
    role_ids: Vec<String>,
    /// Who invited them.
    invited_by: String,
    /// When.
    created_at: String,
    /// From this time on it can't be accepted.
    expires_at: String,
}

/// The open invitations.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct InviteList {
    /// Oldest first; those that have expired too.
    invites: Vec<Invite>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

/// Whom to invite.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct InviteCreate {
    /// Their address. Only who has signed in with it, verified, can accept.
    email: String,
    /// The roles that they will have, which must lie within what you hold; the role Member, if left
    /// out.
    role_ids: Option<Vec<Txt<RoleId>>>,
}

/// An invitation that was sent.
#[derive(Debug, Object)]
pub(crate) struct InviteSent {
    /// The invitation.
    invite: Invite,
    /// Where it is answered; it holds no secret. `null` while the server has no public address.
    link: Option<String>,
    /// Whether a mail went out; else pass the link on.
    mailed: bool,
}

#[derive(ApiResponse)]
pub(crate) enum Created {
    /// They are invited.
    #[oai(status = 201)]
    Created(Json<InviteSent>),
}

#[derive(ApiResponse)]
pub(crate) enum Ended {
    /// The invitation is no longer open.
    #[oai(status = 204)]
    Ended,
}

impl Form for InviteCreate {
    type Command = (Email, BTreeSet<RoleId>);

    fn read(fields: &mut Fields) -> Option<Self::Command> {
        let email: Option<Email> = fields.required("email");
        if email.as_ref().is_some_and(|email| !email.to_string().is_ascii()) {
            let message = "only an address of ASCII characters can be verified, and so invited";
            fields.refuse("email", message.to_owned());
        }
        let roles = match fields.is_given("roleIds") {
            true => fields.set("roleIds", MOST_ROLES),
            false => Some(BTreeSet::new()),
        };
        Some((email?, roles?))
    }
}

pub(crate) struct Invites;

#[OpenApi(prefix_path = "/orgs/:org", tag = "Tag::Invites")]
impl Invites {
    /// The open invitations.
    #[oai(path = "/invites", method = "get", operation_id = "invites_list")]
    async fn list(
        &self,
        org: Org<perm::MembersRead>,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<InviteList>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page = invites::list(&app, &org, limit, cursor.0.as_deref()).await?;
        Ok(Json(InviteList {
            invites: page.items.into_iter().map(Invite::from).collect(),
            next_cursor: page.next,
        }))
    }

    /// Invite somebody by their address, for 7 days.
    #[oai(path = "/invites", method = "post", operation_id = "invites_create")]
    async fn create(
        &self,
        org: Org<perm::MembersWrite>,
        platform: Data<&Arc<Platform>>,
        body: Body<InviteCreate>,
    ) -> Result<Created, ApiError> {
        // A task of its own: a caller that hangs up must not leave an invitation without its mail.
        let (app, org, (email, roles)) = (platform.app.clone(), org.into_inner(), body.0);
        let create = async move { invites::create(&app, &org, &email, roles).await };
        let sent = platform.finish(create).await??;
        Ok(Created::Created(Json(sent.into())))
    }

    /// Send an invitation again; it is open for 7 more days, and yours from now on.
    #[oai(path = "/invites/:invite/resend", method = "post", operation_id = "invites_resend")]
    async fn resend(
        &self,
        org: Org<perm::MembersWrite>,
        invite: Path<Txt<InviteId>>,
        platform: Data<&Arc<Platform>>,
    ) -> Result<Json<InviteSent>, ApiError> {
        // A task of its own, as in `create`.
        let (app, org) = (platform.app.clone(), org.into_inner());
        let resend = async move { invites::resend(&app, &org, &invite.0.0).await };
        Ok(Json(platform.finish(resend).await??.into()))
    }

    /// Take an invitation back.
    #[oai(path = "/invites/:invite", method = "delete", operation_id = "invites_revoke")]
    async fn revoke(
        &self,
        org: Org<perm::MembersWrite>,
        invite: Path<Txt<InviteId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Ended, ApiError> {
        invites::revoke(&app, &org, &invite.0.0).await?;
        Ok(Ended::Ended)
    }
}

/// An invitation, for the person who is invited.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct PendingInvite {
    /// Its id.
    id: String,
    /// The organization.
    org_id: String,
    /// What it is called.
    org_name: String,
    /// Your address that was invited.
    email: String,
    /// When.
    created_at: String,
    /// From this time on it can't be accepted.
    expires_at: String,
}

/// Your open invitations.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct PendingInviteList {
    /// Newest first; those that have expired too.
    invites: Vec<PendingInvite>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

/// You are a member.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct InviteAccepted {
    /// Of this organization.
    org_id: String,
}

pub(crate) struct PendingInvites;

#[OpenApi(tag = "Tag::Invites")]
impl PendingInvites {
    /// Your open invitations: those to the address that your identity provider has verified.
    #[oai(path = "/invites/pending", method = "get", operation_id = "invites_pending")]
    async fn pending(
        &self,
        me: Interactive,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<PendingInviteList>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page = invites::pending(&app, &me, limit, cursor.0.as_deref()).await?;
        Ok(Json(PendingInviteList {
            invites: page.items.into_iter().map(Into::into).collect(),
            next_cursor: page.next,
        }))
    }

    /// Accept an invitation. Whoever made it must be able to give its roles still.
    #[oai(path = "/invites/:invite/accept", method = "post", operation_id = "invites_accept")]
    async fn accept(
        &self,
        me: Interactive,
        invite: Path<Txt<InviteId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Json<InviteAccepted>, ApiError> {
        let accepted = invites::accept(&app, &me, &invite.0.0).await?;
        Ok(Json(InviteAccepted { org_id: accepted.org.to_string() }))
    }

    /// Decline an invitation.
    #[oai(path = "/invites/:invite/decline", method = "post", operation_id = "invites_decline")]
    async fn decline(
        &self,
        me: Interactive,
        invite: Path<Txt<InviteId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Ended, ApiError> {
        invites::decline(&app, &me, &invite.0.0).await?;
        Ok(Ended::Ended)
    }
}

impl From<model::PendingInvite> for PendingInvite {
    fn from(pending: model::PendingInvite) -> Self {
        let model::PendingInvite { invite, org_name } = pending;
        Self {
            id: invite.id.to_string(),
            org_id: invite.org.to_string(),
            org_name: org_name.to_string(),
            email: invite.email.to_string(),
            created_at: invite.created_at.to_string(),
            expires_at: invite.expires_at.to_string(),
        }
    }
}

impl From<model::Invite> for Invite {
    fn from(invite: model::Invite) -> Self {
        Self {
            id: invite.id.to_string(),
            email: invite.email.to_string(),
            role_ids: invite.roles.iter().map(ToString::to_string).collect(),
            invited_by: invite.invited_by.to_string(),
            created_at: invite.created_at.to_string(),
            expires_at: invite.expires_at.to_string(),
        }
    }
}

impl From<Sent> for InviteSent {
    fn from(sent: Sent) -> Self {
        Self { invite: sent.invite.into(), link: sent.link, mailed: sent.is_mailed }
    }
}
