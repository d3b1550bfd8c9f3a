//! The rows behind every kind of key. Of a token only the hash and the first characters are here.

use kici_model::credentials::NewCredential;
use kici_model::text::AgentLabel;
use kici_model::{CredentialId, OrgId, Timestamp, TokenKind, UserId};
use kici_rbac::{Granted, Matrix, perm};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait,
    QueryFilter, QueryOrder,
};

use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx};

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
        insert(self, None, TokenKind::Personal, new, Extra::default()).await
    }
}

/// What only some kinds have.
#[derive(Default)]
pub(crate) struct Extra<'a> {
    pub(crate) permissions: Option<Matrix>,
    pub(crate) agent: Option<&'a AgentLabel>,
}

pub(crate) async fn insert(
    tx: &WriteTx,
    org: Option<&OrgId>,
    kind: TokenKind,
    new: &NewCredential<'_>,
    extra: Extra<'_>,
) -> Result<(), StoreError> {
    let permissions = extra.permissions.map(|matrix| serde_json::to_string(&matrix)).transpose();
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
        agent_label: Set(extra.agent.map(ToString::to_string)),
        expires_at: Set(new.expires_at.map(Timestamp::to_utc)),
        revoked_at: Set(None),
        last_used_at: Set(None),
        created_at: Set(new.created_at.to_utc()),
    };
    row.insert(&tx.tx).await?;
    Ok(())
}

/// Revokes the credential that `whose` describes; `false` when there is none in use.
pub(crate) async fn revoke(
    tx: &WriteTx,
    kind: TokenKind,
    id: &CredentialId,
    whose: Condition,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let done = row::Entity::update_many()
        .set(row::ActiveModel { revoked_at: Set(Some(at.to_utc())), ..Default::default() })
        .filter(row::Column::Id.eq(id.as_str()))
        .filter(row::Column::Kind.eq(kind.as_str()))
        .filter(row::Column::RevokedAt.is_null())
        .filter(whose)
        .exec(&tx.tx)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Revokes every credential of this kind that somebody made in an organisation.
pub(crate) async fn revoke_all_of(
    db: &impl ConnectionTrait,
    org: &OrgId,
    user: &UserId,
    kind: TokenKind,
    at: Timestamp,
) -> Result<(), StoreError> {
    row::Entity::update_many()
        .set(row::ActiveModel { revoked_at: Set(Some(at.to_utc())), ..Default::default() })
        .filter(of_org(org))
        .filter(row::Column::UserId.eq(user.as_str()))
        .filter(row::Column::Kind.eq(kind.as_str()))
        .filter(row::Column::RevokedAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}

/// The credentials in use that `whose` describes, oldest first.
pub(crate) async fn list(
    store: &Store,
    kind: TokenKind,
    whose: Condition,
) -> Result<Vec<row::Model>, StoreError> {
    let query = row::Entity::find()
        .filter(whose)
        .filter(row::Column::Kind.eq(kind.as_str()))
        .filter(row::Column::RevokedAt.is_null())
        .order_by_asc(row::Column::CreatedAt)
        .order_by_asc(row::Column::Id);
    Ok(query.all(&store.read).await?)
}

/// Whether a credential belongs to this organisation.
pub(crate) fn of_org(org: &OrgId) -> Condition {
    Condition::all().add(row::Column::OrgId.eq(org.as_str()))
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
        pub agent_label: Option<String>,
        pub expires_at: Option<DateTimeUtc>,
        pub revoked_at: Option<DateTimeUtc>,
        pub last_used_at: Option<DateTimeUtc>,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
