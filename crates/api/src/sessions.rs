//! `/sessions`

use std::sync::Arc;

use kici_domain::{App, sessions};
use kici_model::{SessionId, sessions as model};
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use crate::me::Me;
use crate::page;
use crate::problem::ApiError;
use crate::routes::Tag;
use crate::text::Txt;

/// A session of a browser.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Session {
    /// Its id.
    id: String,
    /// What the browser says that it is.
    user_agent: Option<String>,
    /// Whether it is the one that asks.
    is_current: bool,
    /// When you signed in.
    created_at: String,
    /// When it was last used, to five minutes.
    last_seen_at: String,
    /// When it ends at the latest; after 12 h without use it ends earlier.
    expires_at: String,
}

/// The person's sessions.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct SessionList {
    /// Newest first.
    sessions: Vec<Session>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

#[derive(ApiResponse)]
pub(crate) enum Revoked {
    /// The session is over.
    #[oai(status = 204)]
    Revoked,
}

pub(crate) struct Sessions;

#[OpenApi(tag = "Tag::Sessions")]
impl Sessions {
    /// The browsers that you are signed in with.
    #[oai(path = "/sessions", method = "get", operation_id = "sessions_list")]
    async fn list(
        &self,
        me: Me,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 200 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<SessionList>, ApiError> {
        let limit = page::limit_or_most(limit.0)?;
        let page = sessions::list(&app, &me, limit, cursor.0.as_deref()).await?;
        Ok(Json(SessionList {
            sessions: page.items.into_iter().map(Session::from).collect(),
            next_cursor: page.next,
        }))
    }

    /// Sign one of your browsers out, be it the one that you use.
    #[oai(path = "/sessions/:session", method = "delete", operation_id = "sessions_revoke")]
    async fn revoke(
        &self,
        me: Me,
        session: Path<Txt<SessionId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Revoked, ApiError> {
        sessions::revoke(&app, &me, &session.0.0).await?;
        Ok(Revoked::Revoked)
    }
}

impl From<(model::Session, bool)> for Session {
    fn from((session, is_current): (model::Session, bool)) -> Self {
        Self {
            id: session.id.to_string(),
            user_agent: session.user_agent,
            is_current,
            created_at: session.created_at.to_string(),
            last_seen_at: session.seen_at.to_string(),
            expires_at: session.expires_at.to_string(),
        }
    }
}
