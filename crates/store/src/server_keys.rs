//! Secrets of the installation itself, the same on every node. They are sealed by a master key,
//! which is not in the database.

use kici_model::master_key::Sealed;
use kici_model::{MasterKeyId, Secret, Timestamp};
use sea_orm::sea_query::{ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::error::OrCorrupt;
use crate::{Store, StoreError};

const TABLE: &str = "server_keys";

/// A secret of the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerKey {
    /// What it is for.
    pub name: String,
    /// The secret, as it is stored.
    pub secret: StoredSecret,
}

/// A secret as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredSecret {
    /// As versions before the master key stored it.
    Plain(Secret<String>),
    /// Sealed by a master key.
    Sealed(Sealed),
}

impl StoredSecret {
    /// The columns: the id of the master key, and the secret as text.
    fn to_columns(&self) -> (Option<String>, String) {
        match self {
            Self::Plain(secret) => (None, secret.expose().clone()),
            Self::Sealed(sealed) => (Some(sealed.key.to_string()), sealed.to_text()),
        }
    }
}

impl Store {
    /// The secret called `name`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn server_key(&self, name: &str) -> Result<Option<ServerKey>, StoreError> {
        let found = row::Entity::find_by_id(name).one(&self.write).await?;
        found.map(server_key).transpose()
    }

    /// Adds a sealed secret; does nothing if there is one with this name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn insert_server_key(
        &self,
        name: &str,
        secret: &Sealed,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            name: Set(name.to_owned()),
            master_key_id: Set(Some(secret.key.to_string())),
            secret: Set(secret.to_text()),
            created_at: Set(now.to_utc()),
        };
        row::Entity::insert(row)
            .on_conflict(OnConflict::column(row::Column::Name).do_nothing().to_owned())
            .exec_without_returning(&self.write)
            .await?;
        Ok(())
    }

    /// Stores another sealed form of a secret; returns `false` if `was` is not stored any more.
    ///
    /// # Errors
    /// The database fails.
    pub async fn reseal_server_key(
        &self,
        was: &ServerKey,
        secret: &Sealed,
    ) -> Result<bool, StoreError> {
        let (_, old) = was.secret.to_columns();
        let done = row::Entity::update_many()
            .set(row::ActiveModel {
                master_key_id: Set(Some(secret.key.to_string())),
                secret: Set(secret.to_text()),
                ..Default::default()
            })
            .filter(row::Column::Name.eq(&was.name))
            .filter(row::Column::Secret.eq(old))
            .exec(&self.write)
            .await?;
        Ok(done.rows_affected == 1)
    }

    /// Secrets that another master key than this one has sealed, or none; by name, at most `limit`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn server_keys_not_sealed_by(
        &self,
        id: &MasterKeyId,
        limit: u64,
    ) -> Result<Vec<ServerKey>, StoreError> {
        let by_another = row::Column::MasterKeyId.ne(id.as_str());
        let rows = row::Entity::find()
            .filter(by_another.or(row::Column::MasterKeyId.is_null()))
            .order_by_asc(row::Column::Name)
            .limit(limit)
            .all(&self.write)
            .await?;
        rows.into_iter().map(server_key).collect()
    }
}

fn server_key(row: row::Model) -> Result<ServerKey, StoreError> {
    let secret = match &row.master_key_id {
        None => StoredSecret::Plain(Secret::new(row.secret)),
        Some(key) => {
            StoredSecret::Sealed(Sealed::from_text(key, &row.secret).or_corrupt(TABLE, &row.name)?)
        }
    };
    Ok(ServerKey { name: row.name, secret })
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "server_keys")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub secret: String,
        pub created_at: DateTimeUtc,
        pub master_key_id: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
