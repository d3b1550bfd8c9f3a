//! Orchestrator keys.

use kici_model::credentials::NewCredential;
use kici_model::orchestrator_keys::OrchestratorKey;
use kici_model::{CredentialId, OrgId, Timestamp, TokenKind};
use kici_rbac::{Granted, perm};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter};

use crate::credentials::{self, Extra, TABLE, row};
use crate::error::OrCorrupt;
use crate::{RecordTx, Store, StoreError, WriteTx};

impl Store {
    /// The keys that are not revoked, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn orchestrator_keys(
        &self,
        grant: &Granted<perm::ApiKeysRead, OrgId>,
    ) -> Result<Vec<OrchestratorKey>, StoreError> {
        let whose = credentials::of_org(grant.tenant());
        let rows = credentials::list(self, TokenKind::Orchestrator, whose).await?;
        rows.into_iter().map(key).collect()
    }
}

impl WriteTx {
    /// Adds a key.
    ///
    /// # Errors
    /// The database fails.
    pub async fn create_orchestrator_key(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        new: &NewCredential<'_>,
    ) -> Result<(), StoreError> {
        credentials::insert(
            self,
            Some(grant.tenant()),
            TokenKind::Orchestrator,
            new,
            Extra::default(),
        )
        .await
    }

    /// Revokes a key for good; `false` when the organisation has no such key in use.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke_orchestrator_key(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        id: &CredentialId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let whose = credentials::of_org(grant.tenant());
        credentials::revoke(self, TokenKind::Orchestrator, id, whose, at).await
    }
}

impl RecordTx {
    /// Notes that a connection was opened with a key, if nothing was noted after `since`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn orchestrator_key_used(
        &mut self,
        grant: &Granted<perm::Link, OrgId>,
        id: &CredentialId,
        at: Timestamp,
        since: Timestamp,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .set(row::ActiveModel { last_used_at: Set(Some(at.to_utc())), ..Default::default() })
            .filter(credentials::of_org(grant.tenant()))
            .filter(row::Column::Id.eq(id.as_str()))
            .filter(
                Condition::any()
                    .add(row::Column::LastUsedAt.is_null())
                    .add(row::Column::LastUsedAt.lt(since.to_utc())),
            )
            .exec(&self.tx)
            .await?;
        Ok(())
    }
}

fn key(row: row::Model) -> Result<OrchestratorKey, StoreError> {
    Ok(OrchestratorKey {
        id: row.id.parse().or_corrupt(TABLE, &row.id)?,
        name: row.name.parse().or_corrupt(TABLE, &row.id)?,
        description: row
            .description
            .map(|text| text.parse())
            .transpose()
            .or_corrupt(TABLE, &row.id)?,
        shown: row.shown,
        created_by: row.user_id.parse().or_corrupt(TABLE, &row.id)?,
        created_at: Timestamp::new(row.created_at),
        last_used_at: row.last_used_at.map(Timestamp::new),
    })
}
