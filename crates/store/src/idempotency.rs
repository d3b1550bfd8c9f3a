//! Answers to requests that named themselves, for whoever repeats one.

use kici_model::Timestamp;
use kici_model::audit::Actor;
use kici_model::idempotency::{Claimed, KeptAnswer};
use kici_model::text::IdempotencyKey;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use crate::error::OrCorrupt;
use crate::{RecordTx, StoreError};

const TABLE: &str = "idempotency_keys";

impl RecordTx {
    /// Claims a key for the request of this fingerprint, unless another one has it. A claim from
    /// before `stale` that never got an answer was broken off: what it did may be done.
    ///
    /// # Errors
    /// The database fails.
    pub async fn claim_idempotency_key(
        &mut self,
        caller: &Actor,
        key: &IdempotencyKey,
        fingerprint: &str,
        now: Timestamp,
        stale: Timestamp,
    ) -> Result<Claimed, StoreError> {
        let row = row::ActiveModel {
            caller: Set(name(caller)),
            key: Set(key.to_string()),
            fingerprint: Set(fingerprint.to_owned()),
            status: Set(None),
            answer: Set(None),
            created_at: Set(now.to_utc()),
        };
        let taken = OnConflict::new().do_nothing().to_owned();
        let done =
            row::Entity::insert(row).on_conflict(taken).exec_without_returning(&self.tx).await?;
        if done == 1 {
            return Ok(Claimed::Now);
        }
        let found = row::Entity::find().filter(of(caller, key)).one(&self.tx).await?;
        let Some(row) = found else { return Ok(Claimed::UnderWay) };
        if row.fingerprint != fingerprint {
            return Ok(Claimed::ByAnother);
        }
        match row.answer {
            Some(text) => {
                Ok(Claimed::Answered(serde_json::from_str(&text).or_corrupt(TABLE, &row.key)?))
            }
            None if row.created_at < stale.to_utc() => Ok(Claimed::BrokenOff),
            None => Ok(Claimed::UnderWay),
        }
    }

    /// Keeps the answer to the request that has claimed the key.
    ///
    /// # Errors
    /// The database fails.
    pub async fn keep_idempotent_answer(
        &mut self,
        caller: &Actor,
        key: &IdempotencyKey,
        answer: &KeptAnswer,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(answer).or_corrupt(TABLE, key.as_str())?;
        row::Entity::update_many()
            .set(row::ActiveModel {
                status: Set(Some(i32::from(answer.status))),
                answer: Set(Some(text)),
                ..Default::default()
            })
            .filter(of(caller, key))
            .exec(&self.tx)
            .await?;
        Ok(())
    }

    /// Gives a key back whose request changed nothing.
    ///
    /// # Errors
    /// The database fails.
    pub async fn release_idempotency_key(
        &mut self,
        caller: &Actor,
        key: &IdempotencyKey,
    ) -> Result<(), StoreError> {
        let open = row::Entity::delete_many()
            .filter(of(caller, key))
            .filter(row::Column::Status.is_null());
        open.exec(&self.tx).await?;
        Ok(())
    }

    /// Forgets what was claimed before `before`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_idempotency_keys(&mut self, before: Timestamp) -> Result<(), StoreError> {
        let old = row::Column::CreatedAt.lt(before.to_utc());
        row::Entity::delete_many().filter(old).exec(&self.tx).await?;
        Ok(())
    }
}

fn name(caller: &Actor) -> String {
    format!("{}:{}", caller.kind(), caller.id())
}

fn of(caller: &Actor, key: &IdempotencyKey) -> sea_orm::Condition {
    sea_orm::Condition::all()
        .add(row::Column::Caller.eq(name(caller)))
        .add(row::Column::Key.eq(key.as_str()))
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency_keys")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub caller: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        pub fingerprint: String,
        pub status: Option<i32>,
        pub answer: Option<String>,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
