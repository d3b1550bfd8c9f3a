//! `/orgs/{org}/orchestrator-keys`

use std::collections::BTreeSet;
use std::sync::Arc;

use kici_domain::App;
use kici_domain::orchestrator_keys::{self, NewOrchestratorKey};
use kici_model::{CredentialId, RoutingPattern, orchestrator_keys as model};
use kici_rbac::perm;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::body::{Body, Fields, Form};
use crate::me::OwnOrg;
use crate::org::Org;
use crate::page;
use crate::problem::ApiError;
use crate::rotation::Rotation;
use crate::routes::{Platform, Tag};
use crate::text::Txt;

/// An orchestrator key, without its token.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct OrchestratorKey {
    /// Its id.
    id: String,
    /// What it is called.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// The first 16 characters of the token.
    prefix: String,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: String,
    /// Patterns of the sources that it may register; `null` is all of them.
    routing_patterns: Option<Vec<String>>,
    /// When it stops working by itself.
    expires_at: Option<String>,
    /// When an orchestrator last connected with it, exact to the minute.
    last_used_at: Option<String>,
}

/// The orchestrator keys in use.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct OrchestratorKeyList {
    /// Oldest first.
    orchestrator_keys: Vec<OrchestratorKey>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

/// What to make.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct OrchestratorKeyCreate {
    /// What it is called: 1 to 100 characters.
    name: String,
    /// What it is for: at most 500 characters.
    description: Option<String>,
    /// Which sources it may register, such as `github:*`: 1 to 50 patterns, in which `*` stands for
    /// any characters and `?` for one; all sources, if left out.
    routing_patterns: Option<Vec<String>>,
}

/// A key that was just made.
#[derive(Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct OrchestratorKeyCreated {
    /// The token: shown now and never again. An orchestrator takes it as `KICI_PLATFORM_TOKEN`.
    token: String,
    /// The key.
    key: OrchestratorKey,
}

#[derive(ApiResponse)]
pub(crate) enum Created {
    /// The key was made.
    #[oai(status = 201)]
    Created(Json<OrchestratorKeyCreated>),
}

#[derive(ApiResponse)]
pub(crate) enum Revoked {
    /// The key is revoked, and every connection that was opened with it is closed.
    #[oai(status = 204)]
    Revoked,
}

impl Form for OrchestratorKeyCreate {
    type Command = NewOrchestratorKey;

    fn read(fields: &mut Fields) -> Option<NewOrchestratorKey> {
        let (name, description) = (fields.required("name"), fields.optional("description"));
        let patterns = match fields.is_given("routingPatterns") {
            false => Some(None),
            true => fields.set("routingPatterns", 50).map(Some),
        };
        if patterns.as_ref().is_some_and(|given| given.as_ref().is_some_and(BTreeSet::is_empty)) {
            let text = "has at least one pattern; leave it out for all sources";
            fields.refuse("routingPatterns", text.to_owned());
        }
        let patterns = patterns?.map(|set| set.into_iter().collect());
        Some(NewOrchestratorKey { name: name?, description: description?, patterns })
    }
}

pub(crate) struct OrchestratorKeys;

#[OpenApi(prefix_path = "/orgs/:org", tag = "Tag::OrchestratorKeys")]
impl OrchestratorKeys {
    /// The orchestrator keys in use.
    #[oai(path = "/orchestrator-keys", method = "get", operation_id = "orchestrator_keys_list")]
    async fn list(
        &self,
        org: Org<perm::ApiKeysRead>,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<OrchestratorKeyList>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page = orchestrator_keys::list(&app, &org, limit, cursor.0.as_deref()).await?;
        let orchestrator_keys = page.items.into_iter().map(OrchestratorKey::from).collect();
        Ok(Json(OrchestratorKeyList { orchestrator_keys, next_cursor: page.next }))
    }

    /// Make an orchestrator key.
    #[oai(path = "/orchestrator-keys", method = "post", operation_id = "orchestrator_keys_create")]
    async fn create(
        &self,
        org: Org<perm::ApiKeysAdmin>,
        app: Data<&Arc<App>>,
        body: Body<OrchestratorKeyCreate>,
    ) -> Result<Created, ApiError> {
        let (made, key) = orchestrator_keys::create(&app, &org, &body.0).await?;
        let token = made.token.reveal().to_owned();
        Ok(Created::Created(Json(OrchestratorKeyCreated { token, key: key.into() })))
    }

    /// Give an orchestrator key a new token. Without an overlap its connections are closed at once.
    #[oai(
        path = "/orchestrator-keys/:key/rotate",
        method = "post",
        operation_id = "orchestrator_keys_rotate"
    )]
    async fn rotate(
        &self,
        org: Org<perm::ApiKeysAdmin>,
        key: Path<Txt<CredentialId>>,
        platform: Data<&Arc<Platform>>,
        body: Body<Rotation>,
    ) -> Result<Created, ApiError> {
        // A task of its own, as in `revoke`.
        let (app, org) = (platform.app.clone(), org.into_inner());
        let rotate = async move { orchestrator_keys::rotate(&app, &org, &key.0.0, body.0).await };
        let (made, key) = platform.finish(rotate).await??;
        let token = made.token.reveal().to_owned();
        Ok(Created::Created(Json(OrchestratorKeyCreated { token, key: key.into() })))
    }

    /// Revoke an orchestrator key and close every connection that was opened with it.
    #[oai(
        path = "/orchestrator-keys/:key",
        method = "delete",
        operation_id = "orchestrator_keys_revoke"
    )]
    async fn revoke(
        &self,
        org: Org<perm::ApiKeysAdmin>,
        key: Path<Txt<CredentialId>>,
        platform: Data<&Arc<Platform>>,
    ) -> Result<Revoked, ApiError> {
        // A task of its own: a caller that hangs up must not leave the key revoked and its links
        // open.
        let app = platform.app.clone();
        let org = org.into_inner();
        let revoke = async move { orchestrator_keys::revoke(&app, &org, &key.0.0).await };
        platform.finish(revoke).await??;
        Ok(Revoked::Revoked)
    }
}

/// What to make, in the words of `kici-admin`.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct OwnKeyCreate {
    /// What it is called: 1 to 100 characters.
    label: String,
    /// Which sources it may register, such as `github:*`: up to 50 patterns; all sources, if left out
    /// or empty.
    routing_keys: Option<Vec<String>>,
}

/// A key that was just made, in the words of `kici-admin`.
#[derive(Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct OwnKeyCreated {
    /// Its id.
    id: String,
    /// The token: shown now and never again.
    key: String,
    /// Which sources it may register; none stands for all.
    routing_keys: Vec<String>,
}

#[derive(ApiResponse)]
pub(crate) enum OwnCreated {
    /// The key was made.
    #[oai(status = 201)]
    Created(Json<OwnKeyCreated>),
}

impl Form for OwnKeyCreate {
    type Command = NewOrchestratorKey;
    const IS_LENIENT: bool = true;

    fn read(fields: &mut Fields) -> Option<NewOrchestratorKey> {
        let name = fields.required("label");
        let patterns = match fields.is_given("routingKeys") {
            false => Some(BTreeSet::new()),
            true => fields.set("routingKeys", orchestrator_keys::MOST_PATTERNS),
        };
        let patterns = Some(patterns?).filter(|patterns| !patterns.is_empty());
        let patterns = patterns.map(|set| set.into_iter().collect());
        Some(NewOrchestratorKey { name: name?, description: None, patterns })
    }
}

/// One more pattern for a key.
#[derive(Debug, Object)]
pub(crate) struct RoutingPermission {
    /// Such as `github:*`.
    pattern: String,
}

impl Form for RoutingPermission {
    type Command = RoutingPattern;
    const IS_LENIENT: bool = true;

    fn read(fields: &mut Fields) -> Option<RoutingPattern> {
        fields.required("pattern")
    }
}

/// A pattern that a key has now.
#[derive(Object)]
pub(crate) struct RoutingPermitted {
    /// The key.
    id: String,
    /// The pattern.
    pattern: String,
}

/// As `kici-admin` asks for them, which names no organization.
pub(crate) struct OwnOrchestratorKeys;

#[OpenApi(tag = "Tag::OrchestratorKeys")]
impl OwnOrchestratorKeys {
    /// Make an orchestrator key of your credential's organization, as `kici-admin` asks for it.
    #[oai(path = "/api-keys", method = "post", operation_id = "orchestrator_keys_create_own")]
    async fn create(
        &self,
        org: OwnOrg<perm::ApiKeysAdmin>,
        app: Data<&Arc<App>>,
        body: Body<OwnKeyCreate>,
    ) -> Result<OwnCreated, ApiError> {
        let (made, key) = orchestrator_keys::create(&app, &org, &body.0).await?;
        let patterns = key.patterns.unwrap_or_default();
        Ok(OwnCreated::Created(Json(OwnKeyCreated {
            id: key.id.to_string(),
            key: made.token.reveal().to_owned(),
            routing_keys: patterns.iter().map(ToString::to_string).collect(),
        })))
    }

    /// Let an orchestrator key of your credential's organization register the sources of one more
    /// pattern, from its next connection on.
    #[oai(
        path = "/api-keys/:key/routing-permissions",
        method = "post",
        operation_id = "orchestrator_keys_add_pattern"
    )]
    async fn add_pattern(
        &self,
        org: OwnOrg<perm::ApiKeysAdmin>,
        key: Path<Txt<CredentialId>>,
        app: Data<&Arc<App>>,
        body: Body<RoutingPermission>,
    ) -> Result<Json<RoutingPermitted>, ApiError> {
        orchestrator_keys::add_pattern(&app, &org, &key.0.0, &body.0).await?;
        Ok(Json(RoutingPermitted { id: key.0.0.to_string(), pattern: body.0.to_string() }))
    }
}

impl From<model::OrchestratorKey> for OrchestratorKey {
    fn from(key: model::OrchestratorKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.to_string(),
            description: key.description.map(|text| text.to_string()),
            prefix: key.shown,
            created_by: key.created_by.to_string(),
            created_at: key.created_at.to_string(),
            routing_patterns: key.patterns.map(|all| all.iter().map(ToString::to_string).collect()),
            expires_at: key.expires_at.map(|at| at.to_string()),
            last_used_at: key.last_used_at.map(|at| at.to_string()),
        }
    }
}
