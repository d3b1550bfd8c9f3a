//! `/orgs` and `/orgs/{org}`

use std::sync::Arc;

use kici_domain::{App, orgs};
use kici_model::orgs as model;
use kici_model::text::OrgName;
use kici_rbac::perm;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::body::{Body, Fields, Form};
use crate::me::Interactive;
use crate::org::Org;
use crate::problem::ApiError;
use crate::routes::Tag;

/// An organization.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Organization {
    /// Its id.
    id: String,
    /// What people call it.
    display_name: String,
    /// Stands for it in public links.
    public_alias: String,
    /// When it was made.
    created_at: String,
}

/// What to make.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct OrganizationCreate {
    /// What people call it: 1 to 100 characters.
    display_name: String,
}

impl Form for OrganizationCreate {
    type Command = OrgName;

    fn read(fields: &mut Fields) -> Option<OrgName> {
        fields.required("displayName")
    }
}

#[derive(ApiResponse)]
pub(crate) enum Created {
    /// The organization was made.
    #[oai(status = 201)]
    Created(Json<Organization>),
}

/// What to change.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct OrganizationRename {
    /// Another name: 1 to 100 characters.
    display_name: String,
}

impl Form for OrganizationRename {
    type Command = OrgName;

    fn read(fields: &mut Fields) -> Option<OrgName> {
        fields.required("displayName")
    }
}

/// What there is without an organization in the path.
pub(crate) struct NewOrgs;

#[OpenApi(tag = "Tag::Orgs")]
impl NewOrgs {
    /// Make an organization, of which you are the owner; for people who have signed in.
    #[oai(path = "/orgs", method = "post", operation_id = "orgs_create")]
    async fn create(
        &self,
        me: Interactive,
        app: Data<&Arc<App>>,
        body: Body<OrganizationCreate>,
    ) -> Result<Created, ApiError> {
        Ok(Created::Created(Json(orgs::create(&app, &me, &body.0).await?.into())))
    }
}

pub(crate) struct Orgs;

#[OpenApi(prefix_path = "/orgs/:org")]
impl Orgs {
    /// The organization, for any member.
    #[oai(path = "/", method = "get", operation_id = "orgs_get", tag = "Tag::Orgs")]
    async fn get(
        &self,
        org: Org<perm::Membership>,
        app: Data<&Arc<App>>,
    ) -> Result<Json<Organization>, ApiError> {
        Ok(Json(orgs::get(&app, &org).await?.into()))
    }

    /// Give the organization another name; for owners.
    #[oai(path = "/", method = "patch", operation_id = "orgs_rename", tag = "Tag::Orgs")]
    async fn rename(
        &self,
        org: Org<perm::Ownership>,
        app: Data<&Arc<App>>,
        body: Body<OrganizationRename>,
    ) -> Result<Json<Organization>, ApiError> {
        Ok(Json(orgs::rename(&app, &org, &body.0).await?.into()))
    }
}

impl From<model::Org> for Organization {
    fn from(org: model::Org) -> Self {
        Self {
            id: org.id.to_string(),
            display_name: org.name.to_string(),
            public_alias: org.alias.to_string(),
            created_at: org.created_at.to_string(),
        }
    }
}
