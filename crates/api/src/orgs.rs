//! `/orgs/{org}`

use std::sync::Arc;

use kici_domain::{App, orgs};
use kici_rbac::perm;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

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
        let found = orgs::get(&app, &org).await?;
        Ok(Json(Organization {
            id: found.id.to_string(),
            display_name: found.name.to_string(),
            public_alias: found.alias.to_string(),
            created_at: found.created_at.to_string(),
        }))
    }
}
