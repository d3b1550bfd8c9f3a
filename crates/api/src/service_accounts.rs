//! `/orgs/{org}/service-accounts`

use std::sync::Arc;

use kici_domain::App;
use kici_domain::personal_tokens::MOST_DAYS;
use kici_domain::service_accounts::{
    self, NewServiceAccount, NewServiceAccountKey, ServiceAccountChange,
};
use kici_model::{CredentialId, ServiceAccountId, service_accounts as model};
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

/// A program that belongs to the organization.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct ServiceAccount {
    /// Its id.
    id: String,
    /// Its name, unique in the organization without regard to case.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// What it may do, in every repository.
    permissions: Permissions,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: String,
}

/// All service accounts.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct ServiceAccountList {
    /// By name.
    service_accounts: Vec<ServiceAccount>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

/// An account to be made.
#[derive(Debug, Object)]
pub(crate) struct ServiceAccountCreate {
    /// Its name: 1 to 100 characters.
    name: String,
    /// What it is for: at most 500 characters.
    description: Option<String>,
    /// What it may do, which must lie within what you hold.
    permissions: Permissions,
}

/// What to change about an account; what is left out stays as it is.
#[derive(Debug, Object)]
pub(crate) struct ServiceAccountUpdate {
    /// Another name.
    name: Option<String>,
    /// Another description; `null` is none.
    description: Option<String>,
    /// Other permissions, as a whole. What they add must lie within what you hold.
    permissions: Option<Permissions>,
}

/// A key of a service account, without its token.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct ServiceAccountKey {
    /// Its id.
    id: String,
    /// What it is called.
    name: String,
    /// The first 16 characters of the token.
    prefix: String,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: String,
    /// When it stops working by itself.
    expires_at: Option<String>,
    /// When it was last used, exact to the minute.
    last_used_at: Option<String>,
}

/// The keys in use of a service account.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct ServiceAccountKeyList {
    /// Oldest first.
    keys: Vec<ServiceAccountKey>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

/// A key to be made.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct ServiceAccountKeyCreate {
    /// What it is called: 1 to 100 characters.
    name: String,
    /// After how many days it stops working: 1 to 3650; never, if left out.
    expires_in_days: Option<u32>,
}

/// A key that was just made.
#[derive(Object)]
pub(crate) struct ServiceAccountKeyCreated {
    /// The token: shown now and never again.
    token: String,
    /// The key.
    key: ServiceAccountKey,
}

#[derive(ApiResponse)]
pub(crate) enum Created {
    /// The account was made.
    #[oai(status = 201)]
    Created(Json<ServiceAccount>),
}

#[derive(ApiResponse)]
pub(crate) enum KeyCreated {
    /// The key was made.
    #[oai(status = 201)]
    Created(Json<ServiceAccountKeyCreated>),
}

#[derive(ApiResponse)]
pub(crate) enum Ended {
    /// It has ended, and works from now on for nobody.
    #[oai(status = 204)]
    Ended,
}

impl Form for ServiceAccountCreate {
    type Command = NewServiceAccount;

    fn read(fields: &mut Fields) -> Option<NewServiceAccount> {
        let (name, description) = (fields.required("name"), fields.optional("description"));
        let permissions = fields.required_matrix("permissions");
        Some(NewServiceAccount {
            name: name?,
            description: description?,
            permissions: permissions?,
        })
    }
}

impl Form for ServiceAccountUpdate {
    type Command = ServiceAccountChange;

    fn read(fields: &mut Fields) -> Option<ServiceAccountChange> {
        let name = fields.optional("name");
        let has_description = fields.has("description");
        let description = fields.optional("description");
        let permissions = fields.matrix("permissions");
        Some(ServiceAccountChange {
            name: name?,
            description: description.map(|description| has_description.then_some(description))?,
            permissions: permissions?,
        })
    }
}

impl Form for ServiceAccountKeyCreate {
    type Command = NewServiceAccountKey;

    fn read(fields: &mut Fields) -> Option<NewServiceAccountKey> {
        let (name, days) = (fields.required("name"), fields.number("expiresInDays", 1..=MOST_DAYS));
        Some(NewServiceAccountKey { name: name?, days: days? })
    }
}

pub(crate) struct ServiceAccounts;

#[OpenApi(prefix_path = "/orgs/:org", tag = "Tag::ServiceAccounts")]
impl ServiceAccounts {
    /// All service accounts.
    #[oai(path = "/service-accounts", method = "get", operation_id = "service_accounts_list")]
    async fn list(
        &self,
        org: Org<perm::ApiKeysRead>,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<ServiceAccountList>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page = service_accounts::list(&app, &org, limit, cursor.0.as_deref()).await?;
        let service_accounts = page.items.into_iter().map(ServiceAccount::from).collect();
        Ok(Json(ServiceAccountList { service_accounts, next_cursor: page.next }))
    }

    /// Make a service account, which can do no more than you. It has no key yet.
    #[oai(path = "/service-accounts", method = "post", operation_id = "service_accounts_create")]
    async fn create(
        &self,
        org: Org<perm::ApiKeysAdmin>,
        app: Data<&Arc<App>>,
        body: Body<ServiceAccountCreate>,
    ) -> Result<Created, ApiError> {
        let account = service_accounts::create(&app, &org, body.0).await?;
        Ok(Created::Created(Json(account.into())))
    }

    /// Change a service account. It may not gain what you don't have.
    #[oai(
        path = "/service-accounts/:account",
        method = "patch",
        operation_id = "service_accounts_update"
    )]
    async fn update(
        &self,
        org: Org<perm::ApiKeysAdmin>,
        account: Path<Txt<ServiceAccountId>>,
        app: Data<&Arc<App>>,
        body: Body<ServiceAccountUpdate>,
    ) -> Result<Json<ServiceAccount>, ApiError> {
        let account = service_accounts::update(&app, &org, &account.0.0, body.0).await?;
        Ok(Json(account.into()))
    }

    /// Delete a service account together with its keys.
    #[oai(
        path = "/service-accounts/:account",
        method = "delete",
        operation_id = "service_accounts_delete"
    )]
    async fn delete(
        &self,
        org: Org<perm::ApiKeysAdmin>,
        account: Path<Txt<ServiceAccountId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Ended, ApiError> {
        service_accounts::delete(&app, &org, &account.0.0).await?;
        Ok(Ended::Ended)
    }

    /// The keys in use of a service account.
    #[oai(
        path = "/service-accounts/:account/keys",
        method = "get",
        operation_id = "service_accounts_keys"
    )]
    async fn keys(
        &self,
        org: Org<perm::ApiKeysRead>,
        account: Path<Txt<ServiceAccountId>>,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<ServiceAccountKeyList>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page =
            service_accounts::keys(&app, &org, &account.0.0, limit, cursor.0.as_deref()).await?;
        let keys = page.items.into_iter().map(ServiceAccountKey::from).collect();
        Ok(Json(ServiceAccountKeyList { keys, next_cursor: page.next }))
    }

    /// Add a key to a service account that can do no more than you.
    #[oai(
        path = "/service-accounts/:account/keys",
        method = "post",
        operation_id = "service_accounts_create_key"
    )]
    async fn create_key(
        &self,
        org: Org<perm::ApiKeysAdmin>,
        account: Path<Txt<ServiceAccountId>>,
        app: Data<&Arc<App>>,
        body: Body<ServiceAccountKeyCreate>,
    ) -> Result<KeyCreated, ApiError> {
        let (made, key) = service_accounts::create_key(&app, &org, &account.0.0, &body.0).await?;
        let token = made.token.reveal().to_owned();
        Ok(KeyCreated::Created(Json(ServiceAccountKeyCreated { token, key: key.into() })))
    }

    /// Give a key of a service account a new token. The account must do no more than you.
    #[oai(
        path = "/service-accounts/:account/keys/:key/rotate",
        method = "post",
        operation_id = "service_accounts_rotate_key"
    )]
    async fn rotate_key(
        &self,
        org: Org<perm::ApiKeysAdmin>,
        account: Path<Txt<ServiceAccountId>>,
        key: Path<Txt<CredentialId>>,
        app: Data<&Arc<App>>,
        body: Body<Rotation>,
    ) -> Result<KeyCreated, ApiError> {
        let (account, key) = (account.0.0, key.0.0);
        let (made, key) = service_accounts::rotate_key(&app, &org, &account, &key, body.0).await?;
        let token = made.token.reveal().to_owned();
        Ok(KeyCreated::Created(Json(ServiceAccountKeyCreated { token, key: key.into() })))
    }

    /// Revoke a key of a service account.
    #[oai(
        path = "/service-accounts/:account/keys/:key",
        method = "delete",
        operation_id = "service_accounts_revoke_key"
    )]
    async fn revoke_key(
        &self,
        org: Org<perm::ApiKeysAdmin>,
        account: Path<Txt<ServiceAccountId>>,
        key: Path<Txt<CredentialId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Ended, ApiError> {
        service_accounts::revoke_key(&app, &org, &account.0.0, &key.0.0).await?;
        Ok(Ended::Ended)
    }
}

impl From<model::ServiceAccount> for ServiceAccount {
    fn from(account: model::ServiceAccount) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name.to_string(),
            description: account.description.map(|text| text.to_string()),
            permissions: Permissions(account.permissions),
            created_by: account.created_by.to_string(),
            created_at: account.created_at.to_string(),
        }
    }
}

impl From<model::ServiceAccountKey> for ServiceAccountKey {
    fn from(key: model::ServiceAccountKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.to_string(),
            prefix: key.shown,
            created_by: key.created_by.to_string(),
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            last_used_at: key.last_used_at.map(|at| at.to_string()),
        }
    }
}
