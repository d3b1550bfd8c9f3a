//! Secrets of the installation itself. Made once by whoever comes first; the same on every node.

use kici_model::{Secret, Timestamp};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, EntityTrait};

use crate::{Store, StoreError};

impl Store {
    /// The secret called `name`; `fresh` becomes it where there is none yet.
    ///
    /// # Errors
    /// The database fails.
    pub async fn server_key(
        &self,
        name: &str,
        fresh: &Secret<String>,
        now: Timestamp,
    ) -> Result<Secret<String>, StoreError> {
        let row = row::ActiveModel {
            name: Set(name.to_owned()),
            secret: Set(fresh.expose().clone()),
            created_at: Set(now.to_utc()),
        };
        row::Entity::insert(row)
            .on_conflict(OnConflict::column(row::Column::Name).do_nothing().to_owned())
            .exec_without_returning(&self.write)
            .await?;
        let found = row::Entity::find_by_id(name).one(&self.write).await?;
        found.map(|row| Secret::new(row.secret)).ok_or_else(|| StoreError::Corrupt {
            table: "server_keys",
            id: name.to_owned(),
            what: "gone right after it was made".to_owned(),
        })
    }
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
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
