//! `/orgs/{org}/roles`

use std::sync::Arc;

use kici_domain::App;
use kici_domain::roles::{self, NewRole, RoleChange};
use kici_model::text::RoleName;
use kici_model::{RoleId, roles as model};
use kici_rbac::{RepoPattern, perm};
use poem::web::Data;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::body::{Body, Fields, Form};
use crate::etag;
use crate::matrix::Permissions;
use crate::org::Org;
use crate::page;
use crate::problem::ApiError;
use crate::routes::Tag;
use crate::text::Txt;

pub(crate) mod simulate;

/// A role.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Role {
    /// Its id.
    id: String,
    /// Its name, unique in the organization without regard to case.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// Whether it is the built-in Owner, which can't be changed.
    is_owner: bool,
    /// What it gives.
    permissions: Permissions,
    /// In which repositories; `*` alone is all of them.
    repo_patterns: Vec<String>,
    /// When it was made.
    created_at: String,
}

/// All roles.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct RoleList {
    /// By name.
    roles: Vec<Role>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

/// A role to be made.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct RoleCreate {
    /// Its name: 1 to 100 characters.
    name: String,
    /// What it is for: at most 500 characters.
    description: Option<String>,
    /// What it gives.
    permissions: Permissions,
    /// In which repositories: 1 to 100 patterns; `*` if left out.
    repo_patterns: Option<Vec<String>>,
}

/// What to change about a role; what is left out stays as it is.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct RoleUpdate {
    /// Another name.
    name: Option<String>,
    /// Another description; `null` is none.
    description: Option<String>,
    /// Other permissions, as a whole.
    permissions: Option<Permissions>,
    /// Other patterns, as a whole.
    repo_patterns: Option<Vec<String>>,
}

/// The name of a copy.
#[derive(Debug, Object)]
pub(crate) struct RoleClone {
    /// Its name: 1 to 100 characters.
    name: String,
}

/// A role to begin with.
#[derive(Debug, Object)]
pub(crate) struct RoleTemplate {
    /// Stands for it in programs.
    key: String,
    /// What the role would be called.
    name: String,
    /// What it is for.
    description: String,
    /// What it gives.
    permissions: Permissions,
}

/// All templates.
#[derive(Debug, Object)]
pub(crate) struct RoleTemplates {
    /// By how much they give.
    templates: Vec<RoleTemplate>,
}

/// What a deleted role took along.
#[derive(Debug, Object)]
pub(crate) struct RoleDeleted {
    /// How many members had it assigned.
    members: u64,
    /// How many teams had it granted.
    teams: u64,
}

#[derive(ApiResponse)]
pub(crate) enum Found {
    /// The role, and what stands for it as it is now.
    #[oai(status = 200)]
    Found(Json<Role>, #[oai(header = "ETag")] String),
}

#[derive(ApiResponse)]
pub(crate) enum Created {
    /// The role was made.
    #[oai(status = 201)]
    Created(Json<Role>, #[oai(header = "ETag")] String),
}

impl Form for RoleCreate {
    type Command = NewRole;

    fn read(fields: &mut Fields) -> Option<NewRole> {
        let (name, description) = (fields.required("name"), fields.optional("description"));
        let permissions = fields.required_matrix("permissions");
        let patterns = fields.patterns("repoPatterns")?;
        let everywhere = || RepoPattern::parse("*").ok().map(|pattern| vec![pattern]);
        Some(NewRole {
            name: name?,
            description: description?,
            permissions: permissions?,
            patterns: patterns.or_else(everywhere)?,
        })
    }
}

impl Form for RoleClone {
    type Command = RoleName;

    fn read(fields: &mut Fields) -> Option<RoleName> {
        fields.required("name")
    }
}

impl Form for RoleUpdate {
    type Command = RoleChange;

    fn read(fields: &mut Fields) -> Option<RoleChange> {
        let name = fields.optional("name");
        let has_description = fields.has("description");
        let description = fields.optional("description");
        let permissions = fields.matrix("permissions");
        let patterns = fields.patterns("repoPatterns");
        Some(RoleChange {
            name: name?,
            description: description.map(|description| has_description.then_some(description))?,
            permissions: permissions?,
            patterns: patterns?,
        })
    }
}

pub(crate) struct Roles;

#[OpenApi(prefix_path = "/orgs/:org", tag = "Tag::Roles")]
impl Roles {
    /// All roles.
    #[oai(path = "/roles", method = "get", operation_id = "roles_list")]
    async fn list(
        &self,
        org: Org<perm::MembersRead>,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<RoleList>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page = roles::list(&app, &org, limit, cursor.0.as_deref()).await?;
        Ok(Json(RoleList {
            roles: page.items.into_iter().map(Role::from).collect(),
            next_cursor: page.next,
        }))
    }

    /// Make a role. It reaches nobody until it is assigned.
    #[oai(path = "/roles", method = "post", operation_id = "roles_create")]
    async fn create(
        &self,
        org: Org<perm::MembersAdmin>,
        app: Data<&Arc<App>>,
        body: Body<RoleCreate>,
    ) -> Result<Created, ApiError> {
        let role = roles::create(&app, &org, body.0).await?;
        let etag = etag::of(&role.tag());
        Ok(Created::Created(Json(role.into()), etag))
    }

    /// Try a change of roles: who would gain and lose what, without making it.
    #[oai(path = "/roles/simulate", method = "post", operation_id = "roles_simulate")]
    async fn simulate(
        &self,
        org: Org<perm::MembersRead>,
        app: Data<&Arc<App>>,
        body: Body<simulate::RoleSimulate>,
    ) -> Result<Json<simulate::RoleSimulation>, ApiError> {
        Ok(Json(roles::simulate(&app, &org, body.0.as_ref()).await?.into()))
    }

    /// Roles to begin with. They are no roles until one is made of them.
    #[oai(path = "/role-templates", method = "get", operation_id = "roles_templates")]
    async fn templates(&self, org: Org<perm::MembersRead>) -> Json<RoleTemplates> {
        let _org = org;
        let templates = roles::TEMPLATES.iter().map(RoleTemplate::from).collect();
        Json(RoleTemplates { templates })
    }

    /// Make a role that gives what another one gives, under another name.
    #[oai(path = "/roles/:role/clone", method = "post", operation_id = "roles_clone")]
    async fn copy(
        &self,
        org: Org<perm::MembersAdmin>,
        role: Path<Txt<RoleId>>,
        app: Data<&Arc<App>>,
        body: Body<RoleClone>,
    ) -> Result<Created, ApiError> {
        let role = roles::copy(&app, &org, &role.0.0, body.0).await?;
        let etag = etag::of(&role.tag());
        Ok(Created::Created(Json(role.into()), etag))
    }

    /// One role.
    #[oai(path = "/roles/:role", method = "get", operation_id = "roles_get")]
    async fn get(
        &self,
        org: Org<perm::MembersRead>,
        role: Path<Txt<RoleId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Found, ApiError> {
        Ok(found(roles::get(&app, &org, &role.0.0).await?))
    }

    /// Change a role. Nobody whom it reaches may gain what you don't have.
    #[oai(path = "/roles/:role", method = "patch", operation_id = "roles_update")]
    async fn update(
        &self,
        org: Org<perm::MembersAdmin>,
        role: Path<Txt<RoleId>>,
        app: Data<&Arc<App>>,
        /// The `ETag` that the change was made for; without it, whatever is there is changed.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Body<RoleUpdate>,
    ) -> Result<Found, ApiError> {
        let tags = etag::wanted(if_match.0.as_deref());
        Ok(found(roles::update(&app, &org, &role.0.0, tags.as_deref(), body.0).await?))
    }

    /// Delete a role with all its assignments.
    #[oai(path = "/roles/:role", method = "delete", operation_id = "roles_delete")]
    async fn delete(
        &self,
        org: Org<perm::MembersAdmin>,
        role: Path<Txt<RoleId>>,
        app: Data<&Arc<App>>,
        /// The `ETag` that was seen; without it, whatever is there is deleted.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<Json<RoleDeleted>, ApiError> {
        let tags = etag::wanted(if_match.0.as_deref());
        let lost = roles::delete(&app, &org, &role.0.0, tags.as_deref()).await?;
        Ok(Json(RoleDeleted { members: lost.members, teams: lost.teams }))
    }
}

fn found(role: model::Role) -> Found {
    let etag = etag::of(&role.tag());
    Found::Found(Json(role.into()), etag)
}

impl From<&roles::Template> for RoleTemplate {
    fn from(template: &roles::Template) -> Self {
        Self {
            key: template.key.to_owned(),
            name: template.name.to_owned(),
            description: template.description.to_owned(),
            permissions: Permissions(template.permissions),
        }
    }
}

impl From<model::Role> for Role {
    fn from(role: model::Role) -> Self {
        Self {
            id: role.id.to_string(),
            name: role.name.to_string(),
            description: role.description.map(|text| text.to_string()),
            is_owner: role.is_owner,
            permissions: Permissions(role.permissions),
            repo_patterns: role.patterns.iter().map(ToString::to_string).collect(),
            created_at: role.created_at.to_string(),
        }
    }
}
