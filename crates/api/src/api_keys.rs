//! `/orgs/{org}/api-keys`

use std::sync::Arc;

use kici_domain::App;
use kici_domain::api_keys::{self, NewApiKey};
use kici_domain::personal_tokens::MOST_DAYS;
use kici_model::{CredentialId, api_keys as model};
use kici_rbac::perm;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::body::{Body, Fields, Form};
use crate::matrix::Permissions;
use crate::org::Org;
use crate::page;
use crate::problem::ApiError;
use crate::rotation::Rotation;
use crate::routes::Tag;
use crate::text::Txt;

/// An API key, without its token.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct ApiKey {
    /// Its id.
    id: String,
    /// What it is called.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// The first 16 characters of the token.
    prefix: String,
    /// What it was given; at each use narrowed by what its maker can do then.
    permissions: Permissions,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: String,
    /// When it stops working by itself.
    expires_at: Option<String>,
    /// When it was last used, exact to the minute.
    last_used_at: Option<String>,
}

/// The API keys in use.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct ApiKeyList {
    /// Oldest first.
    api_keys: Vec<ApiKey>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

/// What to make.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct ApiKeyCreate {
    /// What it is called: 1 to 100 characters.
    name: String,
    /// What it is for: at most 500 characters.
    description: Option<String>,
    /// What it holds, which must lie within what you hold.
    permissions: Permissions,
    /// After how many days it stops working: 1 to 3650; never, if left out.
    expires_in_days: Option<u32>,
}

/// A key that was just made.
#[derive(Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct ApiKeyCreated {
    /// The token: shown now and never again.
    token: String,
    /// The key.
    key: ApiKey,
}

#[derive(ApiResponse)]
pub(crate) enum Created {
    /// The key was made.
    #[oai(status = 201)]
    Created(Json<ApiKeyCreated>),
}

#[derive(ApiResponse)]
pub(crate) enum Revoked {
    /// The key is revoked.
    #[oai(status = 204)]
    Revoked,
}

impl Form for ApiKeyCreate {
    type Command = NewApiKey;

    fn read(fields: &mut Fields) -> Option<NewApiKey> {
        let (name, description) = (fields.required("name"), fields.optional("description"));
        let permissions = fields.required_matrix("permissions");
        let days = fields.number("expiresInDays", 1..=MOST_DAYS);
        Some(NewApiKey {
            name: name?,
            description: description?,
            permissions: permissions?,
            days: days?,
        })
    }
}

pub(crate) struct ApiKeys;

#[OpenApi(prefix_path = "/orgs/:org", tag = "Tag::ApiKeys")]
impl ApiKeys {
    /// The API keys in use.
    #[oai(path = "/api-keys", method = "get", operation_id = "api_keys_list")]
    async fn list(
        &self,
        org: Org<perm::ApiKeysRead>,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<ApiKeyList>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page = api_keys::list(&app, &org, limit, cursor.0.as_deref()).await?;
        Ok(Json(ApiKeyList {
            api_keys: page.items.into_iter().map(ApiKey::from).collect(),
            next_cursor: page.next,
        }))
    }

    /// Make an API key, which can do no more than you.
    #[oai(path = "/api-keys", method = "post", operation_id = "api_keys_create")]
    async fn create(
        &self,
        org: Org<perm::ApiKeysWrite>,
        app: Data<&Arc<App>>,
        body: Body<ApiKeyCreate>,
    ) -> Result<Created, ApiError> {
        let (made, key) = api_keys::create(&app, &org, &body.0).await?;
        let token = made.token.reveal().to_owned();
        Ok(Created::Created(Json(ApiKeyCreated { token, key: key.into() })))
    }

    /// Give an API key a new token: your own, or with `api_keys:admin` anybody's, which is yours then.
    /// It must do no more than you.
    #[oai(path = "/api-keys/:key/rotate", method = "post", operation_id = "api_keys_rotate")]
    async fn rotate(
        &self,
        org: Org<perm::ApiKeysWrite>,
        key: Path<Txt<CredentialId>>,
        app: Data<&Arc<App>>,
        body: Body<Rotation>,
    ) -> Result<Created, ApiError> {
        let (made, key) = api_keys::rotate(&app, &org, &key.0.0, body.0).await?;
        let token = made.token.reveal().to_owned();
        Ok(Created::Created(Json(ApiKeyCreated { token, key: key.into() })))
    }

    /// Revoke an API key: your own, or with `api_keys:admin` anybody's.
    #[oai(path = "/api-keys/:key", method = "delete", operation_id = "api_keys_revoke")]
    async fn revoke(
        &self,
        org: Org<perm::ApiKeysWrite>,
        key: Path<Txt<CredentialId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Revoked, ApiError> {
        api_keys::revoke(&app, &org, &key.0.0).await?;
        Ok(Revoked::Revoked)
    }
}

impl From<model::ApiKey> for ApiKey {
    fn from(key: model::ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.to_string(),
            description: key.description.map(|text| text.to_string()),
            prefix: key.shown,
            permissions: Permissions(key.permissions),
            created_by: key.created_by.to_string(),
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            last_used_at: key.last_used_at.map(|at| at.to_string()),
        }
    }
}
