//! What clusters of orchestrators have reported and must be known while they are away.

use std::collections::BTreeMap;

use kici_model::orchestrators::DashboardWrites;
use kici_model::{OrgId, Timestamp};
use kici_rbac::{Granted, perm};
use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, Order, QueryFilter, QuerySelect};

use crate::error::OrCorrupt;
use crate::{RecordTx, Store, StoreError};

const TABLE: &str = "clusters";
/// How many clusters of an organisation are remembered: those that reported last.
const KEPT: u64 = 100;

impl Store {
    /// What each cluster lets the dashboard write, by cluster name; empty is the one without a name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn dashboard_writes(
        &self,
        grant: &Granted<perm::WebhookSourcesRead, OrgId>,
    ) -> Result<BTreeMap<String, DashboardWrites>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .limit(KEPT)
            .all(&self.read)
            .await?;
        let pair = |row: row::Model| Ok((row.name.clone(), writes(row)?));
        rows.into_iter().map(pair).collect()
    }

    /// What one cluster lets the dashboard write, in the eyes of its orchestrators.
    ///
    /// # Errors
    /// The database fails.
    pub async fn kept_dashboard_writes(
        &self,
        grant: &Granted<perm::Link, OrgId>,
        cluster: &str,
    ) -> Result<Option<DashboardWrites>, StoreError> {
        let key = (grant.tenant().to_string(), cluster.to_owned());
        row::Entity::find_by_id(key).one(&self.read).await?.map(writes).transpose()
    }
}

fn writes(row: row::Model) -> Result<DashboardWrites, StoreError> {
    serde_json::from_str(&row.dashboard_writes).or_corrupt(TABLE, &row.name)
}

impl RecordTx {
    /// Keeps what a cluster has reported; each report replaces the one before as a whole.
    ///
    /// # Errors
    /// The database fails.
    pub async fn keep_dashboard_writes(
        &mut self,
        grant: &Granted<perm::Link, OrgId>,
        cluster: &str,
        writes: &DashboardWrites,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let org = grant.tenant().as_str();
        let row = row::ActiveModel {
            org_id: Set(org.to_owned()),
            name: Set(cluster.to_owned()),
            dashboard_writes: Set(serde_json::to_string(writes).or_corrupt(TABLE, cluster)?),
            reported_at: Set(at.to_utc()),
        };
        let again = OnConflict::columns([row::Column::OrgId, row::Column::Name])
            .update_columns([row::Column::DashboardWrites, row::Column::ReportedAt])
            .to_owned();
        row::Entity::insert(row).on_conflict(again).exec_without_returning(&self.tx).await?;
        let kept = Query::select()
            .column(row::Column::Name)
            .from(row::Entity)
            .and_where(row::Column::OrgId.eq(org))
            .order_by(row::Column::ReportedAt, Order::Desc)
            .limit(KEPT)
            .to_owned();
        row::Entity::delete_many()
            .filter(row::Column::OrgId.eq(org))
            .filter(row::Column::Name.not_in_subquery(kept))
            .exec(&self.tx)
            .await?;
        Ok(())
    }
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "clusters")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub dashboard_writes: String,
        pub reported_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
