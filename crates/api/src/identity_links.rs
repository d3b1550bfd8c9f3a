//! `/identity-links`

use std::sync::Arc;

use kici_domain::App;
use kici_domain::identity_links;
use kici_model::{IdentityLinkId, identity_links as model};
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::me::{Interactive, Me};
use crate::page;
use crate::problem::ApiError;
use crate::routes::Tag;
use crate::text::Txt;

/// An account of yours at a provider.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct IdentityLink {
    /// Its id.
    id: String,
    /// Such as `github`.
    provider: String,
    /// The account's name there.
    provider_username: String,
    /// How it is known to be yours: `oidc`, the identity provider has told it.
    link_method: String,
    /// Since when.
    linked_at: String,
}

/// The person's accounts at providers.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct IdentityLinkList {
    /// By provider.
    identity_links: Vec<IdentityLink>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

#[derive(ApiResponse)]
pub(crate) enum Removed {
    /// The account is not linked any more.
    #[oai(status = 204)]
    Removed,
}

pub(crate) struct IdentityLinks;

#[OpenApi(tag = "Tag::IdentityLinks")]
impl IdentityLinks {
    /// Your accounts at providers, as the identity provider has told them.
    #[oai(path = "/identity-links", method = "get", operation_id = "identity_links_list")]
    async fn list(
        &self,
        me: Me,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<IdentityLinkList>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page = identity_links::list(&app, &me, limit, cursor.0.as_deref()).await?;
        let identity_links = page.items.into_iter().map(IdentityLink::from).collect();
        Ok(Json(IdentityLinkList { identity_links, next_cursor: page.next }))
    }

    /// Unlink an account. It is linked again when you sign in, as long as the identity provider tells
    /// it.
    #[oai(
        path = "/identity-links/:link",
        method = "delete",
        operation_id = "identity_links_remove"
    )]
    async fn remove(
        &self,
        me: Interactive,
        link: Path<Txt<IdentityLinkId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Removed, ApiError> {
        identity_links::remove(&app, &me, &link.0.0).await?;
        Ok(Removed::Removed)
    }
}

impl From<model::IdentityLink> for IdentityLink {
    fn from(link: model::IdentityLink) -> Self {
        Self {
            id: link.id.to_string(),
            provider: link.account.provider.to_string(),
            provider_username: link.account.name.to_string(),
            link_method: link.method.to_string(),
            linked_at: link.linked_at.to_string(),
        }
    }
}
