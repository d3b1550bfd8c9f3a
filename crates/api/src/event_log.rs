//! `/orgs/{org}/event-log`

use std::sync::Arc;

use kici_domain::{App, event_log};
use kici_model::delivery::Attempt;
use kici_model::event_log::{Event, EventFilter, EventStatus};
use kici_model::text::DeliveryId;
use kici_model::{RoutingKey, Timestamp};
use kici_rbac::perm;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use crate::org::Org;
use crate::page;
use crate::problem::ApiError;
use crate::routes::Tag;
use crate::text::Txt;

/// One delivery.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct EventLogItem {
    /// Its id here.
    id: String,
    /// The sender's id of it.
    delivery_id: String,
    /// The source it was for.
    routing_key: String,
    /// What happened, in the provider's words.
    event: String,
    /// The `action` of the body.
    action: Option<String>,
    /// The repository that the body names.
    repo_identifier: Option<String>,
    /// The git ref that the body names.
    r#ref: Option<String>,
    /// What became of it: `relayed`, `rejected` or `failed`.
    status: String,
    /// Why, where it was not relayed.
    reason: Option<String>,
    /// Every connection that it was offered to, in order.
    attempts: Vec<EventLogAttempt>,
    /// How many deliveries the row stands for. Where it is more than one delivery or the body was not
    /// read, the other fields are those of the first, and it has no size and no hash.
    times: i64,
    /// The size of the body in bytes.
    payload_size_bytes: i64,
    /// The SHA-256 of the body in lower-case hexadecimal.
    payload_hash: String,
    /// Where it came from.
    client_ip: Option<String>,
    /// When its last byte had arrived.
    received_at: String,
}

/// One offer of a delivery to one connection.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct EventLogAttempt {
    /// When.
    at: String,
    /// The connection.
    connection_id: String,
    /// The orchestrator's verdict, `timeout` or `disconnected`, or whatever else it has answered.
    outcome: String,
}

/// A page of the event log.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct EventLogPage {
    /// The deliveries, newest first.
    items: Vec<EventLogItem>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
    /// Whether the search stopped before the page was full, since it had read 20,000 rows. `nextCursor`
    /// goes on from there; there may be more matches, even where `items` is empty.
    partial: bool,
}

/// All deliveries with one id.
#[derive(Debug, Object)]
pub(crate) struct EventLogDeliveries {
    /// Newest first.
    items: Vec<EventLogItem>,
}

pub(crate) struct EventLog;

#[OpenApi(prefix_path = "/orgs/:org")]
impl EventLog {
    /// Every delivery to the organization's sources, newest first.
    ///
    /// Of one source at most 300 rejected deliveries an hour have a row of their own, and 10,000 that no
    /// orchestrator took; one more row counts the others in `times`. Another one for each minute counts
    /// those for whose body the server had no memory left.
    ///
    /// With `deliveryId`, or with two of `routingKey`, `event` and `status`, one request reads at most
    /// 20,000 rows: `partial` tells where that ended the search before the page was full. An organization
    /// has one such search at a time; others wait up to 5 seconds.
    #[oai(
        path = "/event-log",
        method = "get",
        operation_id = "event_log_list",
        tag = "Tag::EventLog"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the operation")]
    async fn list(
        &self,
        org: Org<perm::EventLogRead>,
        app: Data<&Arc<App>>,
        /// How many at most: 1 to 200, 50 if left out.
        limit: Query<Option<page::Size>>,
        /// The `nextCursor` of the page before, asked for with the same filters.
        cursor: Query<Option<String>>,
        /// Only those of this source.
        #[oai(name = "routingKey")]
        routing_key: Query<Option<Txt<RoutingKey>>>,
        /// Only those of this event, in the provider's words.
        event: Query<Option<String>>,
        /// Only those that this became of.
        status: Query<Option<Txt<EventStatus>>>,
        /// Only those whose id contains this text, in the same case.
        #[oai(name = "deliveryId")]
        delivery_id: Query<Option<String>>,
        /// Only those received at this time or later: `2026-01-31T13:45:00Z`.
        #[oai(name = "fromTimestamp")]
        from: Query<Option<Txt<Timestamp>>>,
        /// Only those received before this time.
        #[oai(name = "toTimestamp")]
        to: Query<Option<Txt<Timestamp>>>,
    ) -> Result<Json<EventLogPage>, ApiError> {
        let limit = page::limit(limit.0)?;
        let filter = EventFilter {
            routing_key: routing_key.0.map(|key| key.0),
            event: page::plain(event.0),
            status: status.0.map(|status| status.0),
            delivery_id: page::plain(delivery_id.0),
            from: from.0.map(|from| from.0),
            to: to.0.map(|to| to.0),
        };
        let found = event_log::list(&app, &org, &filter, limit, cursor.0.as_deref()).await?;
        Ok(Json(EventLogPage {
            items: found.page.items.into_iter().map(EventLogItem::from).collect(),
            next_cursor: found.page.next,
            partial: found.is_partial,
        }))
    }

    /// Every delivery with this id, newest first: more than one when a sender has repeated it.
    #[oai(
        path = "/event-log/:delivery",
        method = "get",
        operation_id = "event_log_get",
        tag = "Tag::EventLog"
    )]
    async fn get(
        &self,
        org: Org<perm::EventLogRead>,
        delivery: Path<Txt<DeliveryId>>,
        app: Data<&Arc<App>>,
    ) -> Result<Json<EventLogDeliveries>, ApiError> {
        let found = event_log::get(&app, &org, &delivery.0.0).await?;
        Ok(Json(EventLogDeliveries { items: found.into_iter().map(EventLogItem::from).collect() }))
    }
}

impl From<Event> for EventLogItem {
    fn from(event: Event) -> Self {
        Self {
            id: event.id.to_string(),
            delivery_id: event.delivery_id.to_string(),
            routing_key: event.routing_key.to_string(),
            event: event.event,
            action: event.action,
            repo_identifier: event.repo,
            r#ref: event.git_ref,
            status: event.status.to_string(),
            reason: event.reason,
            attempts: event.attempts.into_iter().map(EventLogAttempt::from).collect(),
            times: event.times,
            payload_size_bytes: event.body_bytes,
            payload_hash: event.body_hash,
            client_ip: event.client_ip,
            received_at: event.received_at.to_string(),
        }
    }
}

impl From<Attempt> for EventLogAttempt {
    fn from(attempt: Attempt) -> Self {
        let at = Timestamp::from_micros(attempt.at_micros);
        Self {
            at: at.map(|at| at.to_string()).unwrap_or_default(),
            connection_id: attempt.connection,
            outcome: attempt.outcome,
        }
    }
}
