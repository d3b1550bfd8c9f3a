//! Organisations.

use kici_model::orgs::{Org, OrgOfPerson, OrgState};
use kici_model::page::{Limit, Page, Position};
use kici_model::text::OrgName;
use kici_model::{OrgId, Timestamp, UserId};
use kici_rbac::{Granted, perm};
use sea_orm::sea_query::{LockType, Query, SelectStatement};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
    QueryOrder, QueryResult, QuerySelect, Statement,
};

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
        self.rows(FIND, &[Some(grant.tenant().as_str())]).await?.first().map(found).transpose()
    }

    /// All organisations, by name, for whoever runs the program.
    ///
    /// # Errors
    /// The database fails.
    pub async fn orgs(&self, _: &Granted<perm::Setup, OrgId>) -> Result<Vec<Org>, StoreError> {
        let query =
            row::Entity::find().order_by_asc(row::Column::Name).order_by_asc(row::Column::Id);
        query.all(&self.read).await?.into_iter().map(org).collect()
    }

    /// The organisation itself, for its orchestrator.
    ///
    /// # Errors
    /// The database fails.
    pub async fn org_of_link(
        &self,
        grant: &Granted<perm::Link, OrgId>,
    ) -> Result<Option<Org>, StoreError> {
        self.rows(FIND, &[Some(grant.tenant().as_str())]).await?.first().map(found).transpose()
    }
}

/// Ordered so that the rows of one organisation stand together.
const OF_PERSON: &str = "\
SELECT o.id, o.name, m.created_at AS joined_at, r.name AS role, r.is_owner
FROM (
    SELECT org_id, user_id, created_at FROM memberships
    WHERE user_id = $1 AND ($2 IS NULL OR created_at > $2 OR created_at = $2 AND org_id > $3)
    ORDER BY created_at, org_id
    LIMIT $4
) m
JOIN orgs o ON o.id = m.org_id
LEFT JOIN role_assignments a ON a.org_id = m.org_id AND a.user_id = m.user_id
LEFT JOIN roles r ON r.org_id = a.org_id AND r.id = a.role_id
ORDER BY m.created_at, m.org_id, r.name";

impl Store {
    /// A page of the organisations that a person belongs to, those joined first at its head, beginning
    /// behind `after`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn orgs_of(
        &self,
        grant: &Granted<perm::Person, UserId>,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Page<OrgOfPerson, Position>, StoreError> {
        let statement = Statement::from_sql_and_values(
            self.read.get_database_backend(),
            OF_PERSON,
            [
                grant.tenant().as_str().into(),
                after.map(|after| after.at.to_utc()).into(),
                after.map(|after| after.id.clone()).into(),
                i64::try_from(limit.get() + 1).unwrap_or(i64::MAX).into(),
            ],
        );
        let mut orgs: Vec<OrgOfPerson> = Vec::new();
        for row in self.read.query_all_raw(statement).await? {
            let id: String = row.try_get("", "id")?;
            if orgs.last().is_none_or(|last| last.id.as_str() != id) {
                let name: String = row.try_get("", "name")?;
                let joined_at: sea_orm::entity::prelude::DateTimeUtc =
                    row.try_get("", "joined_at")?;
                orgs.push(OrgOfPerson {
                    joined_at: Timestamp::new(joined_at),
                    id: id.parse().or_corrupt("orgs", &id)?,
                    name: name.parse().or_corrupt("orgs", &id)?,
                    is_owner: false,
                    roles: Vec::new(),
                });
            }
            let role: Option<String> = row.try_get("", "role")?;
            let is_owner: Option<bool> = row.try_get("", "is_owner")?;
            if let Some(last) = orgs.last_mut() {
                last.roles.extend(role);
                last.is_owner |= is_owner.unwrap_or(false);
            }
        }
        let position = |org: &OrgOfPerson| Position { at: org.joined_at, id: org.id.to_string() };
        Ok(Page::cut(orgs, limit, position))
    }
}

impl WriteTx {
    /// The organisation as it is now, which nobody else changes until this transaction ends.
    ///
    /// # Errors
    /// The database fails.
    pub async fn org(
        &mut self,
        grant: &Granted<perm::Ownership, OrgId>,
    ) -> Result<Option<Org>, StoreError> {
        let found = row::Entity::find_by_id(grant.tenant().as_str()).one(&self.tx).await?;
        found.map(org).transpose()
    }

    /// Gives the organisation another name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn rename_org(
        &mut self,
        grant: &Granted<perm::Ownership, OrgId>,
        name: &OrgName,
    ) -> Result<(), StoreError> {
        row::Entity::update_many()
            .set(row::ActiveModel { name: Set(name.to_string()), ..Default::default() })
            .filter(row::Column::Id.eq(grant.tenant().as_str()))
            .exec(&self.tx)
            .await?;
        Ok(())
    }

    /// The organization, for an invitation to it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn inviting_org(
        &mut self,
        grant: &Granted<perm::MembersWrite, OrgId>,
    ) -> Result<Option<Org>, StoreError> {
        find(&self.tx, grant.tenant()).await
    }

    /// Makes every other change of the organisation wait until this transaction ends, and tells
    /// whether it may be used; `None` when it is gone.
    ///
    /// # Errors
    /// The database fails.
    pub async fn lock_org(
        &mut self,
        grant: &Granted<perm::MembersAdmin, OrgId>,
    ) -> Result<Option<OrgState>, StoreError> {
        lock(&self.tx, grant.tenant()).await?;
        Ok(find(&self.tx, grant.tenant()).await?.map(|org| org.state))
    }

    /// Closes the organisation, or opens it again; `false` when there is none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_org_state(
        &mut self,
        grant: &Granted<perm::Setup, OrgId>,
        state: OrgState,
    ) -> Result<bool, StoreError> {
        let disabled_at = match state {
            OrgState::Active => None,
            OrgState::Disabled { at } => Some(at.to_utc()),
        };
        let done = row::Entity::update_many()
            .set(row::ActiveModel { disabled_at: Set(disabled_at), ..Default::default() })
            .filter(row::Column::Id.eq(grant.tenant().as_str()))
            .exec(&self.tx)
            .await?;
        Ok(done.rows_affected == 1)
    }

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

/// SQLite has no row locks and drops the clause; there the whole transaction is exclusive. On
/// PostgreSQL rows that only refer to the organisation can still be written meanwhile.
pub(crate) async fn lock(db: &impl ConnectionTrait, org: &OrgId) -> Result<(), StoreError> {
    row::Entity::find_by_id(org.as_str()).lock(LockType::NoKeyUpdate).one(db).await?;
    Ok(())
}

/// The organisation where it may be used, as a part of another query.
pub(crate) fn active(org: &OrgId) -> SelectStatement {
    Query::select()
        .column(row::Column::Id)
        .from(row::Entity)
        .and_where(row::Column::Id.eq(org.as_str()))
        .and_where(row::Column::DisabledAt.is_null())
        .to_owned()
}

/// A text and not a query to be put together: with some requests it is half of their work.
const FIND: &str = "SELECT id, alias, name, disabled_at, created_at FROM orgs WHERE id = $1";

async fn find(db: &impl ConnectionTrait, id: &OrgId) -> Result<Option<Org>, StoreError> {
    let id = [id.as_str().into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), FIND, id);
    db.query_one_raw(statement).await?.as_ref().map(found).transpose()
}

/// By place, as `authn` reads.
fn found(row: &QueryResult) -> Result<Org, StoreError> {
    org(row::Model {
        id: row.try_get_by(0)?,
        alias: row.try_get_by(1)?,
        name: row.try_get_by(2)?,
        disabled_at: row.try_get_by(3)?,
        created_at: row.try_get_by(4)?,
    })
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
