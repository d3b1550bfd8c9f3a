//! Accounts that people have at other providers.

use kici_model::identity_links::{Account, IdentityLink};
use kici_model::page::{Limit, Page};
use kici_model::text::LinkedId;
use kici_model::{IdentityLinkId, OrgId, Timestamp, UserId};
use kici_rbac::{Granted, perm};
use sea_orm::sea_query::{Expr, ExprTrait, Func};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbBackend,
    EntityTrait, QueryFilter, QueryOrder,
};

use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx, members, page};

const TABLE: &str = "identity_links";

impl Store {
    /// A page of the person's accounts, by provider, beginning after `after`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn identity_links(
        &self,
        grant: &Granted<perm::Person, UserId>,
        after: Option<&str>,
        limit: Limit,
    ) -> Result<Page<IdentityLink, String>, StoreError> {
        let own = row::Column::UserId.eq(grant.tenant().as_str());
        let select = row::Entity::find().filter(own);
        page::by_name(&self.read, select, row::Column::Provider, |row| &row.provider, after, limit)
            .await?
            .try_map(link)
    }

    /// The accounts of these people, as far as they are members of the organisation, by provider.
    ///
    /// # Errors
    /// The database fails.
    pub async fn identity_links_of_members(
        &self,
        grant: &Granted<perm::MembersRead, OrgId>,
        users: impl IntoIterator<Item = &UserId> + Send,
    ) -> Result<Vec<(UserId, IdentityLink)>, StoreError> {
        let users = users.into_iter().map(UserId::as_str);
        let rows = of_members(grant.tenant())
            .filter(row::Column::UserId.is_in(users))
            .all(&self.read)
            .await?;
        rows.into_iter().map(link_of_user).collect()
    }
}

impl WriteTx {
    /// Lets nobody else change a link until this transaction ends: no index says that an account is
    /// one person's. On SQLite nobody does anyway.
    ///
    /// # Errors
    /// The database fails.
    pub async fn lock_identity_links(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
    ) -> Result<(), StoreError> {
        if self.tx.get_database_backend() == DbBackend::Postgres {
            let lock = "LOCK TABLE identity_links IN SHARE ROW EXCLUSIVE MODE";
            self.tx.execute_unprepared(lock).await?;
        }
        Ok(())
    }

    /// Somebody's accounts, by provider, as this transaction sees them.
    ///
    /// # Errors
    /// The database fails.
    pub async fn identity_links_of(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
        user: &UserId,
    ) -> Result<Vec<IdentityLink>, StoreError> {
        let rows = of(user).all(&self.tx).await?;
        rows.into_iter().map(link).collect()
    }

    /// Everybody whose account this is by now: by its id, or by its name, which is one account's at
    /// a time.
    ///
    /// # Errors
    /// The database fails.
    pub async fn identity_links_to(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
        account: &Account,
    ) -> Result<Vec<(UserId, IdentityLink)>, StoreError> {
        let rows = to(account).all(&self.tx).await?;
        rows.into_iter().map(link_of_user).collect()
    }

    /// Makes an account somebody's.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when they have another one at the same provider.
    pub async fn create_identity_link(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
        user: &UserId,
        link: &IdentityLink,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            id: Set(link.id.to_string()),
            user_id: Set(user.to_string()),
            provider: Set(link.account.provider.to_string()),
            ..told(link)
        };
        row.insert(&self.tx).await?;
        self.touch_orgs_of(user).await
    }

    /// Says that a link of somebody's is to another account of the same provider, or that its account
    /// is called something else.
    ///
    /// # Errors
    /// The database fails.
    pub async fn change_identity_link(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
        user: &UserId,
        link: &IdentityLink,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .set(told(link))
            .filter(row::Column::Id.eq(link.id.as_str()))
            .exec(&self.tx)
            .await?;
        self.touch_orgs_of(user).await
    }

    /// Ends a link of somebody's.
    ///
    /// # Errors
    /// The database fails.
    pub async fn delete_identity_link(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
        user: &UserId,
        id: &IdentityLinkId,
    ) -> Result<(), StoreError> {
        row::Entity::delete_by_id(id.as_str()).exec(&self.tx).await?;
        self.touch_orgs_of(user).await
    }

    /// Ends a link of the person, and gives what it was; `None` when they have no such link.
    ///
    /// # Errors
    /// The database fails.
    pub async fn remove_identity_link(
        &mut self,
        grant: &Granted<perm::Person, UserId>,
        id: &IdentityLinkId,
    ) -> Result<Option<IdentityLink>, StoreError> {
        let own = of(grant.tenant()).filter(row::Column::Id.eq(id.as_str()));
        let Some(found) = own.one(&self.tx).await? else { return Ok(None) };
        let done = row::Entity::delete_by_id(id.as_str()).exec(&self.tx).await?;
        self.touch_orgs_of(grant.tenant()).await?;
        if done.rows_affected == 1 { Ok(Some(link(found)?)) } else { Ok(None) }
    }
}

/// The accounts of all members of an organisation, by provider.
pub(crate) async fn all(
    db: &impl ConnectionTrait,
    org: &OrgId,
) -> Result<Vec<(UserId, IdentityLink)>, StoreError> {
    of_members(org).all(db).await?.into_iter().map(link_of_user).collect()
}

fn of_members(org: &OrgId) -> sea_orm::Select<row::Entity> {
    row::Entity::find()
        .filter(row::Column::UserId.in_subquery(members::ids(org)))
        .order_by_asc(row::Column::Provider)
}

fn of(user: &UserId) -> sea_orm::Select<row::Entity> {
    row::Entity::find()
        .filter(row::Column::UserId.eq(user.as_str()))
        .order_by_asc(row::Column::Provider)
}

/// The links to an account: by its id, or by its name.
pub(crate) fn to(account: &Account) -> sea_orm::Select<row::Entity> {
    let name = Expr::expr(Func::lower(Expr::col(row::Column::ProviderUsername)));
    let name = name.eq(account.name.as_str().to_ascii_lowercase());
    let mut same = Condition::any().add(name);
    if let Some(id) = &account.id {
        same = same.add(row::Column::ProviderUserId.eq(id.as_str()));
    }
    row::Entity::find().filter(row::Column::Provider.eq(account.provider.as_str())).filter(same)
}

/// What may change about a link.
fn told(link: &IdentityLink) -> row::ActiveModel {
    row::ActiveModel {
        provider_username: Set(link.account.name.to_string()),
        provider_user_id: Set(link.account.id.as_ref().map(LinkedId::to_string)),
        link_method: Set(link.method.to_string()),
        linked_at: Set(link.linked_at.to_utc()),
        ..Default::default()
    }
}

fn link_of_user(row: row::Model) -> Result<(UserId, IdentityLink), StoreError> {
    let user = row.user_id.parse().or_corrupt(TABLE, &row.id)?;
    Ok((user, link(row)?))
}

fn link(row: row::Model) -> Result<IdentityLink, StoreError> {
    let number = row.provider_user_id.map(|id| id.parse()).transpose();
    Ok(IdentityLink {
        account: Account {
            provider: row.provider.parse().or_corrupt(TABLE, &row.id)?,
            name: row.provider_username.parse().or_corrupt(TABLE, &row.id)?,
            id: number.or_corrupt(TABLE, &row.id)?,
        },
        method: row.link_method.parse().or_corrupt(TABLE, &row.id)?,
        linked_at: Timestamp::new(row.linked_at),
        id: row.id.parse().or_corrupt(TABLE, &row.id)?,
    })
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "identity_links")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub user_id: String,
        pub provider: String,
        pub provider_username: String,
        pub provider_user_id: Option<String>,
        pub link_method: String,
        pub linked_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
