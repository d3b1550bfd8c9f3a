//! The event log: one insert for each delivery, pages from the newest back.

use kici_model::event_log::{Event, EventFilter};
use kici_model::page::{Limit, Page, Position};
use kici_model::text::DeliveryId;
use kici_model::{OrgId, Timestamp};
use kici_rbac::{Granted, perm};
use sea_orm::sea_query::{Expr, ExprTrait, Func, SimpleExpr};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

mod counted;

use crate::error::OrCorrupt;
use crate::{RecordTx, Store, StoreError, page};

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
        let rows = row::Entity::find()
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::DeliveryId.eq(id.as_str()))
            .order_by_desc(row::Column::ReceivedAt)
            .order_by_desc(row::Column::Id)
            .limit(Limit::MAX)
            .all(&self.read)
            .await?;
        rows.into_iter().map(event).collect()
    }

    /// A page of the event log, newest first, beginning behind `after`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn events(
        &self,
        grant: &Granted<perm::EventLogRead, OrgId>,
        filter: &EventFilter,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Page<Event, Position>, StoreError> {
        let select = row::Entity::find()
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(condition(filter));
        let columns = [row::Column::ReceivedAt, row::Column::Id];
        page::newest(&self.read, select, columns, |row| (row.received_at, &row.id), after, limit)
            .await?
            .try_map(event)
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

fn condition(filter: &EventFilter) -> Condition {
    let EventFilter { routing_key, event, status, delivery_id, from, to } = filter;
    Condition::all()
        .add_option(routing_key.as_ref().map(|key| row::Column::RoutingKey.eq(key.to_string())))
        .add_option(event.as_ref().map(|event| row::Column::Event.eq(event)))
        .add_option(status.map(|status| row::Column::Status.eq(status.as_str())))
        .add_option(delivery_id.as_ref().map(|part| has_part(part)))
        .add_option(from.map(|from| row::Column::ReceivedAt.gte(from.to_utc())))
        .add_option(to.map(|to| row::Column::ReceivedAt.lt(to.to_utc())))
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

mod row {
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
