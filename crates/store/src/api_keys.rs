//! API keys.

use kici_model::api_keys::ApiKey;
use kici_model::credentials::NewCredential;
use kici_model::page::{Limit, Page, Position};
use kici_model::{CredentialId, OrgId, Timestamp, TokenKind, UserId};
use kici_rbac::{Granted, Matrix, perm};

use sea_orm::ColumnTrait;

use crate::credentials::{self, Extra, TABLE, row};
use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx, roles};

impl Store {
    /// A page of the keys that are not revoked, oldest first, beginning behind `after`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn api_keys(
        &self,
        grant: &Granted<perm::ApiKeysRead, OrgId>,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Page<ApiKey, Position>, StoreError> {
        let whose = credentials::of_org(grant.tenant());
        credentials::list(self, TokenKind::ApiKey, whose, key, after, limit).await
    }
}

impl Store {
    /// What each key in use was given, with its maker: what a change of roles may narrow.
    ///
    /// # Errors
    /// The database fails.
    pub async fn api_keys_by_maker(
        &self,
        grant: &Granted<perm::MembersRead, OrgId>,
        now: Timestamp,
    ) -> Result<Vec<(UserId, Matrix)>, StoreError> {
        let whose = credentials::of_org(grant.tenant()).add(credentials::lives(now));
        let rows = credentials::in_use(TokenKind::ApiKey, whose).all(&self.read).await?;
        let pair = |row| key(row).map(|key| (key.created_by, key.permissions));
        rows.into_iter().map(pair).collect()
    }
}

impl WriteTx {
    /// Adds a key.
    ///
    /// # Errors
    /// The database fails.
    pub async fn create_api_key(
        &mut self,
        grant: &Granted<perm::ApiKeysWrite, OrgId>,
        new: &NewCredential<'_>,
        permissions: Matrix,
    ) -> Result<(), StoreError> {
        let extra = Extra { permissions: Some(permissions), ..Extra::default() };
        credentials::insert(self, Some(grant.tenant()), TokenKind::ApiKey, new, extra).await
    }

    /// A key in use, whoever made it, as this transaction sees it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn api_key(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        id: &CredentialId,
    ) -> Result<Option<ApiKey>, StoreError> {
        let whose = credentials::of_org(grant.tenant());
        let found = credentials::find(&self.tx, TokenKind::ApiKey, id, whose).await?;
        found.map(key).transpose()
    }

    /// A key in use that `maker` made.
    ///
    /// # Errors
    /// The database fails.
    pub async fn api_key_of(
        &mut self,
        grant: &Granted<perm::ApiKeysWrite, OrgId>,
        maker: &UserId,
        id: &CredentialId,
    ) -> Result<Option<ApiKey>, StoreError> {
        let whose = credentials::of_org(grant.tenant()).add(row::Column::UserId.eq(maker.as_str()));
        let found = credentials::find(&self.tx, TokenKind::ApiKey, id, whose).await?;
        found.map(key).transpose()
    }

    /// Whether the organisation has this key in use, whoever made it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn has_api_key(
        &mut self,
        grant: &Granted<perm::ApiKeysWrite, OrgId>,
        id: &CredentialId,
    ) -> Result<bool, StoreError> {
        let whose = credentials::of_org(grant.tenant());
        Ok(credentials::find(&self.tx, TokenKind::ApiKey, id, whose).await?.is_some())
    }

    /// Ends a key that has a successor, now or at the second of `when`; `false` when there is no such
    /// key in use, or it has one already.
    ///
    /// # Errors
    /// The database fails.
    pub async fn retire_api_key(
        &mut self,
        grant: &Granted<perm::ApiKeysWrite, OrgId>,
        id: &CredentialId,
        successor: &CredentialId,
        when: (Timestamp, Timestamp),
    ) -> Result<bool, StoreError> {
        let whose = credentials::of_org(grant.tenant());
        credentials::retire(self, TokenKind::ApiKey, id, whose, successor, when).await
    }

    /// Revokes a key; `false` when the organisation has no such key in use.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke_api_key(
        &mut self,
        grant: &Granted<perm::ApiKeysWrite, OrgId>,
        id: &CredentialId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let whose = credentials::of_org(grant.tenant());
        credentials::revoke(self, TokenKind::ApiKey, id, whose, at).await
    }
}

fn key(row: row::Model) -> Result<ApiKey, StoreError> {
    let description = row.description.map(|text| text.parse()).transpose();
    let permissions = row.permissions.ok_or("an API key without permissions");
    Ok(ApiKey {
        id: row.id.parse().or_corrupt(TABLE, &row.id)?,
        name: row.name.parse().or_corrupt(TABLE, &row.id)?,
        description: description.or_corrupt(TABLE, &row.id)?,
        shown: row.shown,
        permissions: roles::matrix(TABLE, &row.id, &permissions.or_corrupt(TABLE, &row.id)?)?,
        created_by: row.user_id.parse().or_corrupt(TABLE, &row.id)?,
        created_at: Timestamp::new(row.created_at),
        expires_at: row.expires_at.map(Timestamp::new),
        last_used_at: row.last_used_at.map(Timestamp::new),
    })
}
