//! The rows behind every kind of key. Of a token only the hash and the first characters are here.

use kici_model::credentials::NewCredential;
use kici_model::{CredentialId, OrgId, Timestamp, TokenKind, UserId};
use kici_rbac::{Granted, Matrix, perm};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use crate::error::OrCorrupt;
use crate::{RecordTx, StoreError, WriteTx};

pub(crate) const TABLE: &str = "credentials";

impl WriteTx {
    /// Adds a personal access token while an installation is set up; `new.made_by` is its person.
    ///
    /// # Errors
    /// The database fails.
    pub async fn create_first_personal_token(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
        new: &NewCredential<'_>,
    ) -> Result<(), StoreError> {
        insert(self, None, TokenKind::Personal, new, None).await
    }

    /// Adds an API key.
    ///
    /// # Errors
    /// The database fails.
    pub async fn create_api_key(
        &mut self,
        grant: &Granted<perm::ApiKeysWrite, OrgId>,
        new: &NewCredential<'_>,
        permissions: Matrix,
    ) -> Result<(), StoreError> {
        insert(self, Some(grant.tenant()), TokenKind::ApiKey, new, Some(permissions)).await
    }
}

impl RecordTx {
    /// Notes that a credential was used.
    ///
    /// # Errors
    /// The database fails.
    pub async fn credential_used(
        &mut self,
        id: &CredentialId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .set(row::ActiveModel { last_used_at: Set(Some(at.to_utc())), ..Default::default() })
            .filter(row::Column::Id.eq(id.as_str()))
            .exec(&self.tx)
            .await?;
        Ok(())
    }
}

pub(crate) async fn insert(
    tx: &WriteTx,
    org: Option<&OrgId>,
    kind: TokenKind,
    new: &NewCredential<'_>,
    permissions: Option<Matrix>,
) -> Result<(), StoreError> {
    let permissions = permissions.map(|matrix| serde_json::to_string(&matrix)).transpose();
    let row = row::ActiveModel {
        id: Set(new.id.to_string()),
        kind: Set(kind.to_string()),
        hash: Set(new.token.hash().as_str().to_owned()),
        shown: Set(new.token.shown()),
        name: Set(new.name.to_string()),
        description: Set(new.description.map(ToString::to_string)),
        org_id: Set(org.map(ToString::to_string)),
        user_id: Set(UserId::to_string(new.made_by)),
        permissions: Set(permissions.or_corrupt(TABLE, new.id.as_str())?),
        expires_at: Set(new.expires_at.map(Timestamp::to_utc)),
        revoked_at: Set(None),
        last_used_at: Set(None),
        created_at: Set(new.created_at.to_utc()),
    };
    row.insert(&tx.tx).await?;
    Ok(())
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "credentials")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub kind: String,
        pub hash: String,
        pub shown: String,
        pub name: String,
        pub description: Option<String>,
        pub org_id: Option<String>,
        pub user_id: String,
        pub permissions: Option<String>,
        pub expires_at: Option<DateTimeUtc>,
        pub revoked_at: Option<DateTimeUtc>,
        pub last_used_at: Option<DateTimeUtc>,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
