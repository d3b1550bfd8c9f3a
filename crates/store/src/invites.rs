//! Invitations that are open.

use std::collections::BTreeSet;

use kici_model::invites::{Invite, PendingInvite, Settled};
use kici_model::page::{Limit, Page, Position};
use kici_model::text::Email;
use kici_model::{InviteId, OrgId, RoleId, Timestamp, UserId};
use kici_rbac::{Granted, perm};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait,
    QueryFilter, Select, Statement,
};

use crate::error::OrCorrupt;
use crate::members::memberships;
use crate::org_chart::MayCompare;
use crate::{Store, StoreError, WriteTx, page, users};

const TABLE: &str = "invites";

impl Store {
    /// The roles of the open invitations, as [`WriteTx::invited_roles`] gives them.
    ///
    /// # Errors
    /// The database fails.
    pub async fn invited_roles(
        &self,
        grant: &Granted<perm::MembersRead, OrgId>,
    ) -> Result<BTreeSet<BTreeSet<RoleId>>, StoreError> {
        invited_roles(&self.read, grant.tenant()).await
    }

    /// A page of the open invitations of the organisation, oldest first, beginning behind `after`;
    /// those that have expired too.
    ///
    /// # Errors
    /// The database fails.
    pub async fn invites(
        &self,
        grant: &Granted<perm::MembersRead, OrgId>,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Page<Invite, Position>, StoreError> {
        let select = open(grant.tenant());
        let columns = [row::Column::CreatedAt, row::Column::Id];
        page::oldest(&self.read, select, columns, |row| (row.created_at, &row.id), after, limit)
            .await?
            .try_map(invite)
    }
}

/// The open invitations of an organization.
pub(crate) fn open(org: &OrgId) -> Select<row::Entity> {
    row::Entity::find()
        .filter(row::Column::OrgId.eq(org.as_str()))
        .filter(row::Column::SettledAs.is_null())
}

/// Those to the address that the provider has verified for a person, and for nobody else since: the
/// address of somebody who left may be another one's by now.
pub(crate) const PENDING: &str = "\
SELECT i.id, i.org_id, i.email, i.role_ids, i.invited_by, i.created_at, i.expires_at, o.name
FROM identities n
JOIN invites i ON i.email = n.email AND i.settled_as IS NULL
JOIN orgs o ON o.id = i.org_id
WHERE n.user_id = $1 AND n.email_verified AND ($2 IS NULL OR i.id = $2)
    AND ($3 IS NULL OR i.created_at < $3 OR i.created_at = $3 AND i.id < $4) AND NOT EXISTS (
    SELECT 1 FROM identities later
    WHERE later.email = n.email AND later.email_verified AND later.user_id <> n.user_id
        AND later.last_seen_at > n.last_seen_at
)
ORDER BY i.created_at DESC, i.id DESC
LIMIT $5";

/// The one, or `limit` of them and one more, beginning behind `after`.
async fn pending(
    db: &impl ConnectionTrait,
    user: &UserId,
    one: Option<&InviteId>,
    after: Option<&Position>,
    limit: Limit,
) -> Result<Vec<PendingInvite>, StoreError> {
    let values = [
        user.as_str().into(),
        one.map(InviteId::to_string).into(),
        after.map(|after| after.at.to_utc()).into(),
        after.map(|after| after.id.clone()).into(),
        i64::try_from(limit.get() + 1).unwrap_or(i64::MAX).into(),
    ];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), PENDING, values);
    let mut found = Vec::new();
    for row in db.query_all_raw(statement).await? {
        let name: String = row.try_get("", "name")?;
        let org_id: String = row.try_get("", "org_id")?;
        let org_name = name.parse().or_corrupt("orgs", &org_id)?;
        let row = row::Model {
            id: row.try_get("", "id")?,
            org_id,
            email: row.try_get("", "email")?,
            role_ids: row.try_get("", "role_ids")?,
            invited_by: row.try_get("", "invited_by")?,
            created_at: row.try_get("", "created_at")?,
            expires_at: row.try_get("", "expires_at")?,
            settled_as: None,
            settled_at: None,
        };
        found.push(PendingInvite { invite: invite(row)?, org_name });
    }
    Ok(found)
}

impl Store {
    /// A page of the open invitations to the address that a person has verified, newest first,
    /// beginning behind `after`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn pending_invites(
        &self,
        grant: &Granted<perm::Person, UserId>,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Page<PendingInvite, Position>, StoreError> {
        let found = pending(&self.read, grant.tenant(), None, after, limit).await?;
        Ok(Page::cut(found, limit, |pending| Position {
            at: pending.invite.created_at,
            id: pending.invite.id.to_string(),
        }))
    }
}

impl WriteTx {
    /// One of the open invitations to the address that a person has verified.
    ///
    /// # Errors
    /// The database fails.
    pub async fn pending_invite(
        &mut self,
        grant: &Granted<perm::Person, UserId>,
        id: &InviteId,
    ) -> Result<Option<Invite>, StoreError> {
        let found = pending(&self.tx, grant.tenant(), Some(id), None, Limit::DEFAULT).await?;
        Ok(found.into_iter().map(|pending| pending.invite).next())
    }

    /// Ends an invitation that [`pending_invite`](Self::pending_invite) has found; `false` when
    /// somebody else has come in between.
    ///
    /// # Errors
    /// The database fails.
    pub async fn settle_invite(
        &mut self,
        _: &Granted<perm::Person, UserId>,
        id: &InviteId,
        how: Settled,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = row::Entity::update_many()
            .set(settled(how, at))
            .filter(row::Column::Id.eq(id.as_str()))
            .filter(row::Column::SettledAs.is_null())
            .exec(&self.tx)
            .await?;
        Ok(done.rows_affected == 1)
    }

    /// Whether somebody is a member who is not suspended.
    ///
    /// # Errors
    /// The database fails.
    pub async fn is_active_member(
        &mut self,
        grant: &Granted<perm::MembersAdmin, OrgId>,
        user: &UserId,
    ) -> Result<bool, StoreError> {
        let key = (grant.tenant().to_string(), user.to_string());
        let found = memberships::Entity::find_by_id(key).one(&self.tx).await?;
        Ok(found.is_some_and(|member| member.suspended_at.is_none()))
    }

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

    /// The roles of the open invitations, those that have expired too; empty stands for the role
    /// Member. Each set comes once.
    ///
    /// # Errors
    /// The database fails.
    pub async fn invited_roles(
        &mut self,
        grant: &impl MayCompare,
    ) -> Result<BTreeSet<BTreeSet<RoleId>>, StoreError> {
        invited_roles(&self.tx, grant.org()).await
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

    /// Writes until when an invitation is open, and who answers for it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn renew_invite(
        &mut self,
        grant: &Granted<perm::MembersWrite, OrgId>,
        invite: &Invite,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .set(row::ActiveModel {
                expires_at: Set(invite.expires_at.to_utc()),
                invited_by: Set(invite.invited_by.to_string()),
                ..Default::default()
            })
            .filter(row::Column::Id.eq(invite.id.as_str()))
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

async fn invited_roles(
    db: &impl ConnectionTrait,
    org: &OrgId,
) -> Result<BTreeSet<BTreeSet<RoleId>>, StoreError> {
    let rows = row::Entity::find()
        .filter(row::Column::OrgId.eq(org.as_str()))
        .filter(row::Column::SettledAs.is_null())
        .all(db)
        .await?;
    rows.into_iter().map(|row| Ok(invite(row)?.roles)).collect()
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

pub(crate) mod row {
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
