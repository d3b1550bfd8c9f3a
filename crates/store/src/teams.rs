//! Teams: their members, and the roles that all of them inherit.

use std::collections::HashMap;

use kici_model::page::{Limit, Page};
use kici_model::teams::{FullTeam, Team};
use kici_model::text::TeamName;
use kici_model::{OrgId, RoleId, TeamId, Timestamp, UserId};
use kici_rbac::{Granted, perm};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait,
    QueryFilter,
};

use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx, page};

const TABLE: &str = "teams";

impl WriteTx {
    /// Adds a team.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its name is taken.
    pub async fn create_team(
        &mut self,
        grant: &Granted<perm::TeamsAdmin, OrgId>,
        team: &Team,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            id: Set(team.id.to_string()),
            org_id: Set(grant.tenant().to_string()),
            name: Set(team.name.to_string()),
            name_key: Set(team.name.as_str().to_lowercase()),
            created_at: Set(team.created_at.to_utc()),
        };
        row.insert(&self.tx).await?;
        Ok(())
    }

    /// Gives a team another name, and tells the old one; `None` when there is no such team.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the name is taken.
    pub async fn rename_team(
        &mut self,
        grant: &Granted<perm::TeamsAdmin, OrgId>,
        team: &TeamId,
        name: &TeamName,
    ) -> Result<Option<String>, StoreError> {
        let found = row::Entity::find_by_id(team.as_str())
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()));
        let Some(old) = found.one(&self.tx).await? else { return Ok(None) };
        row::Entity::update_many()
            .set(row::ActiveModel {
                name: Set(name.to_string()),
                name_key: Set(name.as_str().to_lowercase()),
                ..Default::default()
            })
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::Id.eq(team.as_str()))
            .exec(&self.tx)
            .await?;
        Ok(Some(old.name))
    }

    /// Deletes a team with all that it grants; `false` when there is no such team.
    ///
    /// # Errors
    /// The database fails.
    pub async fn delete_team(
        &mut self,
        grant: &Granted<perm::TeamsAdmin, OrgId>,
        team: &TeamId,
    ) -> Result<bool, StoreError> {
        let done = row::Entity::delete_many()
            .filter(row::Column::OrgId.eq(grant.tenant().as_str()))
            .filter(row::Column::Id.eq(team.as_str()))
            .exec(&self.tx)
            .await?;
        Ok(done.rows_affected == 1)
    }

    /// Puts a member of the organisation into a team of it; one who is in it stays.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when either is not of this organisation.
    pub async fn add_to_team(
        &mut self,
        grant: &Granted<perm::TeamsAdmin, OrgId>,
        team: &TeamId,
        user: &UserId,
    ) -> Result<(), StoreError> {
        let row = team_members::ActiveModel {
            org_id: Set(grant.tenant().to_string()),
            user_id: Set(user.to_string()),
            team_id: Set(team.to_string()),
        };
        let in_it = OnConflict::new().do_nothing().to_owned();
        team_members::Entity::insert(row)
            .on_conflict(in_it)
            .exec_without_returning(&self.tx)
            .await?;
        Ok(())
    }

    /// Takes a member out of a team; `false` when they are not in it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn remove_from_team(
        &mut self,
        grant: &Granted<perm::TeamsAdmin, OrgId>,
        team: &TeamId,
        user: &UserId,
    ) -> Result<bool, StoreError> {
        let key = (grant.tenant().to_string(), user.to_string(), team.to_string());
        let done = team_members::Entity::delete_by_id(key).exec(&self.tx).await?;
        Ok(done.rows_affected == 1)
    }

    /// Grants a role of the organisation to a team of it; one that it has stays.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when either is not of this organisation.
    pub async fn grant_to_team(
        &mut self,
        grant: &Granted<perm::TeamsAdmin, OrgId>,
        team: &TeamId,
        role: &RoleId,
    ) -> Result<(), StoreError> {
        let row = team_roles::ActiveModel {
            org_id: Set(grant.tenant().to_string()),
            team_id: Set(team.to_string()),
            role_id: Set(role.to_string()),
        };
        let has_it = OnConflict::new().do_nothing().to_owned();
        team_roles::Entity::insert(row)
            .on_conflict(has_it)
            .exec_without_returning(&self.tx)
            .await?;
        Ok(())
    }

    /// Takes a role from a team; `false` when it does not have it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke_from_team(
        &mut self,
        grant: &Granted<perm::TeamsAdmin, OrgId>,
        team: &TeamId,
        role: &RoleId,
    ) -> Result<bool, StoreError> {
        let key = (grant.tenant().to_string(), team.to_string(), role.to_string());
        let done = team_roles::Entity::delete_by_id(key).exec(&self.tx).await?;
        Ok(done.rows_affected == 1)
    }
}

impl Store {
    /// A page of the teams by name, with their members and roles, beginning behind `after`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn teams(
        &self,
        grant: &Granted<perm::TeamsRead, OrgId>,
        after: Option<&str>,
        limit: Limit,
    ) -> Result<Page<FullTeam, String>, StoreError> {
        let org = grant.tenant().as_str();
        let all = row::Entity::find().filter(row::Column::OrgId.eq(org));
        let page =
            page::by_name(&self.read, all, row::Column::NameKey, |row| &row.name_key, after, limit)
                .await?;
        let teams = || page.items.iter().map(|team| team.id.as_str());
        let mut members: HashMap<String, Vec<UserId>> = HashMap::new();
        let rows = team_members::Entity::find()
            .filter(team_members::Column::OrgId.eq(org))
            .filter(team_members::Column::TeamId.is_in(teams()));
        for row in rows.all(&self.read).await? {
            let user = row.user_id.parse().or_corrupt("team_members", &row.user_id)?;
            members.entry(row.team_id).or_default().push(user);
        }
        let mut roles: HashMap<String, Vec<RoleId>> = HashMap::new();
        let rows = team_roles::Entity::find()
            .filter(team_roles::Column::OrgId.eq(org))
            .filter(team_roles::Column::TeamId.is_in(teams()));
        for row in rows.all(&self.read).await? {
            let role = row.role_id.parse().or_corrupt("team_roles", &row.role_id)?;
            roles.entry(row.team_id).or_default().push(role);
        }
        let full = |row: row::Model| {
            Ok(FullTeam {
                members: members.remove(&row.id).unwrap_or_default(),
                roles: roles.remove(&row.id).unwrap_or_default(),
                team: Team {
                    id: row.id.parse().or_corrupt(TABLE, &row.id)?,
                    name: row.name.parse().or_corrupt(TABLE, &row.id)?,
                    created_at: Timestamp::new(row.created_at),
                },
            })
        };
        page.try_map(full)
    }
}

pub(crate) async fn count_granted(
    db: &impl ConnectionTrait,
    org: &OrgId,
    role: &RoleId,
) -> Result<u64, StoreError> {
    let granted = team_roles::Entity::find()
        .filter(team_roles::Column::OrgId.eq(org.as_str()))
        .filter(team_roles::Column::RoleId.eq(role.as_str()));
    Ok(granted.count(db).await?)
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "teams")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub org_id: String,
        pub name: String,
        pub name_key: String,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod team_members {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "team_members")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub team_id: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod team_roles {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "team_roles")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub team_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub role_id: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
