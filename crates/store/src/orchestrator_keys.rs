//! Orchestrator keys.

use kici_model::credentials::NewCredential;
use kici_model::orchestrator_keys::OrchestratorKey;
use kici_model::{CredentialId, OrgId, Timestamp, TokenKind};
use kici_rbac::{Granted, perm};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::credentials::{self, TABLE, row};
use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx};

impl Store {
    /// The keys that are not revoked, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn orchestrator_keys(
        &self,
        grant: &Granted<perm::ApiKeysRead, OrgId>,
    ) -> Result<Vec<OrchestratorKey>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::Kind.eq(TokenKind::Orchestrator.as_str()))
            .filter(row::Column::RevokedAt.is_null())
            .order_by_asc(row::Column::CreatedAt)
            .order_by_asc(row::Column::Id)
            .all(&self.read)
            .await?;
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
        credentials::insert(self, Some(grant.tenant()), TokenKind::Orchestrator, new, None).await
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
        let done = row::Entity::update_many()
            .set(row::ActiveModel { revoked_at: Set(Some(at.to_utc())), ..Default::default() })
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::Id.eq(id.as_str()))
            .filter(row::Column::Kind.eq(TokenKind::Orchestrator.as_str()))
            .filter(row::Column::RevokedAt.is_null())
            .exec(&self.tx)
            .await?;
        Ok(done.rows_affected == 1)
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
