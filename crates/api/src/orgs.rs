//! `/orgs` and `/orgs/{org}`

use std::sync::Arc;

use kici_domain::{App, orgs};
use kici_model::orgs as model;
use kici_model::text::OrgName;
use kici_rbac::perm;
use poem::web::Data;
use poem_openapi::param::Header;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::body::{Body, Fields, Form};
use crate::etag;
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

#[derive(ApiResponse)]
pub(crate) enum Found {
    /// The organization, and what stands for it as it is now.
    #[oai(status = 200)]
    Found(Json<Organization>, #[oai(header = "ETag")] String),
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
    ) -> Result<Found, ApiError> {
        Ok(found(orgs::get(&app, &org).await?))
    }

    /// Give the organization another name; for owners.
    #[oai(path = "/", method = "patch", operation_id = "orgs_rename", tag = "Tag::Orgs")]
    async fn rename(
        &self,
        org: Org<perm::Ownership>,
        app: Data<&Arc<App>>,
        /// The `ETag` that the change was made for; without it, whatever is there is changed.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Body<OrganizationRename>,
    ) -> Result<Found, ApiError> {
        let tags = etag::wanted(if_match.0.as_deref());
        Ok(found(orgs::rename(&app, &org, tags.as_deref(), &body.0).await?))
    }
}

fn found(org: model::Org) -> Found {
    let etag = etag::of(&org.tag());
    Found::Found(Json(org.into()), etag)
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
