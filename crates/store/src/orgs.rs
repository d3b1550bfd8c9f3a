//! Organisations.

use kici_model::orgs::{Org, OrgState};
use kici_model::{OrgId, Timestamp};
use kici_rbac::{Granted, perm};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait};

use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx};

impl Store {
    /// The organisation itself, for a member.
    ///
    /// # Errors
    /// The database fails.
    pub async fn org(
        &self,
        grant: &Granted<perm::Membership, OrgId>,
    ) -> Result<Option<Org>, StoreError> {
        find(&self.read, grant.tenant()).await
    }

    /// The organisation itself, for its orchestrator.
    ///
    /// # Errors
    /// The database fails.
    pub async fn org_of_link(
        &self,
        grant: &Granted<perm::Link, OrgId>,
    ) -> Result<Option<Org>, StoreError> {
        find(&self.read, grant.tenant()).await
    }
}

impl WriteTx {
    /// Adds an organisation; `grant` names the one that is being made.
    ///
    /// # Errors
    /// The database fails.
    pub async fn create_org(
        &mut self,
        grant: &Granted<perm::Setup, OrgId>,
        org: &Org,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            id: Set(grant.tenant().to_string()),
            alias: Set(org.alias.to_string()),
            name: Set(org.name.to_string()),
            disabled_at: Set(None),
            created_at: Set(org.created_at.to_utc()),
        };
        row.insert(&self.tx).await?;
        Ok(())
    }
}

async fn find(db: &impl ConnectionTrait, id: &OrgId) -> Result<Option<Org>, StoreError> {
    row::Entity::find_by_id(id.to_string()).one(db).await?.map(org).transpose()
}

fn org(row: row::Model) -> Result<Org, StoreError> {
    const TABLE: &str = "orgs";
    Ok(Org {
        id: row.id.parse().or_corrupt(TABLE, &row.id)?,
        alias: row.alias.parse().or_corrupt(TABLE, &row.id)?,
        name: row.name.parse().or_corrupt(TABLE, &row.id)?,
        state: state(row.disabled_at.map(Timestamp::new)),
        created_at: Timestamp::new(row.created_at),
    })
}

pub(crate) fn state(disabled_at: Option<Timestamp>) -> OrgState {
    disabled_at.map_or(OrgState::Active, |at| OrgState::Disabled { at })
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "orgs")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub alias: String,
        pub name: String,
        pub disabled_at: Option<DateTimeUtc>,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
