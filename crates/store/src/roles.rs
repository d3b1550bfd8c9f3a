//! Roles, as they are stored.

use kici_model::OrgId;
use kici_model::roles::Role;
use kici_rbac::{Granted, Matrix, RepoPattern, perm};
use sea_orm::{ActiveModelTrait, ActiveValue::Set};

use crate::error::OrCorrupt;
use crate::{StoreError, WriteTx};

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
        let patterns: Vec<_> = role.patterns.iter().map(RepoPattern::as_str).collect();
        let id = role.id.as_str();
        let row = row::ActiveModel {
            id: Set(id.to_owned()),
            org_id: Set(grant.tenant().to_string()),
            name: Set(role.name.to_string()),
            name_key: Set(role.name.as_str().to_lowercase()),
            description: Set(role.description.as_ref().map(ToString::to_string)),
            is_owner: Set(role.is_owner),
            permissions: Set(serde_json::to_string(&role.permissions).or_corrupt(TABLE, id)?),
            repo_patterns: Set(serde_json::to_string(&patterns).or_corrupt(TABLE, id)?),
            created_at: Set(role.created_at.to_utc()),
        };
        row.insert(&self.tx).await?;
        Ok(())
    }
}

/// Reads a stored matrix.
pub(crate) fn matrix(table: &'static str, id: &str, text: &str) -> Result<Matrix, StoreError> {
    serde_json::from_str(text).or_corrupt(table, id)
}

/// Reads the stored patterns of a role.
pub(crate) fn patterns(id: &str, text: &str) -> Result<Vec<RepoPattern>, StoreError> {
    let texts: Vec<String> = serde_json::from_str(text).or_corrupt(TABLE, id)?;
    texts.iter().map(|text| RepoPattern::parse(text).or_corrupt(TABLE, id)).collect()
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
