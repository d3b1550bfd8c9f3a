//! Service accounts and their keys.

use kici_model::credentials::NewCredential;
use kici_model::page::{Limit, Page, Position};
use kici_model::service_accounts::{ServiceAccount, ServiceAccountKey};
use kici_model::{CredentialId, OrgId, ServiceAccountId, Timestamp, TokenKind};
use kici_rbac::{Granted, perm};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait,
    QueryFilter,
};

use crate::credentials::{self, Extra};
use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx, page, roles};

const TABLE: &str = "service_accounts";

impl Store {
    /// A page of the service accounts, by name, beginning behind `after`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn service_accounts(
        &self,
        grant: &Granted<perm::ApiKeysRead, OrgId>,
        after: Option<&str>,
        limit: Limit,
    ) -> Result<Page<ServiceAccount, String>, StoreError> {
        let all = row::Entity::find().filter(row::Column::OrgId.eq(grant.tenant().as_str()));
        page::by_name(&self.read, all, row::Column::NameKey, |row| &row.name_key, after, limit)
            .await?
            .try_map(account)
    }

    /// A page of the keys in use of an account, oldest first, beginning behind `after`; `None` when
    /// there is no such account.
    ///
    /// # Errors
    /// The database fails.
    pub async fn service_account_keys(
        &self,
        grant: &Granted<perm::ApiKeysRead, OrgId>,
        id: &ServiceAccountId,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Option<Page<ServiceAccountKey, Position>>, StoreError> {
        if find(&self.read, grant.tenant(), id).await?.is_none() {
            return Ok(None);
        }
        let whose = of_account(grant.tenant(), id);
        let kind = TokenKind::ServiceAccount;
        credentials::list(self, kind, whose, key, after, limit).await.map(Some)
    }
}

impl WriteTx {
    /// Adds an account.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its name is taken.
    pub async fn create_service_account(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        account: &ServiceAccount,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            id: Set(account.id.to_string()),
            org_id: Set(grant.tenant().to_string()),
            created_by: Set(account.created_by.to_string()),
            created_at: Set(account.created_at.to_utc()),
            ..columns(account)?
        };
        row.insert(&self.tx).await?;
        Ok(())
    }

    /// One account, as this transaction sees it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn service_account(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        id: &ServiceAccountId,
    ) -> Result<Option<ServiceAccount>, StoreError> {
        find(&self.tx, grant.tenant(), id).await?.map(account).transpose()
    }

    /// Writes a changed account.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its name is taken.
    pub async fn update_service_account(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        changed: &ServiceAccount,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .set(columns(changed)?)
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::Id.eq(changed.id.as_str()))
            .exec(&self.tx)
            .await?;
        Ok(())
    }

    /// Deletes an account together with its keys; `false` when there is no such account.
    ///
    /// # Errors
    /// The database fails.
    pub async fn delete_service_account(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        id: &ServiceAccountId,
    ) -> Result<bool, StoreError> {
        let keys = of_account(grant.tenant(), id);
        credentials::delete_all(self, TokenKind::ServiceAccount, keys).await?;
        let done = row::Entity::delete_many()
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::Id.eq(id.as_str()))
            .exec(&self.tx)
            .await?;
        Ok(done.rows_affected == 1)
    }

    /// Adds a key to an account.
    ///
    /// # Errors
    /// The database fails.
    pub async fn create_service_account_key(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        id: &ServiceAccountId,
        new: &NewCredential<'_>,
    ) -> Result<(), StoreError> {
        let extra = Extra { account: Some(id), ..Extra::default() };
        credentials::insert(self, Some(grant.tenant()), TokenKind::ServiceAccount, new, extra).await
    }

    /// A key in use of an account, as this transaction sees it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn service_account_key(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        account: &ServiceAccountId,
        id: &CredentialId,
    ) -> Result<Option<ServiceAccountKey>, StoreError> {
        let whose = of_account(grant.tenant(), account);
        let found = credentials::find(&self.tx, TokenKind::ServiceAccount, id, whose).await?;
        found.map(key).transpose()
    }

    /// Revokes a key; `false` when there is no such key in use.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke_service_account_key(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        account: &ServiceAccountId,
        id: &CredentialId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let whose = of_account(grant.tenant(), account);
        credentials::revoke(self, TokenKind::ServiceAccount, id, whose, at).await
    }

    /// Ends a key that has a successor, now or at the second of `when`; `false` when there is no such
    /// key in use, or it has one already.
    ///
    /// # Errors
    /// The database fails.
    pub async fn retire_service_account_key(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
        account: &ServiceAccountId,
        id: &CredentialId,
        successor: &CredentialId,
        when: (Timestamp, Timestamp),
    ) -> Result<bool, StoreError> {
        let whose = of_account(grant.tenant(), account);
        credentials::retire(self, TokenKind::ServiceAccount, id, whose, successor, when).await
    }
}

fn of_account(org: &OrgId, id: &ServiceAccountId) -> Condition {
    credentials::of_org(org).add(credentials::row::Column::ServiceAccountId.eq(id.as_str()))
}

async fn find(
    db: &impl ConnectionTrait,
    org: &OrgId,
    id: &ServiceAccountId,
) -> Result<Option<row::Model>, StoreError> {
    let query = row::Entity::find_by_id(id.as_str()).filter(row::Column::OrgId.eq(org.as_str()));
    Ok(query.one(db).await?)
}

/// The columns that can change.
fn columns(account: &ServiceAccount) -> Result<row::ActiveModel, StoreError> {
    let permissions = serde_json::to_string(&account.permissions);
    Ok(row::ActiveModel {
        name: Set(account.name.to_string()),
        name_key: Set(account.name.as_str().to_lowercase()),
        description: Set(account.description.as_ref().map(ToString::to_string)),
        permissions: Set(permissions.or_corrupt(TABLE, account.id.as_str())?),
        ..Default::default()
    })
}

fn account(row: row::Model) -> Result<ServiceAccount, StoreError> {
    let description = row.description.map(|text| text.parse()).transpose();
    Ok(ServiceAccount {
        id: row.id.parse().or_corrupt(TABLE, &row.id)?,
        name: row.name.parse().or_corrupt(TABLE, &row.id)?,
        description: description.or_corrupt(TABLE, &row.id)?,
        permissions: roles::matrix(TABLE, &row.id, &row.permissions)?,
        created_by: row.created_by.parse().or_corrupt(TABLE, &row.id)?,
        created_at: Timestamp::new(row.created_at),
    })
}

fn key(row: credentials::row::Model) -> Result<ServiceAccountKey, StoreError> {
    Ok(ServiceAccountKey {
        id: row.id.parse().or_corrupt(credentials::TABLE, &row.id)?,
        name: row.name.parse().or_corrupt(credentials::TABLE, &row.id)?,
        shown: row.shown,
        created_by: row.user_id.parse().or_corrupt(credentials::TABLE, &row.id)?,
        created_at: Timestamp::new(row.created_at),
        expires_at: row.expires_at.map(Timestamp::new),
        last_used_at: row.last_used_at.map(Timestamp::new),
    })
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "service_accounts")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub org_id: String,
        pub name: String,
        pub name_key: String,
        pub description: Option<String>,
        pub permissions: String,
        pub created_by: String,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
