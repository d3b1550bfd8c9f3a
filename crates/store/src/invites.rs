//! Invitations that are open.

use std::collections::BTreeSet;

use kici_model::invites::{Invite, Settled};
use kici_model::text::Email;
use kici_model::{InviteId, OrgId, RoleId, Timestamp};
use kici_rbac::{Granted, perm};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder,
};

use crate::error::OrCorrupt;
use crate::members::memberships;
use crate::{Store, StoreError, WriteTx, users};

const TABLE: &str = "invites";

impl Store {
    /// The open invitations of the organisation, oldest first; those that have expired too.
    ///
    /// # Errors
    /// The database fails.
    pub async fn invites(
        &self,
        grant: &Granted<perm::MembersRead, OrgId>,
    ) -> Result<Vec<Invite>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::SettledAs.is_null())
            .order_by_asc(row::Column::CreatedAt)
            .order_by_asc(row::Column::Id)
            .all(&self.read)
            .await?;
        rows.into_iter().map(invite).collect()
    }
}

impl WriteTx {
    /// Adds an invitation; `invite.org` is taken out of the proof.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the address is invited already.
    pub async fn create_invite(
        &mut self,
        grant: &Granted<perm::MembersWrite, OrgId>,
        invite: &Invite,
    ) -> Result<(), StoreError> {
        let roles: Vec<_> = invite.roles.iter().map(ToString::to_string).collect();
        let row = row::ActiveModel {
            id: Set(invite.id.to_string()),
            org_id: Set(grant.tenant().to_string()),
            email: Set(invite.email.to_string()),
            role_ids: Set(serde_json::to_string(&roles).or_corrupt(TABLE, invite.id.as_str())?),
            invited_by: Set(invite.invited_by.to_string()),
            created_at: Set(invite.created_at.to_utc()),
            expires_at: Set(invite.expires_at.to_utc()),
            settled_as: Set(None),
            settled_at: Set(None),
        };
        row.insert(&self.tx).await?;
        Ok(())
    }

    /// How many invitations of the organisation are open.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count_invites(
        &mut self,
        grant: &Granted<perm::MembersWrite, OrgId>,
    ) -> Result<u64, StoreError> {
        let open = row::Entity::find()
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::SettledAs.is_null());
        Ok(open.count(&self.tx).await?)
    }

    /// Whether a member of the organisation has this address.
    ///
    /// # Errors
    /// The database fails.
    pub async fn has_member_with(
        &mut self,
        grant: &Granted<perm::MembersWrite, OrgId>,
        email: &Email,
    ) -> Result<bool, StoreError> {
        let members = memberships::Entity::find()
            .inner_join(users::row::Entity)
            .filter(memberships::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(users::row::Column::Email.eq(email.to_string()));
        Ok(members.count(&self.tx).await? > 0)
    }

    /// An open invitation of the organisation, as this transaction sees it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn invite(
        &mut self,
        grant: &Granted<perm::MembersWrite, OrgId>,
        id: &InviteId,
    ) -> Result<Option<Invite>, StoreError> {
        let found = row::Entity::find_by_id(id.as_str())
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::SettledAs.is_null())
            .one(&self.tx)
            .await?;
        found.map(invite).transpose()
    }

    /// Leaves an invitation open until `expires_at`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn prolong_invite(
        &mut self,
        grant: &Granted<perm::MembersWrite, OrgId>,
        id: &InviteId,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .set(row::ActiveModel { expires_at: Set(expires_at.to_utc()), ..Default::default() })
            .filter(row::Column::Id.eq(id.as_str()))
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .exec(&self.tx)
            .await?;
        Ok(())
    }

    /// Takes an invitation back; `false` when there is no such open one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke_invite(
        &mut self,
        grant: &Granted<perm::MembersWrite, OrgId>,
        id: &InviteId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = row::Entity::update_many()
            .set(settled(Settled::Revoked, at))
            .filter(row::Column::Id.eq(id.as_str()))
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::SettledAs.is_null())
            .exec(&self.tx)
            .await?;
        Ok(done.rows_affected == 1)
    }
}

fn settled(how: Settled, at: Timestamp) -> row::ActiveModel {
    row::ActiveModel {
        settled_as: Set(Some(how.as_str().to_owned())),
        settled_at: Set(Some(at.to_utc())),
        ..Default::default()
    }
}

fn invite(row: row::Model) -> Result<Invite, StoreError> {
    let roles: Vec<String> = serde_json::from_str(&row.role_ids).or_corrupt(TABLE, &row.id)?;
    let roles = roles.iter().map(|id| id.parse::<RoleId>()).collect::<Result<BTreeSet<_>, _>>();
    Ok(Invite {
        id: row.id.parse().or_corrupt(TABLE, &row.id)?,
        org: row.org_id.parse().or_corrupt(TABLE, &row.id)?,
        email: row.email.parse().or_corrupt(TABLE, &row.id)?,
        roles: roles.or_corrupt(TABLE, &row.id)?,
        invited_by: row.invited_by.parse().or_corrupt(TABLE, &row.id)?,
        created_at: Timestamp::new(row.created_at),
        expires_at: Timestamp::new(row.expires_at),
    })
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invites")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub org_id: String,
        pub email: String,
        pub role_ids: String,
        pub invited_by: String,
        pub created_at: DateTimeUtc,
        pub expires_at: DateTimeUtc,
        pub settled_as: Option<String>,
        pub settled_at: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
