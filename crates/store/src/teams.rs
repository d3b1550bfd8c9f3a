//! Teams: their members, and the roles that all of them inherit.

use kici_model::teams::Team;
use kici_model::{OrgId, RoleId, TeamId, UserId};
use kici_rbac::{Granted, perm};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait,
    QueryFilter,
};

use crate::{StoreError, WriteTx};

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

    /// Puts a member of the organisation into a team of it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when either is not of this organisation, or they are in it already.
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
        row.insert(&self.tx).await?;
        Ok(())
    }

    /// Grants a role of the organisation to a team of it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when either is not of this organisation, or it is granted already.
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
        row.insert(&self.tx).await?;
        Ok(())
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
