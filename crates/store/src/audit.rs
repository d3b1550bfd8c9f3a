//! The audit log: written inside the transaction that it tells of, read newest first.

use kici_model::audit::{self, AuditEntry, AuditFilter, AuditRecord, Outcome};
use kici_model::page::{Limit, Position, SearchPage};
use kici_model::text::ActionFilter;
use kici_model::{OrgId, Timestamp};
use kici_rbac::{Granted, perm};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, Value,
};

use crate::connection::Tx;
use crate::error::OrCorrupt;
use crate::search::Filtered;
use crate::{RecordTx, SearchError, Store, StoreError};

const TABLE: &str = "audit_log";

pub(crate) async fn insert(tx: &Tx, entry: &AuditEntry) -> Result<(), StoreError> {
    columns(entry, Outcome::Allowed, 1).insert(tx).await?;
    Ok(())
}

impl Store {
    /// A page of the audit log, newest first, beginning after `after`. Where no index answers the whole
    /// filter, it reads a bounded number of rows: see `search.rs`.
    ///
    /// # Errors
    /// The database fails, or has no time for the search.
    pub async fn audit_log(
        &self,
        grant: &Granted<perm::AuditRead, OrgId>,
        filter: &AuditFilter,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<SearchPage<AuditRecord, Position>, SearchError> {
        let list = filtered(grant.tenant(), filter);
        let page = self.newest_matching(grant.tenant(), list, after, limit).await?;
        Ok(page.try_map(record)?)
    }
}

impl RecordTx {
    /// Adds something that was denied `times`, or counts it to the row that tells of it already.
    ///
    /// # Errors
    /// The database fails.
    pub async fn record_denied(
        &mut self,
        entry: &AuditEntry,
        times: i64,
    ) -> Result<(), StoreError> {
        let sum = Expr::col((row::Entity, row::Column::Times)).add(times);
        let again = OnConflict::column(row::Column::Id).value(row::Column::Times, sum).to_owned();
        let row = columns(entry, Outcome::Denied, times);
        row::Entity::insert(row).on_conflict(again).exec_without_returning(&self.tx).await?;
        Ok(())
    }
}

impl RecordTx {
    /// Adds an entry that several may add, if nobody has; says whether it did.
    ///
    /// # Errors
    /// The database fails.
    pub async fn record_once(&mut self, entry: &AuditEntry) -> Result<bool, StoreError> {
        let known = OnConflict::column(row::Column::Id).do_nothing().to_owned();
        let row = columns(entry, Outcome::Allowed, 1);
        let added = row::Entity::insert(row).on_conflict(known).exec_without_returning(&self.tx);
        Ok(added.await? == 1)
    }
}

/// The row of an entry. Nothing else writes details, so no row has more of them than the bound.
fn columns(entry: &AuditEntry, outcome: Outcome, times: i64) -> row::ActiveModel {
    row::ActiveModel {
        id: Set(entry.id.to_string()),
        org_id: Set(entry.org.as_ref().map(ToString::to_string)),
        actor_type: Set(entry.actor.kind().to_owned()),
        actor_id: Set(entry.actor.id().to_owned()),
        credential_id: Set(entry.actor.credential().map(ToString::to_string)),
        action: Set(entry.action.to_string()),
        target: Set(entry.target.clone()),
        outcome: Set(outcome.to_string()),
        times: Set(times),
        details: Set(entry.details.as_ref().map(audit::bounded)),
        request_id: Set(entry.request_id.clone()),
        created_at: Set(entry.at.to_utc()),
    }
}

/// A list that one column leads to: the one that is likely to have the fewest rows.
pub(crate) fn filtered(org: &OrgId, filter: &AuditFilter) -> Filtered<row::Entity> {
    let AuditFilter { actor, action, target, outcome, from, to } = filter;
    let action = action.as_ref().map(ActionFilter::as_str);
    let is_prefix = |action: &&str| action.ends_with('.');
    let mut equal = [
        target.as_ref().map(|target| (row::Column::Target, target.as_str().into())),
        actor.as_ref().map(|actor| (row::Column::ActorId, actor.as_str().into())),
        action.filter(|it| !is_prefix(it)).map(|action| (row::Column::Action, action.into())),
    ]
    .into_iter()
    .flatten();
    // Of the signs that mean something here only `_` can be in it, for any one character: that no
    // two actions differ by it is a matter of their names.
    let begins = action.filter(is_prefix).map(|action| row::Column::Action.starts_with(action));
    Filtered {
        rows: row::Entity::find().filter(row::Column::OrgId.eq(org.as_str())),
        lead: equal.next(),
        from: *from,
        before: *to,
        matching: equal
            .fold(Condition::all(), |all, (column, value): (row::Column, Value)| {
                all.add(column.eq(value))
            })
            .add_option(begins)
            .add_option(outcome.map(|outcome| row::Column::Outcome.eq(outcome.as_str()))),
        columns: [row::Column::CreatedAt, row::Column::Id],
        place: |row| (row.created_at, &row.id),
    }
}

fn record(row: row::Model) -> Result<AuditRecord, StoreError> {
    let details = row.details.map(|text| serde_json::from_str(&text)).transpose();
    Ok(AuditRecord {
        id: row.id.parse().or_corrupt(TABLE, &row.id)?,
        actor_type: row.actor_type,
        actor_id: row.actor_id,
        credential: row.credential_id,
        action: row.action,
        target: row.target,
        outcome: row.outcome.parse().or_corrupt(TABLE, &row.id)?,
        times: row.times,
        details: details.or_corrupt(TABLE, &row.id)?,
        request_id: row.request_id,
        at: Timestamp::new(row.created_at),
    })
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_log")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub org_id: Option<String>,
        pub actor_type: String,
        pub actor_id: String,
        pub credential_id: Option<String>,
        pub action: String,
        pub target: String,
        pub outcome: String,
        pub times: i64,
        pub details: Option<String>,
        pub request_id: String,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
