//! `/orgs/{org}/sources`

use std::sync::Arc;

use kici_domain::{App, sources};
use kici_rbac::perm;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use crate::org::Org;
use crate::page;
use crate::problem::ApiError;
use crate::routes::Tag;

/// A webhook source. Orchestrators register them; they stay when the orchestrator is away.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct WebhookSource {
    /// Its id.
    id: String,
    /// Which deliveries are for it.
    routing_key: String,
    /// What its operator calls it.
    name: String,
    /// `github`, `gitlab`, `bitbucket` or `generic`.
    provider: String,
    /// `github_app`, `generic_webhook`, `universal_git` or `local`.
    subtype: String,
    /// Where the provider must post to; `null` while the server has no public address.
    webhook_url: Option<String>,
    /// When it was first registered.
    registered_at: String,
    /// How many clusters of orchestrators serve it right now: none while they are away, and more than
    /// one is most likely a mistake, since each gets a part of the deliveries.
    clusters: u32,
}

/// All webhook sources.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct WebhookSources {
    /// By routing key.
    sources: Vec<WebhookSource>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

pub(crate) struct Sources;

#[OpenApi(prefix_path = "/orgs/:org")]
impl Sources {
    /// The organization's webhook sources.
    #[oai(path = "/sources", method = "get", operation_id = "sources_list", tag = "Tag::Sources")]
    async fn list(
        &self,
        org: Org<perm::WebhookSourcesRead>,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<WebhookSources>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page = sources::list(&app, &org, limit, cursor.0.as_deref()).await?;
        let sources = page
            .items
            .into_iter()
            .map(|listed| {
                let source = listed.source;
                let webhook_url =
                    sources::webhook_url(&app, org.id(), &source.registered.routing_key);
                WebhookSource {
                    id: source.id.to_string(),
                    routing_key: source.registered.routing_key.to_string(),
                    name: source.registered.name,
                    provider: source.registered.provider.to_string(),
                    subtype: source.registered.subtype.to_string(),
                    webhook_url,
                    registered_at: source.registered_at.to_string(),
                    clusters: u32::try_from(listed.clusters).unwrap_or(u32::MAX),
                }
            })
            .collect();
        Ok(Json(WebhookSources { sources, next_cursor: page.next }))
    }
}
