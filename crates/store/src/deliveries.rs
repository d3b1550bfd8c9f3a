//! Delivery ids that are taken: those of deliveries that an orchestrator has accepted.

use kici_model::text::DeliveryId;
use kici_model::{OrgId, RoutingKey, Timestamp};
use kici_rbac::{Granted, perm};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, EntityTrait};

use crate::{RecordTx, Store, StoreError};

impl Store {
    /// The hash of the body that was accepted under this id, if one was.
    ///
    /// # Errors
    /// The database fails.
    pub async fn accepted_delivery(
        &self,
        grant: &Granted<perm::EventLogWrite, OrgId>,
        source: &RoutingKey,
        id: &DeliveryId,
    ) -> Result<Option<String>, StoreError> {
        let key = (grant.tenant().to_string(), source.to_string(), id.to_string());
        let row = row::Entity::find_by_id(key).one(&self.read).await?;
        Ok(row.map(|row| row.body_hash))
    }
}

impl RecordTx {
    /// Takes an id; the first who takes it keeps it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn accept_delivery(
        &mut self,
        grant: &Granted<perm::EventLogWrite, OrgId>,
        source: &RoutingKey,
        id: &DeliveryId,
        body_hash: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            org_id: Set(grant.tenant().to_string()),
            routing_key: Set(source.to_string()),
            delivery_id: Set(id.to_string()),
            body_hash: Set(body_hash.to_owned()),
            accepted_at: Set(at.to_utc()),
        };
        let first = OnConflict::new().do_nothing().to_owned();
        row::Entity::insert(row).on_conflict(first).exec_without_returning(&self.tx).await?;
        Ok(())
    }
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "accepted_deliveries")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub routing_key: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub delivery_id: String,
        pub body_hash: String,
        pub accepted_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
