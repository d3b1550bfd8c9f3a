//! What CI has to know of an organisation's people, and what that has decided about others.

use std::collections::BTreeMap;

use kici_model::ci_trust::CiTrustPolicy;
use kici_model::identities::IdentityKey;
use kici_model::identity_links::IdentityLink;
use kici_model::{OrgId, UserId};
use kici_rbac::simulate::Assignments;
use kici_rbac::{Granted, Level, perm};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    AccessMode, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IsolationLevel,
    QueryFilter, TransactionOptions,
};

use crate::connection::Tx;
use crate::error::OrCorrupt;
use crate::members::memberships;
use crate::{Backend, Store, StoreError, WriteTx, identities, identity_links, org_chart};

const TABLE: &str = "ci_trust_policies";

/// All that CI has to know of an organisation, as of one moment.
#[derive(Debug)]
pub struct CiTrust {
    /// What it has decided about others.
    pub policy: CiTrustPolicy,
    /// Who has which role by which way.
    pub chart: Assignments,
    /// Its members, those who are suspended left out.
    pub members: Vec<TrustedMember>,
}

/// A member, as CI knows them.
#[derive(Debug)]
pub struct TrustedMember {
    /// Who.
    pub user: UserId,
    /// Who they are at the identity provider, if they have ever signed in.
    pub identity: Option<IdentityKey>,
    /// What was set for them by hand.
    pub level: Option<Level>,
    /// Their accounts at providers.
    pub links: Vec<IdentityLink>,
}

impl Store {
    /// What the organisation has decided.
    ///
    /// # Errors
    /// The database fails.
    pub async fn ci_trust_policy(
        &self,
        grant: &Granted<perm::CiTrustRead, OrgId>,
    ) -> Result<CiTrustPolicy, StoreError> {
        policy(&self.read, grant.tenant()).await
    }

    /// What an orchestrator has to know of the organisation's people.
    ///
    /// # Errors
    /// The database fails.
    pub async fn ci_trust(
        &self,
        grant: &Granted<perm::Link, OrgId>,
    ) -> Result<CiTrust, StoreError> {
        let org = grant.tenant();
        let tx = self.snapshot().await?;
        let policy = policy(&tx, org).await?;
        let chart = org_chart::read(&tx, org).await?;
        let members = memberships::Entity::find()
            .filter(memberships::Column::OrgId.eq(org.as_str()))
            .filter(memberships::Column::SuspendedAt.is_null())
            .all(&tx)
            .await?;
        let mut identities = identities::of_members(&tx, org).await?;
        let mut links: BTreeMap<UserId, Vec<IdentityLink>> = BTreeMap::new();
        for (user, link) in identity_links::all(&tx, org).await? {
            links.entry(user).or_default().push(link);
        }
        tx.rollback().await?;
        let member = |row: memberships::Model| {
            let user = row.user_id.parse().or_corrupt("memberships", &row.user_id)?;
            let level = row.ci_trust.as_deref().map(str::parse).transpose();
            Ok(TrustedMember {
                identity: identities.remove(&user),
                level: level.or_corrupt("memberships", &row.user_id)?,
                links: links.remove(&user).unwrap_or_default(),
                user,
            })
        };
        let members = members.into_iter().map(member).collect::<Result<_, StoreError>>()?;
        Ok(CiTrust { policy, chart, members })
    }

    /// A transaction that reads everything as of one moment.
    async fn snapshot(&self) -> Result<Tx, StoreError> {
        // SQLite knows no other, and no word for it.
        let (isolation_level, access_mode) = match self.backend() {
            Backend::Sqlite => (None, None),
            Backend::Postgres => (Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly)),
        };
        let options = TransactionOptions { isolation_level, access_mode, ..Default::default() };
        self.read.begin(options).await
    }
}

impl WriteTx {
    /// What the organisation has decided, as this transaction sees it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn ci_trust_policy(
        &mut self,
        grant: &Granted<perm::CiTrustAdmin, OrgId>,
    ) -> Result<CiTrustPolicy, StoreError> {
        policy(&self.tx, grant.tenant()).await
    }

    /// Decides otherwise.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_ci_trust_policy(
        &mut self,
        grant: &Granted<perm::CiTrustAdmin, OrgId>,
        policy: CiTrustPolicy,
    ) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            org_id: Set(grant.tenant().to_string()),
            fork_policy: Set(policy.fork_policy.to_string()),
            unknown_contributor_policy: Set(policy.unknown_contributor_policy.to_string()),
            workflow_change_policy: Set(policy.workflow_change_policy.to_string()),
            approval_expiry_hours: Set(policy.approval_expiry_hours.into()),
        };
        let replaced = OnConflict::column(row::Column::OrgId)
            .update_columns([
                row::Column::ForkPolicy,
                row::Column::UnknownContributorPolicy,
                row::Column::WorkflowChangePolicy,
                row::Column::ApprovalExpiryHours,
            ])
            .to_owned();
        row::Entity::insert(row).on_conflict(replaced).exec_without_returning(&self.tx).await?;
        Ok(())
    }
}

async fn policy(db: &impl ConnectionTrait, org: &OrgId) -> Result<CiTrustPolicy, StoreError> {
    let found = row::Entity::find_by_id(org.as_str()).one(db).await?;
    let Some(row) = found else { return Ok(CiTrustPolicy::default()) };
    let unknown = row.unknown_contributor_policy.parse();
    Ok(CiTrustPolicy {
        fork_policy: row.fork_policy.parse().or_corrupt(TABLE, &row.org_id)?,
        unknown_contributor_policy: unknown.or_corrupt(TABLE, &row.org_id)?,
        workflow_change_policy: row
            .workflow_change_policy
            .parse()
            .or_corrupt(TABLE, &row.org_id)?,
        approval_expiry_hours: row
            .approval_expiry_hours
            .try_into()
            .or_corrupt(TABLE, &row.org_id)?,
    })
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ci_trust_policies")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub org_id: String,
        pub fork_policy: String,
        pub unknown_contributor_policy: String,
        pub workflow_change_policy: String,
        pub approval_expiry_hours: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
