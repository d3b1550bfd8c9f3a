//! How many there are of what can be made without end.

use kici_model::{OrgId, Timestamp, TokenKind, UserId};
use kici_rbac::{Granted, perm};
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter};

use crate::credentials::{self, row};
use crate::members::memberships;
use crate::{StoreError, WriteTx, roles, service_accounts, teams};

impl WriteTx {
    /// How many credentials of a kind the organisation has that are neither revoked nor over.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count_keys<P>(
        &mut self,
        grant: &Granted<P, OrgId>,
        kind: TokenKind,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let whose = credentials::of_org(grant.tenant()).add(credentials::lives(now));
        Ok(credentials::in_use(kind, whose).count(&self.tx).await?)
    }

    /// How many personal access tokens of the person are neither revoked nor over.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count_personal_tokens(
        &mut self,
        grant: &Granted<perm::Person, UserId>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let whose = Condition::all()
            .add(row::Column::UserId.eq(grant.tenant().as_str()))
            .add(credentials::lives(now));
        Ok(credentials::in_use(TokenKind::Personal, whose).count(&self.tx).await?)
    }

    /// How many organisations the person belongs to.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count_orgs(
        &mut self,
        grant: &Granted<perm::Person, UserId>,
    ) -> Result<u64, StoreError> {
        let own = memberships::Column::UserId.eq(grant.tenant().as_str());
        Ok(memberships::Entity::find().filter(own).count(&self.tx).await?)
    }

    /// How many teams the organisation has.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count_teams(
        &mut self,
        grant: &Granted<perm::TeamsAdmin, OrgId>,
    ) -> Result<u64, StoreError> {
        let own = teams::row::Column::OrgId.eq(grant.tenant().as_str());
        Ok(teams::row::Entity::find().filter(own).count(&self.tx).await?)
    }

    /// How many service accounts the organisation has.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count_service_accounts(
        &mut self,
        grant: &Granted<perm::ApiKeysAdmin, OrgId>,
    ) -> Result<u64, StoreError> {
        let own = service_accounts::row::Column::OrgId.eq(grant.tenant().as_str());
        Ok(service_accounts::row::Entity::find().filter(own).count(&self.tx).await?)
    }

    /// How many roles the organisation has, and how many patterns these have together.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count_roles(
        &mut self,
        grant: &Granted<perm::MembersAdmin, OrgId>,
    ) -> Result<(u64, u64), StoreError> {
        let all = roles::all(&self.tx, grant.tenant()).await?;
        let patterns: usize = all.iter().map(|role| role.patterns.len()).sum();
        let number = |count| u64::try_from(count).unwrap_or(u64::MAX);
        Ok((number(all.len()), number(patterns)))
    }
}
