//! Orchestrator keys.

use kici_model::credentials::NewCredential;
use kici_model::orchestrator_keys::OrchestratorKey;
use kici_model::page::{Limit, Page, Position};
use kici_model::{CredentialId, OrgId, RoutingPattern, Timestamp, TokenKind};
use kici_rbac::{Granted, perm};

use crate::credentials::{self, Extra, TABLE, row};
use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx};

impl Store {
    /// A page of the keys that are not revoked, oldest first, beginning behind `after`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn orchestrator_keys(
        &self,
        grant: &Granted<perm::ApiKeysRead, OrgId>,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Page<OrchestratorKey, Position>, StoreError> {
        let whose = credentials::of_org(grant.tenant());
        credentials::list(self, TokenKind::Orchestrator, whose, key, after, limit).await
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
        patterns: Option<&[RoutingPattern]>,
    ) -> Result<(), StoreError> {
        let extra = Extra { patterns, ..Extra::default() };
        credentials::insert(self, Some(grant.tenant()), TokenKind::Orchestrator, new, extra).await
    }

    /// A key in use, as this transaction sees it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn orchestrator_key(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        id: &CredentialId,
    ) -> Result<Option<OrchestratorKey>, StoreError> {
        let whose = credentials::of_org(grant.tenant());
        let found = credentials::find(&self.tx, TokenKind::Orchestrator, id, whose).await?;
        found.map(key).transpose()
    }

    /// Ends a key that has a successor, now or at the second of `when`; `false` when there is no such
    /// key in use, or it has one already.
    ///
    /// # Errors
    /// The database fails.
    pub async fn retire_orchestrator_key(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        id: &CredentialId,
        successor: &CredentialId,
        when: (Timestamp, Timestamp),
    ) -> Result<bool, StoreError> {
        let whose = credentials::of_org(grant.tenant());
        credentials::retire(self, TokenKind::Orchestrator, id, whose, successor, when).await
    }

    /// Says which sources a key may register.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_routing_patterns(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        id: &CredentialId,
        patterns: &[RoutingPattern],
    ) -> Result<(), StoreError> {
        let whose = credentials::of_org(grant.tenant());
        credentials::set_routing_patterns(self, id, whose, patterns).await
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
        patterns: credentials::routing_patterns(&row.id, row.routing_patterns.as_deref())?,
        expires_at: row.expires_at.map(Timestamp::new),
        last_used_at: row.last_used_at.map(Timestamp::new),
    })
}
