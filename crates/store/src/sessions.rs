//! Sessions of browsers, for the person alone.

use kici_model::page::{Limit, Page, Position};
use kici_model::sessions::{Session, SessionToken};
use kici_model::{SessionId, Timestamp, TokenHash, UserId};
use kici_rbac::{Granted, perm};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter,
};

use crate::error::OrCorrupt;
use crate::{RecordTx, Store, StoreError, WriteTx, page};

pub(crate) const TABLE: &str = "sessions";

impl Store {
    /// A page of the person's sessions that were used since `idle` and end after `now`, newest first,
    /// beginning behind `after`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sessions(
        &self,
        grant: &Granted<perm::Person, UserId>,
        idle: Timestamp,
        now: Timestamp,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Page<Session, Position>, StoreError> {
        let select = row::Entity::find()
            .filter(row::Column::UserId.eq(grant.tenant().as_str()))
            .filter(row::Column::RevokedAt.is_null())
            .filter(row::Column::SeenAt.gt(idle.to_utc()))
            .filter(row::Column::ExpiresAt.gt(now.to_utc()));
        let columns = [row::Column::CreatedAt, row::Column::Id];
        page::newest(&self.read, select, columns, |row| (row.created_at, &row.id), after, limit)
            .await?
            .try_map(session)
    }
}

impl WriteTx {
    /// Adds a session of the person, and forgets those of theirs that are over.
    ///
    /// # Errors
    /// The database fails.
    pub async fn create_session(
        &mut self,
        grant: &Granted<perm::Person, UserId>,
        session: &Session,
        token: &SessionToken,
    ) -> Result<(), StoreError> {
        let user = grant.tenant().as_str();
        let over = Condition::any()
            .add(row::Column::RevokedAt.is_not_null())
            .add(row::Column::ExpiresAt.lte(session.created_at.to_utc()));
        row::Entity::delete_many()
            .filter(row::Column::UserId.eq(user))
            .filter(over)
            .exec(&self.tx)
            .await?;
        let row = row::ActiveModel {
            id: Set(session.id.to_string()),
            hash: Set(token.hash().as_str().to_owned()),
            user_id: Set(user.to_owned()),
            created_at: Set(session.created_at.to_utc()),
            seen_at: Set(session.seen_at.to_utc()),
            expires_at: Set(session.expires_at.to_utc()),
            revoked_at: Set(None),
            user_agent: Set(session.user_agent.clone()),
        };
        row.insert(&self.tx).await?;
        Ok(())
    }

    /// Ends a session of the person; `false` when they have no such session.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke_session(
        &mut self,
        grant: &Granted<perm::Person, UserId>,
        id: &SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = row::Entity::update_many()
            .set(row::ActiveModel { revoked_at: Set(Some(at.to_utc())), ..Default::default() })
            .filter(row::Column::UserId.eq(grant.tenant().as_str()))
            .filter(row::Column::Id.eq(id.as_str()))
            .filter(row::Column::RevokedAt.is_null())
            .exec(&self.tx)
            .await?;
        Ok(done.rows_affected == 1)
    }
}

impl RecordTx {
    /// Records that a session was used; one that was revoked meanwhile stays so.
    ///
    /// # Errors
    /// The database fails.
    pub async fn session_seen(
        &mut self,
        hash: &TokenHash,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .set(row::ActiveModel { seen_at: Set(at.to_utc()), ..Default::default() })
            .filter(row::Column::Hash.eq(hash.as_str()))
            .exec(&self.tx)
            .await?;
        Ok(())
    }

    /// Forgets the sessions that were revoked, not used since `idle` or at their end `now`; gives how
    /// many there were.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_sessions(
        &mut self,
        idle: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let over = Condition::any()
            .add(row::Column::RevokedAt.is_not_null())
            .add(row::Column::SeenAt.lte(idle.to_utc()))
            .add(row::Column::ExpiresAt.lte(now.to_utc()));
        Ok(row::Entity::delete_many().filter(over).exec(&self.tx).await?.rows_affected)
    }
}

fn session(row: row::Model) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.id.parse().or_corrupt(TABLE, &row.id)?,
        created_at: Timestamp::new(row.created_at),
        seen_at: Timestamp::new(row.seen_at),
        expires_at: Timestamp::new(row.expires_at),
        user_agent: row.user_agent,
    })
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sessions")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub hash: String,
        pub user_id: String,
        pub created_at: DateTimeUtc,
        pub seen_at: DateTimeUtc,
        pub expires_at: DateTimeUtc,
        pub revoked_at: Option<DateTimeUtc>,
        pub user_agent: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
