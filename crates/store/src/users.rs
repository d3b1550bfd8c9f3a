//! People. A row here gives nobody any right.

use kici_model::users::User;
use kici_model::{OrgId, UserId};
use kici_rbac::{Granted, perm};
use sea_orm::sea_query::LockType;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
    QuerySelect,
};

use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx};

impl Store {
    /// The person themselves.
    ///
    /// # Errors
    /// The database fails.
    pub async fn person(
        &self,
        grant: &Granted<perm::Person, UserId>,
    ) -> Result<Option<User>, StoreError> {
        let found = row::Entity::find_by_id(grant.tenant().as_str()).one(&self.read).await?;
        found.map(user).transpose()
    }
}

/// Lets nobody else change what belongs to a person until this transaction ends. On SQLite nobody
/// does anyway.
pub(crate) async fn lock(db: &impl ConnectionTrait, id: &UserId) -> Result<(), StoreError> {
    row::Entity::find_by_id(id.as_str()).lock(LockType::NoKeyUpdate).one(db).await?;
    Ok(())
}

impl WriteTx {
    /// Adds a person while an installation is set up.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the address is known already.
    pub async fn create_user(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
        user: &User,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            id: Set(user.id.to_string()),
            email: Set(user.email.to_string()),
            name: Set(user.name.to_string()),
            created_at: Set(user.created_at.to_utc()),
        };
        row.insert(&self.tx).await?;
        Ok(())
    }

    /// Gives somebody another address.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is somebody else's.
    pub async fn change_email(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
        user: &UserId,
        email: &kici_model::text::Email,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .set(row::ActiveModel { email: Set(email.to_string()), ..Default::default() })
            .filter(row::Column::Id.eq(user.as_str()))
            .exec(&self.tx)
            .await?;
        Ok(())
    }

    /// The person with this address, while an installation is set up.
    ///
    /// # Errors
    /// The database fails.
    pub async fn find_user(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
        email: &kici_model::text::Email,
    ) -> Result<Option<User>, StoreError> {
        let found = row::Entity::find()
            .filter(row::Column::Email.eq(email.to_string()))
            .one(&self.tx)
            .await?;
        found.map(user).transpose()
    }
}

pub(crate) fn user(row: row::Model) -> Result<User, StoreError> {
    const TABLE: &str = "users";
    Ok(User {
        id: row.id.parse().or_corrupt(TABLE, &row.id)?,
        email: row.email.parse().or_corrupt(TABLE, &row.id)?,
        name: row.name.parse().or_corrupt(TABLE, &row.id)?,
        created_at: kici_model::Timestamp::new(row.created_at),
    })
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub email: String,
        pub name: String,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
