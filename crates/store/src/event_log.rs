//! The event log: one insert for each delivery, pages from the newest back.

use kici_model::event_log::{Event, EventFilter, EventStatus};
use kici_model::page::{Limit, Position, SearchPage};
use kici_model::text::DeliveryId;
use kici_model::{OrgId, Timestamp};
use kici_rbac::{Granted, perm};
use sea_orm::sea_query::{Expr, ExprTrait, Func, SimpleExpr};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, Select, Value,
};

mod counted;

use crate::error::OrCorrupt;
use crate::search::Filtered;
use crate::{RecordTx, SearchError, Store, StoreError};

const TABLE: &str = "event_log";

impl Store {
    /// The deliveries with this id, newest first: more than one when a sender has repeated it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn events_of_delivery(
        &self,
        grant: &Granted<perm::EventLogRead, OrgId>,
        id: &DeliveryId,
    ) -> Result<Vec<Event>, StoreError> {
        let rows = of_delivery(grant.tenant(), id).all(&self.read).await?;
        rows.into_iter().map(event).collect()
    }

    /// A page of the event log, newest first, beginning after `after`. Where no index answers the whole
    /// filter, it reads a bounded number of rows: see `search.rs`.
    ///
    /// # Errors
    /// The database fails, or has no time for the search.
    pub async fn events(
        &self,
        grant: &Granted<perm::EventLogRead, OrgId>,
        filter: &EventFilter,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<SearchPage<Event, Position>, SearchError> {
        let list = filtered(grant.tenant(), filter);
        let page = self.newest_matching(grant.tenant(), list, after, limit).await?;
        Ok(page.try_map(event)?)
    }
}

impl RecordTx {
    /// Adds a delivery to the log.
    ///
    /// # Errors
    /// The database fails.
    pub async fn record_event(
        &mut self,
        grant: &Granted<perm::EventLogWrite, OrgId>,
        event: &Event,
    ) -> Result<(), StoreError> {
        columns(grant, event)?.insert(&self.tx).await?;
        Ok(())
    }
}

fn columns(
    grant: &Granted<perm::EventLogWrite, OrgId>,
    event: &Event,
) -> Result<row::ActiveModel, StoreError> {
    let id = event.id.as_str();
    Ok(row::ActiveModel {
        id: Set(id.to_owned()),
        org_id: Set(grant.tenant().to_string()),
        routing_key: Set(event.routing_key.to_string()),
        delivery_id: Set(event.delivery_id.to_string()),
        event: Set(event.event.clone()),
        action: Set(event.action.clone()),
        repo: Set(event.repo.clone()),
        git_ref: Set(event.git_ref.clone()),
        status: Set(event.status.to_string()),
        reason: Set(event.reason.clone()),
        attempts: Set(serde_json::to_string(&event.attempts).or_corrupt(TABLE, id)?),
        body_bytes: Set(event.body_bytes),
        body_hash: Set(event.body_hash.clone()),
        client_ip: Set(event.client_ip.clone()),
        received_at: Set(event.received_at.to_utc()),
        times: Set(event.times),
    })
}

/// A list that one column leads to. A failed or rejected delivery is rarer than those of a source, and
/// these than those of an event or than relayed ones.
pub(crate) fn filtered(org: &OrgId, filter: &EventFilter) -> Filtered<row::Entity> {
    let EventFilter { routing_key, event, status, delivery_id, from, to } = filter;
    let has_status = |status: EventStatus| (row::Column::Status, status.as_str().into());
    let is_relayed = |status: &EventStatus| *status == EventStatus::Relayed;
    let mut equal = [
        status.filter(|status| !is_relayed(status)).map(has_status),
        routing_key.as_ref().map(|key| (row::Column::RoutingKey, key.to_string().into())),
        event.as_ref().map(|event| (row::Column::Event, event.as_str().into())),
        status.filter(is_relayed).map(has_status),
    ]
    .into_iter()
    .flatten();
    Filtered {
        rows: row::Entity::find().filter(row::Column::OrgId.eq(org.as_str())),
        lead: equal.next(),
        from: *from,
        before: *to,
        matching: equal
            .fold(Condition::all(), |all, (column, value): (row::Column, Value)| {
                all.add(column.eq(value))
            })
            .add_option(delivery_id.as_ref().map(|part| has_part(part))),
        columns: [row::Column::ReceivedAt, row::Column::Id],
        place: |row| (row.received_at, &row.id),
    }
}

/// All deliveries with this id, newest first.
pub(crate) fn of_delivery(org: &OrgId, id: &DeliveryId) -> Select<row::Entity> {
    row::Entity::find()
        .filter(row::Column::OrgId.eq(org.as_str()))
        .filter(row::Column::DeliveryId.eq(id.as_str()))
        .order_by_desc(row::Column::ReceivedAt)
        .order_by_desc(row::Column::Id)
        .limit(Limit::MAX)
}

/// Not `LIKE`, which reads `%` and `_` as more than themselves, and on SQLite has no case.
fn has_part(part: &str) -> SimpleExpr {
    let id = || Expr::col(row::Column::DeliveryId);
    let without = Func::cust("REPLACE").args([id(), Expr::val(part), Expr::val("")]);
    SimpleExpr::from(without).ne(id())
}

fn event(row: row::Model) -> Result<Event, StoreError> {
    Ok(Event {
        id: row.id.parse().or_corrupt(TABLE, &row.id)?,
        routing_key: row.routing_key.parse().or_corrupt(TABLE, &row.id)?,
        delivery_id: row.delivery_id.parse().or_corrupt(TABLE, &row.id)?,
        event: row.event,
        action: row.action,
        repo: row.repo,
        git_ref: row.git_ref,
        status: row.status.parse().or_corrupt(TABLE, &row.id)?,
        reason: row.reason,
        attempts: serde_json::from_str(&row.attempts).or_corrupt(TABLE, &row.id)?,
        body_bytes: row.body_bytes,
        body_hash: row.body_hash,
        client_ip: row.client_ip,
        received_at: Timestamp::new(row.received_at),
        times: row.times,
    })
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "event_log")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub org_id: String,
        pub routing_key: String,
        pub delivery_id: String,
        pub event: String,
        pub action: Option<String>,
        pub repo: Option<String>,
        pub git_ref: Option<String>,
        pub status: String,
        pub reason: Option<String>,
        pub attempts: String,
        pub body_bytes: i64,
        pub body_hash: String,
        pub client_ip: Option<String>,
        pub received_at: DateTimeUtc,
        pub times: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
