//! Who belongs to an organisation, and which roles are assigned to them.

mod owners;

use std::collections::BTreeSet;

use kici_model::members::Member;
use kici_model::page::{Limit, Page, Position};
use kici_model::{OrgId, RoleId, Timestamp, TokenKind, UserId};
use kici_rbac::{Granted, Level, perm};
use sea_orm::prelude::DateTimeUtc;
use sea_orm::sea_query::{Expr, Func, Order, Query, SelectStatement};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};

use crate::error::OrCorrupt;
use crate::teams::team_members;
use crate::{Store, StoreError, WriteTx, credentials, page, users};

pub use owners::Owner;

const MEMBERS: &str = "memberships";

/// What a member had who was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Ids of the roles that were assigned to them.
    pub roles: Vec<String>,
    /// Ids of the teams that they were in.
    pub teams: Vec<String>,
}

/// Somebody about to become a member.
#[derive(Debug, Clone, Copy)]
pub struct NewMember<'a> {
    /// Who.
    pub user: &'a UserId,
    /// Since when.
    pub joined_at: Timestamp,
}

impl Store {
    /// Whether somebody is a member who is suspended.
    ///
    /// # Errors
    /// The database fails.
    pub async fn is_suspended(
        &self,
        grant: &Granted<perm::MembersRead, OrgId>,
        user: &UserId,
    ) -> Result<bool, StoreError> {
        let key = (grant.tenant().to_string(), user.to_string());
        let found = memberships::Entity::find_by_id(key).one(&self.read).await?;
        Ok(found.is_some_and(|member| member.suspended_at.is_some()))
    }

    /// A page of the members, those who joined first at its head, beginning behind `after`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn members(
        &self,
        grant: &Granted<perm::MembersRead, OrgId>,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Page<Member, Position>, StoreError> {
        let columns = [memberships::Column::CreatedAt, memberships::Column::UserId];
        let mut query = memberships::Entity::find()
            .find_also_related(users::row::Entity)
            .filter(memberships::Column::OrgId.eq(grant.tenant().as_str()))
            .order_by_asc(memberships::Column::CreatedAt)
            .order_by_asc(memberships::Column::UserId)
            .limit(limit.get() + 1);
        if let Some(after) = after {
            query = query.filter(page::behind(columns, &Order::Asc, after));
        }
        let rows = query.all(&self.read).await?;
        let members = rows.into_iter().map(member).collect::<Result<Vec<_>, _>>()?;
        let position =
            |member: &Member| Position { at: member.joined_at, id: member.user.id.to_string() };
        Ok(Page::cut(members, limit, position))
    }

    /// Whether somebody is a member, suspended or not.
    ///
    /// # Errors
    /// The database fails.
    pub async fn is_member(
        &self,
        grant: &Granted<perm::MembersRead, OrgId>,
        user: &UserId,
    ) -> Result<bool, StoreError> {
        let key = (grant.tenant().to_string(), user.to_string());
        Ok(memberships::Entity::find_by_id(key).one(&self.read).await?.is_some())
    }
}

impl WriteTx {
    /// Makes somebody a member, without any role yet.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when they are one already.
    pub async fn add_member(
        &mut self,
        grant: &Granted<perm::MembersAdmin, OrgId>,
        member: NewMember<'_>,
    ) -> Result<(), StoreError> {
        let row = memberships::ActiveModel {
            org_id: Set(grant.tenant().to_string()),
            user_id: Set(member.user.to_string()),
            suspended_at: Set(None),
            ci_trust: Set(None),
            created_at: Set(member.joined_at.to_utc()),
        };
        row.insert(&self.tx).await?;
        Ok(())
    }

    /// Suspends a member, or lets them back in with `None`; `false` when there is no such member.
    ///
    /// # Errors
    /// The database fails.
    pub async fn suspend_member(
        &mut self,
        grant: &Granted<perm::MembersAdmin, OrgId>,
        user: &UserId,
        since: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        // Whoever is suspended stays so since then.
        let since = match since {
            None => Expr::val(Option::<DateTimeUtc>::None),
            Some(at) => Func::coalesce([
                Expr::col(memberships::Column::SuspendedAt),
                Expr::val(at.to_utc()),
            ])
            .into(),
        };
        let done = memberships::Entity::update_many()
            .col_expr(memberships::Column::SuspendedAt, since)
            .filter(memberships::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(memberships::Column::UserId.eq(user.as_str()))
            .exec(&self.tx)
            .await?;
        Ok(done.rows_affected == 1)
    }

    /// Sets a member's level of CI trust, or leaves it to their roles with `None`; `false` when there
    /// is no such member.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_ci_trust(
        &mut self,
        grant: &Granted<perm::CiTrustAdmin, OrgId>,
        user: &UserId,
        level: Option<Level>,
    ) -> Result<Option<Option<Level>>, StoreError> {
        let key = (grant.tenant().to_string(), user.to_string());
        let Some(old) = memberships::Entity::find_by_id(key).one(&self.tx).await? else {
            return Ok(None);
        };
        memberships::Entity::update_many()
            .set(memberships::ActiveModel {
                ci_trust: Set(level.map(|level| level.to_string())),
                ..Default::default()
            })
            .filter(memberships::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(memberships::Column::UserId.eq(user.as_str()))
            .exec(&self.tx)
            .await?;
        let old = old.ci_trust.map(|level| level.parse()).transpose();
        Ok(Some(old.or_corrupt(MEMBERS, user.as_str())?))
    }

    /// Gives a member these roles of the organisation and no others.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when one of them is not of this organisation.
    pub async fn set_roles(
        &mut self,
        grant: &Granted<perm::MembersAdmin, OrgId>,
        user: &UserId,
        roles: &BTreeSet<RoleId>,
    ) -> Result<(), StoreError> {
        role_assignments::Entity::delete_many()
            .filter(role_assignments::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(role_assignments::Column::UserId.eq(user.as_str()))
            .exec(&self.tx)
            .await?;
        for role in roles {
            self.assign_role(grant, user, role).await?;
        }
        Ok(())
    }

    /// Lets a member leave, as [`Self::remove_member`] removes them; `None` when they have left.
    ///
    /// # Errors
    /// The database fails.
    pub async fn leave(
        &mut self,
        grant: &Granted<perm::Membership, OrgId>,
        user: &UserId,
        at: Timestamp,
    ) -> Result<Option<Removed>, StoreError> {
        remove(self, grant.tenant(), user, at).await
    }

    /// Removes a member with their roles and team memberships, and revokes their API keys; `None`
    /// when there is no such member.
    ///
    /// # Errors
    /// The database fails.
    pub async fn remove_member(
        &mut self,
        grant: &Granted<perm::MembersAdmin, OrgId>,
        user: &UserId,
        at: Timestamp,
    ) -> Result<Option<Removed>, StoreError> {
        remove(self, grant.tenant(), user, at).await
    }

    /// Assigns a role of the organisation to a member of it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when either is not of this organisation, or it is assigned already.
    pub async fn assign_role(
        &mut self,
        grant: &Granted<perm::MembersAdmin, OrgId>,
        user: &UserId,
        role: &RoleId,
    ) -> Result<(), StoreError> {
        let row = role_assignments::ActiveModel {
            org_id: Set(grant.tenant().to_string()),
            user_id: Set(user.to_string()),
            role_id: Set(role.to_string()),
        };
        row.insert(&self.tx).await?;
        Ok(())
    }
}

async fn remove(
    tx: &WriteTx,
    org: &OrgId,
    user: &UserId,
    at: Timestamp,
) -> Result<Option<Removed>, StoreError> {
    let roles = role_assignments::Entity::find()
        .filter(role_assignments::Column::OrgId.eq(org.as_str()))
        .filter(role_assignments::Column::UserId.eq(user.as_str()))
        .order_by_asc(role_assignments::Column::RoleId);
    let teams = team_members::Entity::find()
        .filter(team_members::Column::OrgId.eq(org.as_str()))
        .filter(team_members::Column::UserId.eq(user.as_str()))
        .order_by_asc(team_members::Column::TeamId);
    let removed = Removed {
        roles: roles.all(&tx.tx).await?.into_iter().map(|row| row.role_id).collect(),
        teams: teams.all(&tx.tx).await?.into_iter().map(|row| row.team_id).collect(),
    };
    credentials::revoke_all_of(&tx.tx, org, user, TokenKind::ApiKey, at).await?;
    let key = (org.to_string(), user.to_string());
    let done = memberships::Entity::delete_by_id(key).exec(&tx.tx).await?;
    Ok((done.rows_affected == 1).then_some(removed))
}

/// The ids of the members of an organisation, as a part of another query.
pub(crate) fn ids(org: &OrgId) -> SelectStatement {
    Query::select()
        .column(memberships::Column::UserId)
        .from(memberships::Entity)
        .and_where(memberships::Column::OrgId.eq(org.as_str()))
        .to_owned()
}

/// The organisations that somebody is a member of.
pub(crate) async fn orgs_of(
    db: &impl ConnectionTrait,
    user: &UserId,
) -> Result<Vec<OrgId>, StoreError> {
    let of = memberships::Column::UserId.eq(user.as_str());
    let rows = memberships::Entity::find().filter(of).all(db).await?;
    let org = |row: memberships::Model| row.org_id.parse().or_corrupt(MEMBERS, user.as_str());
    rows.into_iter().map(org).collect()
}

fn member(
    (row, user): (memberships::Model, Option<users::row::Model>),
) -> Result<Member, StoreError> {
    let id = row.user_id.as_str();
    let level = row.ci_trust.map(|level| level.parse()).transpose().or_corrupt(MEMBERS, id)?;
    Ok(Member {
        user: users::user(user.ok_or("a member who is nobody").or_corrupt(MEMBERS, id)?)?,
        joined_at: Timestamp::new(row.created_at),
        suspended_at: row.suspended_at.map(Timestamp::new),
        ci_trust: level,
    })
}

pub(crate) async fn count_assigned(
    db: &impl ConnectionTrait,
    org: &OrgId,
    role: &RoleId,
) -> Result<u64, StoreError> {
    let assigned = role_assignments::Entity::find()
        .filter(role_assignments::Column::OrgId.eq(org.as_str()))
        .filter(role_assignments::Column::RoleId.eq(role.as_str()));
    Ok(assigned.count(db).await?)
}

pub(crate) mod memberships {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "memberships")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: String,
        pub suspended_at: Option<DateTimeUtc>,
        pub ci_trust: Option<String>,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {
        #[sea_orm(
            belongs_to = "crate::users::row::Entity",
            from = "Column::UserId",
            to = "crate::users::row::Column::Id"
        )]
        User,
    }

    impl Related<crate::users::row::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::User.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod role_assignments {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "role_assignments")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub role_id: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
