//! Who people are at the identity provider.

use std::collections::BTreeMap;

use kici_model::identities::{Identity, IdentityKey};
use kici_model::text::Email;
use kici_model::{OrgId, Timestamp, UserId};
use kici_rbac::{Granted, perm};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
};

use crate::error::OrCorrupt;
use crate::{RecordTx, Store, StoreError, WriteTx, members};

pub(crate) const TABLE: &str = "identities";

impl Store {
    /// The address that the provider has last told of a person, and whether it has verified it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn address_told(
        &self,
        grant: &Granted<perm::Person, UserId>,
    ) -> Result<Option<(Email, bool)>, StoreError> {
        let of = row::Column::UserId.eq(grant.tenant().as_str());
        let found = row::Entity::find().filter(of).one(&self.read).await?;
        let Some(row) = found else { return Ok(None) };
        let email = row.email.map(|email| email.parse()).transpose();
        let email = email.or_corrupt(TABLE, &row.user_id)?;
        Ok(email.map(|email| (email, row.email_verified)))
    }
}

impl WriteTx {
    /// The identity that somebody has already.
    ///
    /// # Errors
    /// The database fails.
    pub async fn identity_of(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
        user: &UserId,
    ) -> Result<Option<IdentityKey>, StoreError> {
        let found =
            row::Entity::find().filter(row::Column::UserId.eq(user.as_str())).one(&self.tx).await?;
        found.map(key).transpose()
    }

    /// Says who somebody is at the provider.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the identity is somebody's already, or they have another.
    pub async fn create_identity(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
        user: &UserId,
        identity: &Identity,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            issuer: Set(identity.key.issuer.to_string()),
            subject: Set(identity.key.subject.to_string()),
            user_id: Set(user.to_string()),
            email: Set(identity.email.as_ref().map(Email::to_string)),
            email_verified: Set(identity.verified_email().is_some()),
            created_at: Set(at.to_utc()),
            last_seen_at: Set(at.to_utc()),
        };
        row.insert(&self.tx).await?;
        // Orchestrators know them by another id from now on.
        self.touch_orgs_of(user).await
    }

    /// Says that the provider has another address: all of its people are still the same. Gives how
    /// many there are.
    ///
    /// # Errors
    /// The database fails.
    pub async fn rename_issuer(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
        old: &str,
        new: &str,
    ) -> Result<u64, StoreError> {
        let done = row::Entity::update_many()
            .set(row::ActiveModel { issuer: Set(new.to_owned()), ..Default::default() })
            .filter(row::Column::Issuer.eq(old))
            .exec(&self.tx)
            .await?;
        Ok(done.rows_affected)
    }
}

impl RecordTx {
    /// Records that somebody has signed in, and what the provider said of their address, if anything.
    ///
    /// # Errors
    /// The database fails.
    pub async fn identity_seen(
        &mut self,
        identity: &Identity,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let IdentityKey { issuer, subject } = &identity.key;
        let mut seen = row::ActiveModel { last_seen_at: Set(at.to_utc()), ..Default::default() };
        if let Some(email) = &identity.email {
            seen.email = Set(Some(email.to_string()));
            seen.email_verified = Set(identity.is_email_verified);
        }
        row::Entity::update_many()
            .set(seen)
            .filter(row::Column::Issuer.eq(&**issuer))
            .filter(row::Column::Subject.eq(subject.as_str()))
            .exec(&self.tx)
            .await?;
        Ok(())
    }
}

/// The issuer and the subject of each member of an organisation who has ever signed in.
pub(crate) async fn of_members(
    db: &impl ConnectionTrait,
    org: &OrgId,
) -> Result<BTreeMap<UserId, IdentityKey>, StoreError> {
    let rows = row::Entity::find()
        .filter(row::Column::UserId.in_subquery(members::ids(org)))
        .all(db)
        .await?;
    let key = |row: row::Model| {
        let user = row.user_id.parse().or_corrupt(TABLE, &row.user_id)?;
        Ok((user, key(row)?))
    };
    rows.into_iter().map(key).collect()
}

fn key(row: row::Model) -> Result<IdentityKey, StoreError> {
    let subject = row.subject.parse().or_corrupt(TABLE, &row.user_id)?;
    Ok(IdentityKey { issuer: row.issuer.into(), subject })
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "identities")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub issuer: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject: String,
        pub user_id: String,
        pub email: Option<String>,
        pub email_verified: bool,
        pub created_at: DateTimeUtc,
        pub last_seen_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
