//! Roles, as they are stored.

use kici_model::page::{Limit, Page};
use kici_model::roles::Role;
use kici_model::{OrgId, RoleId, Timestamp};
use kici_rbac::{Granted, Matrix, RepoPattern, perm, stored};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
    QueryOrder, Select,
};

use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx, members, page, teams};

const TABLE: &str = "roles";

impl WriteTx {
    /// Adds a role.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its name is taken.
    pub async fn create_role(
        &mut self,
        grant: &Granted<perm::MembersAdmin, OrgId>,
        role: &Role,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            id: Set(role.id.to_string()),
            org_id: Set(grant.tenant().to_string()),
            is_owner: Set(role.is_owner),
            created_at: Set(role.created_at.to_utc()),
            ..columns(role)?
        };
        row.insert(&self.tx).await?;
        Ok(())
    }
}

impl Store {
    /// A page of the roles of the organisation, by name, beginning behind `after`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn roles(
        &self,
        grant: &Granted<perm::MembersRead, OrgId>,
        after: Option<&str>,
        limit: Limit,
    ) -> Result<Page<Role, String>, StoreError> {
        let all = row::Entity::find().filter(row::Column::OrgId.eq(grant.tenant().as_str()));
        page::by_name(&self.read, all, row::Column::NameKey, |row| &row.name_key, after, limit)
            .await?
            .try_map(role)
    }

    /// One role.
    ///
    /// # Errors
    /// The database fails.
    pub async fn role(
        &self,
        grant: &Granted<perm::MembersRead, OrgId>,
        id: &RoleId,
    ) -> Result<Option<Role>, StoreError> {
        let found = of(grant.tenant(), id).one(&self.read).await?;
        found.map(role).transpose()
    }
}

/// What a deleted role takes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// How many members it was assigned to.
    pub members: u64,
    /// How many teams it was granted to.
    pub teams: u64,
}

impl WriteTx {
    /// One role, as this transaction sees it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn role(
        &mut self,
        grant: &Granted<perm::MembersAdmin, OrgId>,
        id: &RoleId,
    ) -> Result<Option<Role>, StoreError> {
        let found = of(grant.tenant(), id).one(&self.tx).await?;
        found.map(role).transpose()
    }

    /// Writes a changed role.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its name is taken.
    pub async fn update_role(
        &mut self,
        grant: &Granted<perm::MembersAdmin, OrgId>,
        changed: &Role,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .set(columns(changed)?)
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::Id.eq(changed.id.as_str()))
            .exec(&self.tx)
            .await?;
        Ok(())
    }

    /// Deletes a role together with its assignments, and counts those.
    ///
    /// # Errors
    /// The database fails.
    pub async fn delete_role(
        &mut self,
        grant: &Granted<perm::MembersAdmin, OrgId>,
        id: &RoleId,
    ) -> Result<Lost, StoreError> {
        let lost = Lost {
            members: members::count_assigned(&self.tx, grant.tenant(), id).await?,
            teams: teams::count_granted(&self.tx, grant.tenant(), id).await?,
        };
        row::Entity::delete_many()
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::Id.eq(id.as_str()))
            .exec(&self.tx)
            .await?;
        Ok(lost)
    }
}

pub(crate) async fn all(db: &impl ConnectionTrait, org: &OrgId) -> Result<Vec<Role>, StoreError> {
    let rows = row::Entity::find()
        .filter(row::Column::OrgId.eq(org.as_str()))
        .order_by_asc(row::Column::NameKey)
        .all(db)
        .await?;
    rows.into_iter().map(role).collect()
}

fn of(org: &OrgId, id: &RoleId) -> Select<row::Entity> {
    row::Entity::find_by_id(id.as_str()).filter(row::Column::OrgId.eq(org.as_str()))
}

fn role(row: row::Model) -> Result<Role, StoreError> {
    let description = row.description.map(|text| text.parse()).transpose();
    Ok(Role {
        id: row.id.parse().or_corrupt(TABLE, &row.id)?,
        name: row.name.parse().or_corrupt(TABLE, &row.id)?,
        description: description.or_corrupt(TABLE, &row.id)?,
        is_owner: row.is_owner,
        permissions: matrix(TABLE, &row.id, &row.permissions)?,
        patterns: patterns(&row.id, &row.repo_patterns)?,
        created_at: Timestamp::new(row.created_at),
    })
}

/// The columns that can change.
fn columns(role: &Role) -> Result<row::ActiveModel, StoreError> {
    let (id, texts) = (role.id.as_str(), role.patterns.iter().map(RepoPattern::as_str));
    let patterns = serde_json::to_string(&texts.collect::<Vec<_>>()).or_corrupt(TABLE, id)?;
    Ok(row::ActiveModel {
        name: Set(role.name.to_string()),
        name_key: Set(role.name.as_str().to_lowercase()),
        description: Set(role.description.as_ref().map(ToString::to_string)),
        permissions: Set(serde_json::to_string(&role.permissions).or_corrupt(TABLE, id)?),
        repo_patterns: Set(patterns),
        ..Default::default()
    })
}

/// Reads a stored matrix.
pub(crate) fn matrix(table: &'static str, id: &str, text: &str) -> Result<Matrix, StoreError> {
    stored::matrix(text).map_or_else(|| serde_json::from_str(text).or_corrupt(table, id), Ok)
}

/// Reads the stored patterns of a role.
pub(crate) fn patterns(id: &str, text: &str) -> Result<Vec<RepoPattern>, StoreError> {
    stored::patterns(text).map_or_else(|| serde_json::from_str(text).or_corrupt(TABLE, id), Ok)
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "roles")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub org_id: String,
        pub name: String,
        pub name_key: String,
        pub description: Option<String>,
        pub is_owner: bool,
        pub permissions: String,
        pub repo_patterns: String,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
