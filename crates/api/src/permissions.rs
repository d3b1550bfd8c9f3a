//! `/orgs/{org}/permissions`

use std::sync::Arc;

use kici_domain::App;
use kici_domain::permissions::{self, Check, Question};
use kici_model::UserId;
use kici_rbac::WouldGrant;
use kici_rbac::{Level, Resource, RoleGrant, perm};
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use crate::body::{Body, Fields, Form};
use crate::matrix::Permissions as Matrix;
use crate::org::Org;
use crate::problem::{ApiError, Requirement};
use crate::roles::simulate::{Widening, scope};
use crate::routes::Tag;
use crate::text::Txt;
use crate::via::Route;

/// What the caller may do.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct OwnPermissions {
    /// The level on each resource.
    permissions: Matrix,
    /// The repositories in which those on runs, workflows and secrets hold.
    repo_patterns: Vec<String>,
    /// Whether the caller is an owner.
    is_owner: bool,
    /// The roles that reach the caller, or the maker of the key.
    roles: Vec<OwnRole>,
}

/// A role, and how it reaches somebody.
#[derive(Debug, Object)]
pub(crate) struct OwnRole {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// How it reaches them.
    via: Route,
}

/// A question about somebody's permissions.
#[derive(Debug, Object)]
pub(crate) struct ExplainQuestion {
    /// About whom; the caller, if left out. Others need `members:read`.
    user: Option<Txt<UserId>>,
    /// On what.
    resource: String,
    /// At which level.
    level: String,
    /// In which repository.
    repo: Option<String>,
}

/// The answer, with its reasons.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct ExplainAnswer {
    /// Whether they may.
    allowed: bool,
    /// The level that is held.
    held: String,
    /// The level that is needed.
    required: Requirement,
    /// The same in a sentence.
    summary: String,
    /// The roles that say so.
    granted_by: Vec<ExplainGrant>,
    /// The roles that widen those to more repositories.
    widened_by: Vec<Widening>,
    /// The existing roles that would grant it; left out in an answer about oneself.
    #[oai(skip_serializing_if_is_none)]
    would_grant: Option<Vec<ExplainRemedy>>,
}

/// A role that grants it.
#[derive(Debug, Object)]
pub(crate) struct ExplainGrant {
    /// Its name.
    role: String,
    /// How it reaches them.
    via: Route,
    /// What it gives.
    level: String,
    /// By which of its patterns.
    pattern: Option<String>,
}

/// A role that would grant it.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct ExplainRemedy {
    /// Its name.
    role: String,
    /// Who can assign it: `owner` or `members:admin`.
    assignable_by: String,
}

/// Several questions about what you may do.
#[derive(Debug, Object)]
pub(crate) struct PermissionChecks {
    /// 1 to 100 of them.
    checks: Vec<PermissionCheck>,
}

/// Whether you may do something.
#[derive(Debug, Object)]
pub(crate) struct PermissionCheck {
    /// On what.
    resource: String,
    /// At which level.
    level: String,
    /// In which repository; in any at all, if left out.
    repo: Option<String>,
}

/// The answers, in the order of the questions.
#[derive(Debug, Object)]
pub(crate) struct PermissionResults {
    /// One for each.
    results: Vec<PermissionResult>,
}

/// An answer.
#[derive(Debug, Object)]
pub(crate) struct PermissionResult {
    /// Whether you may.
    allowed: bool,
}

impl Form for PermissionChecks {
    type Command = Vec<Check>;

    fn read(fields: &mut Fields) -> Option<Vec<Check>> {
        fields.objects("checks", 100, |fields| {
            let resource = fields.required_word::<Resource>("resource");
            let level = fields.required_word::<Level>("level");
            let repo = fields.optional::<kici_model::text::RepoName>("repo");
            let repo = repo?.map(|repo| repo.to_string());
            Some(Check { resource: resource?, level: level?, repo })
        })
    }
}

impl Form for ExplainQuestion {
    type Command = Question;

    fn read(fields: &mut Fields) -> Option<Question> {
        let user = fields.optional("user");
        let resource = fields.required_word::<Resource>("resource");
        let level = fields.required_word::<Level>("level");
        let repo = fields.optional::<kici_model::text::RepoName>("repo");
        Some(Question {
            user: user?,
            resource: resource?,
            level: level?,
            repo: repo?.map(|repo| repo.to_string()),
        })
    }
}

pub(crate) struct Permissions;

#[OpenApi(prefix_path = "/orgs/:org", tag = "Tag::Permissions")]
impl Permissions {
    /// What you may do in this organization, and by which roles.
    #[oai(path = "/permissions", method = "get", operation_id = "permissions_get")]
    async fn get(&self, org: Org<perm::Membership>) -> Json<OwnPermissions> {
        let effective = org.effective();
        Json(OwnPermissions {
            permissions: Matrix(effective.matrix()),
            repo_patterns: scope(effective.scope()),
            is_owner: effective.is_owner(),
            roles: org.roles().iter().map(OwnRole::from).collect(),
        })
    }

    /// Whether you may do each of several things.
    #[oai(path = "/permissions/batch", method = "post", operation_id = "permissions_batch")]
    async fn batch(
        &self,
        org: Org<perm::Membership>,
        body: Body<PermissionChecks>,
    ) -> Json<PermissionResults> {
        let answer = |check: &Check| PermissionResult { allowed: check.is_allowed(&org) };
        Json(PermissionResults { results: body.0.iter().map(answer).collect() })
    }

    /// Whether somebody may do something, why, and what would help.
    #[oai(path = "/permissions/explain", method = "post", operation_id = "permissions_explain")]
    async fn explain(
        &self,
        org: Org<perm::Membership>,
        app: Data<&Arc<App>>,
        body: Body<ExplainQuestion>,
    ) -> Result<Json<ExplainAnswer>, ApiError> {
        let is_about_another = permissions::is_about_another(&org, &body.0);
        let explanation = permissions::explain_one(&app, &org, &body.0).await?;
        let summary = explanation.to_string();
        let (resource, level) = explanation.required;
        Ok(Json(ExplainAnswer {
            allowed: explanation.allowed,
            held: explanation.held.to_string(),
            required: Requirement::new(resource, level),
            summary,
            granted_by: explanation
                .granted_by
                .into_iter()
                .map(|by| ExplainGrant {
                    role: by.role.name,
                    via: Route::from(&by.via),
                    level: by.level.to_string(),
                    pattern: by.pattern.map(|pattern| pattern.to_string()),
                })
                .collect(),
            widened_by: explanation.widened_by.iter().map(Widening::from).collect(),
            would_grant: is_about_another.then(|| {
                let would = explanation.would_grant.into_iter();
                let remedy = |would: WouldGrant| ExplainRemedy {
                    role: would.role.name,
                    assignable_by: would.assignable_by.to_string(),
                };
                would.map(remedy).collect()
            }),
        }))
    }
}

impl From<&RoleGrant> for OwnRole {
    fn from(role: &RoleGrant) -> Self {
        Self { id: role.id.clone(), name: role.name.clone(), via: Route::from(&role.via) }
    }
}
