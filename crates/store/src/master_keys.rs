//! The master keys in use: their ids and check values, never the keys.

use kici_model::{MasterKeyId, Timestamp};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, QueryOrder, Statement};

use crate::error::OrCorrupt;
use crate::{Store, StoreError};

const TABLE: &str = "master_keys";

/// A master key that has sealed something in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredKey {
    /// Unique; keys are registered in ascending order.
    pub position: i32,
    /// The id.
    pub id: MasterKeyId,
    /// Tells the key from another one with the same id.
    pub check_value: String,
}

/// What another key has sealed keeps that key registered.
const RETIRE: &str = "\
DELETE FROM master_keys WHERE key_id <> $1
AND NOT EXISTS (SELECT 1 FROM server_keys s WHERE s.master_key_id = master_keys.key_id)";

impl Store {
    /// The master keys in use, in the order in which they were registered.
    ///
    /// # Errors
    /// The database fails.
    pub async fn master_keys(&self) -> Result<Vec<RegisteredKey>, StoreError> {
        let rows = row::Entity::find().order_by_asc(row::Column::Position).all(&self.write).await?;
        let key = |row: row::Model| {
            Ok(RegisteredKey {
                position: row.position,
                id: row.key_id.parse().or_corrupt(TABLE, &row.key_id)?,
                check_value: row.check_value,
            })
        };
        rows.into_iter().map(key).collect()
    }

    /// Registers a master key; returns `false` if the position or the id is taken.
    ///
    /// # Errors
    /// The database fails.
    pub async fn register_master_key(
        &self,
        key: &RegisteredKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let row = row::ActiveModel {
            position: Set(key.position),
            key_id: Set(key.id.to_string()),
            check_value: Set(key.check_value.clone()),
            created_at: Set(now.to_utc()),
        };
        let taken = OnConflict::new().do_nothing().to_owned();
        let insert = row::Entity::insert(row).on_conflict(taken);
        Ok(insert.exec_without_returning(&self.write).await? == 1)
    }

    /// Removes all master keys but this one, except for those that still have something sealed.
    ///
    /// # Errors
    /// The database fails.
    pub async fn retire_master_keys_but(&self, id: &MasterKeyId) -> Result<(), StoreError> {
        let backend = self.write.get_database_backend();
        let values = [id.as_str().into()];
        let statement = Statement::from_sql_and_values(backend, RETIRE, values);
        self.write.execute_raw(statement).await?;
        Ok(())
    }
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "master_keys")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i32,
        pub key_id: String,
        pub check_value: String,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
