//! `/orgs/{org}/audit`

use std::sync::Arc;

use kici_domain::{App, audit};
use kici_model::Timestamp;
use kici_model::audit::{AuditFilter, AuditRecord, Outcome};
use kici_model::text::ActionFilter;
use kici_rbac::perm;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Any;
use poem_openapi::{Object, OpenApi};
use serde_json::Value;

use crate::org::Org;
use crate::page;
use crate::problem::ApiError;
use crate::routes::Tag;
use crate::text::Txt;

/// Something that somebody did, or tried to do.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct AuditItem {
    /// Its id.
    id: String,
    /// `user`, `api_key`, `service_account` or `system`.
    actor_type: String,
    /// The id of the person or key, or the name of a part of the program.
    actor_id: String,
    /// The id of the token that they came with.
    credential_id: Option<String>,
    /// What they did, such as `member.removed`; `access.denied` where they could not.
    action: String,
    /// To what: an id; for what was denied the operation.
    target: String,
    /// `allowed` or `denied`.
    outcome: String,
    /// How often within the minute, for what was denied; else 1.
    times: i64,
    /// What else there is to tell.
    details: Option<Any<Value>>,
    /// The id of the request that asked for it.
    request_id: String,
    /// When; for what was denied the first time.
    created_at: String,
}

/// A page of the audit log.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct AuditPage {
    /// Newest first.
    items: Vec<AuditItem>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
    /// Whether the search stopped before the page was full, since it had read 20,000 rows. `nextCursor`
    /// goes on from there; there may be more matches, even where `items` is empty.
    partial: bool,
}

pub(crate) struct Audit;

#[OpenApi(prefix_path = "/orgs/:org", tag = "Tag::Audit")]
impl Audit {
    /// What was done in the organization and what was denied, newest first.
    ///
    /// With `outcome`, with the beginning of an `action`, or with two of `actorId`, `action` and
    /// `targetId`, one request reads at most 20,000 rows: `partial` tells where that ended the search
    /// before the page was full. An organization has one such search at a time; others wait up to 5
    /// seconds.
    #[oai(path = "/audit", method = "get", operation_id = "audit_list")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the operation")]
    async fn list(
        &self,
        org: Org<perm::AuditRead>,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 50 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before, asked for with the same filters.
        cursor: Query<Option<String>>,
        /// Only what this person, key or part of the program did.
        #[oai(name = "actorId")]
        actor: Query<Option<String>>,
        /// Only this action; with a dot at its end, such as `member.`, all that begin with it.
        action: Query<Option<Txt<ActionFilter>>>,
        /// Only what was done to this.
        #[oai(name = "targetId")]
        target: Query<Option<String>>,
        /// Only what was `allowed`, or `denied`.
        outcome: Query<Option<Txt<Outcome>>>,
        /// Only at this time or later: `2026-01-31T13:45:00Z`.
        #[oai(name = "fromTimestamp")]
        from: Query<Option<Txt<Timestamp>>>,
        /// Only before this time.
        #[oai(name = "toTimestamp")]
        to: Query<Option<Txt<Timestamp>>>,
    ) -> Result<Json<AuditPage>, ApiError> {
        let limit = page::limit(limit.0)?;
        let filter = AuditFilter {
            actor: page::plain(actor.0),
            action: action.0.map(|action| action.0),
            target: page::plain(target.0),
            outcome: outcome.0.map(|outcome| outcome.0),
            from: from.0.map(|from| from.0),
            to: to.0.map(|to| to.0),
        };
        let found = audit::list(&app, &org, &filter, limit, cursor.0.as_deref()).await?;
        let items = found.page.items.into_iter().map(AuditItem::from).collect();
        Ok(Json(AuditPage { items, next_cursor: found.page.next, partial: found.is_partial }))
    }
}

impl From<AuditRecord> for AuditItem {
    fn from(record: AuditRecord) -> Self {
        Self {
            id: record.id.to_string(),
            actor_type: record.actor_type,
            actor_id: record.actor_id,
            credential_id: record.credential,
            action: record.action,
            target: record.target,
            outcome: record.outcome.to_string(),
            times: record.times,
            details: record.details.map(Any),
            request_id: record.request_id,
            created_at: record.at.to_string(),
        }
    }
}
