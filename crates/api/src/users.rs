//! `/user`

use std::sync::Arc;

use kici_domain::founding::real;
use kici_domain::{App, users};
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use crate::me::Me;
use crate::page;
use crate::problem::ApiError;
use crate::routes::Tag;

/// The signed-in person.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct User {
    /// Their id.
    id: String,
    /// Their e-mail address; `null` while the identity provider has verified none.
    email: Option<String>,
    /// What they want to be called.
    display_name: String,
    /// When they were first seen.
    created_at: String,
}

/// An organization that the person belongs to.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct UserOrg {
    /// Its id.
    id: String,
    /// What people call it.
    display_name: String,
    /// Whether the person is an owner.
    is_owner: bool,
    /// The roles that are assigned to the person, separated by commas; empty for none.
    role: String,
}

/// The organizations that the person belongs to.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct UserOrgs {
    /// Those joined first at its head.
    orgs: Vec<UserOrg>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

pub(crate) struct Users;

#[OpenApi(tag = "Tag::User")]
impl Users {
    /// The signed-in person.
    #[oai(path = "/user", method = "get", operation_id = "user_get")]
    async fn get(&self, me: Me, app: Data<&Arc<App>>) -> Result<Json<User>, ApiError> {
        let user = users::get(&app, &me).await?;
        Ok(Json(User {
            id: user.id.to_string(),
            email: real(&user.email).map(ToString::to_string),
            display_name: user.name.to_string(),
            created_at: user.created_at.to_string(),
        }))
    }

    /// The organizations that the person belongs to.
    #[oai(path = "/user/orgs", method = "get", operation_id = "user_orgs")]
    async fn orgs(
        &self,
        me: Me,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<UserOrgs>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page = users::orgs(&app, &me, limit, cursor.0.as_deref()).await?;
        let orgs = page
            .items
            .into_iter()
            .map(|org| UserOrg {
                id: org.id.to_string(),
                display_name: org.name.to_string(),
                is_owner: org.is_owner,
                role: org.roles.join(", "),
            })
            .collect();
        Ok(Json(UserOrgs { orgs, next_cursor: page.next }))
    }
}
