//! `/orgs/{org}/members`

use std::collections::BTreeSet;
use std::sync::Arc;

use kici_domain::App;
use kici_domain::founding::real;
use kici_domain::members::{self, Listed};
use kici_model::identity_links::Account;
use kici_model::{RoleId, UserId};
use kici_rbac::{Level, perm};
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::body::{Body, Fields, Form};
use crate::org::Org;
use crate::page;
use crate::problem::ApiError;
use crate::routes::Tag;
use crate::text::Txt;

/// The most roles that somebody can have assigned.
pub(crate) const MOST_ROLES: usize = 100;

/// Somebody who belongs to the organization.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Member {
    /// Their id.
    user_id: String,
    /// Their address.
    email: Option<String>,
    /// What they want to be called.
    display_name: Option<String>,
    /// The names of the roles that are assigned to them, those of their teams aside.
    roles: Vec<String>,
    /// The same roles with their ids.
    role_assignments: Vec<MemberRole>,
    /// Since when they are suspended; `null` where they are not.
    suspended_at: Option<String>,
    /// Since when they are a member.
    joined_at: String,
    /// How far CI trusts them: what was set, or what their roles say.
    ci_trust_level: String,
    /// Whether that was set for them.
    ci_trust_is_set: bool,
    /// Their accounts at providers.
    identity_links: Vec<MemberIdentity>,
}

/// A role that is assigned to a member.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct MemberRole {
    /// Its id.
    role_id: String,
    /// Its name.
    role_name: String,
    /// Whether it is Owner.
    is_owner: bool,
}

/// An account at a provider.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct MemberIdentity {
    /// Such as `github`.
    provider: String,
    /// The account's name there.
    provider_username: String,
}

/// A page of the members.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct MemberPage {
    /// Those who joined first at its head.
    members: Vec<Member>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

/// The roles that a member shall have.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct MemberRoles {
    /// All of them: at most 100 ids, none for no role.
    role_ids: Vec<Txt<RoleId>>,
}

/// How far CI shall trust a member.
#[derive(Debug, Object)]
pub(crate) struct MemberCiTrust {
    /// `none`, `read`, `write` or `admin`; `null` leaves it to their roles.
    level: Option<String>,
}

#[derive(ApiResponse)]
pub(crate) enum Changed {
    /// It is so now.
    #[oai(status = 204)]
    Changed,
}

impl Form for MemberRoles {
    type Command = BTreeSet<RoleId>;

    fn read(fields: &mut Fields) -> Option<BTreeSet<RoleId>> {
        fields.set("roleIds", MOST_ROLES)
    }
}

impl Form for MemberCiTrust {
    type Command = Option<Level>;

    fn read(fields: &mut Fields) -> Option<Option<Level>> {
        if !fields.has("level") {
            fields.refuse("level", "is missing; `null` leaves it to their roles".to_owned());
        }
        let level = fields.optional_word::<Level>("level")?;
        if level == Some(Level::ReadPayload) {
            fields.refuse("level", "must be `none`, `read`, `write` or `admin`".to_owned());
            return None;
        }
        Some(level)
    }
}

pub(crate) struct Members;

#[OpenApi(prefix_path = "/orgs/:org", tag = "Tag::Members")]
impl Members {
    /// Who belongs to the organization.
    #[oai(path = "/members", method = "get", operation_id = "members_list")]
    async fn list(
        &self,
        org: Org<perm::MembersRead>,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 50 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<MemberPage>, ApiError> {
        let limit = page::limit(limit.0)?;
        let page = members::list(&app, &org, limit, cursor.0.as_deref()).await?;
        let members = page.items.into_iter().map(Member::from).collect();
        Ok(Json(MemberPage { members, next_cursor: page.next }))
    }

    /// Give a member these roles and no others. They may not gain what you don't have.
    #[oai(path = "/members/:user/roles", method = "put", operation_id = "members_set_roles")]
    async fn set_roles(
        &self,
        org: Org<perm::MembersAdmin>,
        user: Path<Txt<UserId>>,
        app: Data<&Arc<App>>,
        body: Body<MemberRoles>,
    ) -> Result<Changed, ApiError> {
        members::set_roles(&app, &org, &user.0.0, &body.0).await?;
        Ok(Changed::Changed)
    }

    /// Suspend a member: from their next request on they are refused.
    #[oai(path = "/members/:user/suspend", method = "post", operation_id = "members_suspend")]
    async fn suspend(
        &self,
        org: Org<perm::MembersAdmin>,
        user: Path<Txt<UserId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Changed, ApiError> {
        members::suspend(&app, &org, &user.0.0).await?;
        Ok(Changed::Changed)
    }

    /// Let a suspended member back in. They may not get back more than you have.
    #[oai(path = "/members/:user/unsuspend", method = "post", operation_id = "members_unsuspend")]
    async fn unsuspend(
        &self,
        org: Org<perm::MembersAdmin>,
        user: Path<Txt<UserId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Changed, ApiError> {
        members::unsuspend(&app, &org, &user.0.0).await?;
        Ok(Changed::Changed)
    }

    /// Remove a member together with their roles, team memberships and API keys.
    #[oai(path = "/members/:user", method = "delete", operation_id = "members_remove")]
    async fn remove(
        &self,
        org: Org<perm::MembersAdmin>,
        user: Path<Txt<UserId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Changed, ApiError> {
        members::remove(&app, &org, &user.0.0).await?;
        Ok(Changed::Changed)
    }

    /// Set how far CI trusts a member.
    #[oai(path = "/members/:user/ci-trust", method = "put", operation_id = "members_set_ci_trust")]
    async fn set_ci_trust(
        &self,
        org: Org<perm::CiTrustAdmin>,
        user: Path<Txt<UserId>>,
        app: Data<&Arc<App>>,
        body: Body<MemberCiTrust>,
    ) -> Result<Changed, ApiError> {
        members::set_ci_trust(&app, &org, &user.0.0, body.0).await?;
        Ok(Changed::Changed)
    }

    /// Leave the organization, with all that you have in it. The last owner stays.
    #[oai(path = "/leave", method = "post", operation_id = "members_leave")]
    async fn leave(
        &self,
        org: Org<perm::Membership>,
        app: Data<&Arc<App>>,
    ) -> Result<Changed, ApiError> {
        members::leave(&app, &org).await?;
        Ok(Changed::Changed)
    }
}

impl From<Account> for MemberIdentity {
    fn from(account: Account) -> Self {
        Self { provider: account.provider.to_string(), provider_username: account.name.to_string() }
    }
}

impl From<Listed> for Member {
    fn from(listed: Listed) -> Self {
        let Listed { member, roles, ci_trust, accounts } = listed;
        Self {
            user_id: member.user.id.to_string(),
            email: real(&member.user.email).map(ToString::to_string),
            display_name: Some(member.user.name.to_string()),
            roles: roles.iter().map(|role| role.name.clone()).collect(),
            role_assignments: roles
                .into_iter()
                .map(|role| MemberRole {
                    role_id: role.id,
                    role_name: role.name,
                    is_owner: role.is_owner,
                })
                .collect(),
            suspended_at: member.suspended_at.map(|at| at.to_string()),
            joined_at: member.joined_at.to_string(),
            ci_trust_level: ci_trust.to_string(),
            ci_trust_is_set: member.ci_trust.is_some(),
            identity_links: accounts.into_iter().map(MemberIdentity::from).collect(),
        }
    }
}
