//! The rows behind every kind of key. Of a token only the hash and the first characters are here.

use kici_model::credentials::{Expiring, NewCredential};
use kici_model::page::{Limit, Page, Position};
use kici_model::text::AgentLabel;
use kici_model::{
    CredentialId, OrgId, RoutingPattern, ServiceAccountId, Timestamp, TokenKind, UserId,
};
use kici_rbac::{Granted, Matrix, perm};
use sea_orm::prelude::DateTimeUtc;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait,
    QueryFilter, QueryResult, Select, Statement,
};

use crate::error::OrCorrupt;
use crate::{RecordTx, Store, StoreError, WriteTx, page};

pub(crate) const TABLE: &str = "credentials";

impl WriteTx {
    /// Adds a personal access token while an installation is set up; `new.made_by` is its person.
    ///
    /// # Errors
    /// The database fails.
    pub async fn create_first_personal_token(
        &mut self,
        _: &Granted<perm::Setup, OrgId>,
        new: &NewCredential<'_>,
    ) -> Result<(), StoreError> {
        insert(self, None, TokenKind::Personal, new, Extra::default()).await
    }
}

/// What only some kinds have.
#[derive(Default)]
pub(crate) struct Extra<'a> {
    pub(crate) permissions: Option<Matrix>,
    pub(crate) agent: Option<&'a AgentLabel>,
    pub(crate) account: Option<&'a ServiceAccountId>,
    pub(crate) patterns: Option<&'a [RoutingPattern]>,
}

pub(crate) async fn insert(
    tx: &WriteTx,
    org: Option<&OrgId>,
    kind: TokenKind,
    new: &NewCredential<'_>,
    extra: Extra<'_>,
) -> Result<(), StoreError> {
    let permissions = extra.permissions.map(|matrix| serde_json::to_string(&matrix)).transpose();
    let patterns = extra.patterns.map(written).transpose();
    let row = row::ActiveModel {
        id: Set(new.id.to_string()),
        kind: Set(kind.to_string()),
        hash: Set(new.token.hash().as_str().to_owned()),
        shown: Set(new.token.shown()),
        name: Set(new.name.to_string()),
        description: Set(new.description.map(ToString::to_string)),
        org_id: Set(org.map(ToString::to_string)),
        user_id: Set(UserId::to_string(new.made_by)),
        permissions: Set(permissions.or_corrupt(TABLE, new.id.as_str())?),
        agent_label: Set(extra.agent.map(ToString::to_string)),
        service_account_id: Set(extra.account.map(ToString::to_string)),
        routing_patterns: Set(patterns.or_corrupt(TABLE, new.id.as_str())?),
        expires_at: Set(new.expires_at.map(Timestamp::to_utc)),
        revoked_at: Set(None),
        last_used_at: Set(None),
        successor_id: Set(None),
        created_at: Set(new.created_at.to_utc()),
    };
    row.insert(&tx.tx).await?;
    Ok(())
}

fn written(patterns: &[RoutingPattern]) -> serde_json::Result<String> {
    let texts: Vec<_> = patterns.iter().map(RoutingPattern::to_string).collect();
    serde_json::to_string(&texts)
}

/// Says which sources the orchestrator key that `whose` describes may register.
pub(crate) async fn set_routing_patterns(
    tx: &WriteTx,
    id: &CredentialId,
    whose: Condition,
    patterns: &[RoutingPattern],
) -> Result<(), StoreError> {
    let patterns = written(patterns).or_corrupt(TABLE, id.as_str())?;
    row::Entity::update_many()
        .set(row::ActiveModel { routing_patterns: Set(Some(patterns)), ..Default::default() })
        .filter(row::Column::Id.eq(id.as_str()))
        .filter(row::Column::Kind.eq(TokenKind::Orchestrator.as_str()))
        .filter(whose)
        .exec(&tx.tx)
        .await?;
    Ok(())
}

/// Revokes the credential that `whose` describes; `false` when there is none in use.
pub(crate) async fn revoke(
    tx: &WriteTx,
    kind: TokenKind,
    id: &CredentialId,
    whose: Condition,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let done = row::Entity::update_many()
        .set(row::ActiveModel { revoked_at: Set(Some(at.to_utc())), ..Default::default() })
        .filter(row::Column::Id.eq(id.as_str()))
        .filter(row::Column::Kind.eq(kind.as_str()))
        .filter(row::Column::RevokedAt.is_null())
        .filter(whose)
        .exec(&tx.tx)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Ends a credential that is followed by `successor`: at once, or at `until` where that is sooner than
/// its own end; `false` when there is none in use, or it has a successor already.
pub(crate) async fn retire(
    tx: &WriteTx,
    kind: TokenKind,
    id: &CredentialId,
    whose: Condition,
    successor: &CredentialId,
    (now, until): (Timestamp, Timestamp),
) -> Result<bool, StoreError> {
    let found = find(&tx.tx, kind, id, whose.clone()).await?;
    let Some(found) = found.filter(|found| found.successor_id.is_none()) else { return Ok(false) };
    if until <= now {
        return revoke(tx, kind, id, whose, now).await;
    }
    let end = found.expires_at.map_or(until.to_utc(), |end| end.min(until.to_utc()));
    let change = row::ActiveModel {
        expires_at: Set(Some(end)),
        successor_id: Set(Some(successor.to_string())),
        ..Default::default()
    };
    let done = row::Entity::update_many()
        .set(change)
        .filter(row::Column::Id.eq(id.as_str()))
        .filter(row::Column::Kind.eq(kind.as_str()))
        .filter(whose)
        .exec(&tx.tx)
        .await?;
    Ok(done.rows_affected == 1)
}

/// The credential in use that `whose` describes.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    kind: TokenKind,
    id: &CredentialId,
    whose: Condition,
) -> Result<Option<row::Model>, StoreError> {
    let query = row::Entity::find_by_id(id.as_str())
        .filter(whose)
        .filter(row::Column::Kind.eq(kind.as_str()))
        .filter(row::Column::RevokedAt.is_null());
    Ok(query.one(db).await?)
}

/// Reads the stored patterns of an orchestrator key.
pub(crate) fn routing_patterns(
    id: &str,
    text: Option<&str>,
) -> Result<Option<Vec<RoutingPattern>>, StoreError> {
    let Some(text) = text else { return Ok(None) };
    let texts: Vec<String> = serde_json::from_str(text).or_corrupt(TABLE, id)?;
    texts.iter().map(|text| text.parse()).collect::<Result<_, _>>().map(Some).or_corrupt(TABLE, id)
}

impl RecordTx {
    /// Notes when credentials were used, of those of which nothing was noted after `since`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn credentials_used(
        &mut self,
        used: &[(CredentialId, Timestamp)],
        since: Timestamp,
    ) -> Result<(), StoreError> {
        for (id, at) in used {
            row::Entity::update_many()
                .set(row::ActiveModel {
                    last_used_at: Set(Some(at.to_utc())),
                    ..Default::default()
                })
                .filter(row::Column::Id.eq(id.as_str()))
                .filter(
                    Condition::any()
                        .add(row::Column::LastUsedAt.is_null())
                        .add(row::Column::LastUsedAt.lt(since.to_utc())),
                )
                .exec(&self.tx)
                .await?;
        }
        Ok(())
    }
}

/// Those that end between `$1` and `$2`, were made before `$3`, and come after `$4` and `$5`. Who has
/// left an organisation, or is suspended there, hears no more of it.
const EXPIRING: &str = "\
SELECT c.id, c.kind, c.name, c.shown, c.org_id, c.expires_at, o.name AS org_name,
       CASE WHEN c.org_id IS NULL OR (m.user_id IS NOT NULL AND m.suspended_at IS NULL)
            THEN u.email END AS email
FROM credentials c
JOIN users u ON u.id = c.user_id
LEFT JOIN orgs o ON o.id = c.org_id
LEFT JOIN memberships m ON m.org_id = c.org_id AND m.user_id = c.user_id
WHERE c.expires_at > $1 AND c.expires_at <= $2 AND c.created_at <= $3
  AND (c.expires_at > $4 OR (c.expires_at = $4 AND c.id > $5))
  AND c.revoked_at IS NULL AND c.successor_id IS NULL
ORDER BY c.expires_at, c.id
LIMIT $6";

impl RecordTx {
    /// The credentials without a successor that end within `(from, to]` and were made up to
    /// `made_before`, soonest first, after `after`, at most `limit`.
    ///
    /// # Errors
    /// The database fails, or a row is corrupt.
    pub async fn expiring(
        &mut self,
        (from, to): (Timestamp, Timestamp),
        made_before: Timestamp,
        after: Option<&(Timestamp, CredentialId)>,
        limit: u64,
    ) -> Result<Vec<Expiring>, StoreError> {
        let (end, id) = after.map_or((from, ""), |(end, id)| (*end, id.as_str()));
        let values: [sea_orm::Value; 6] = [
            from.to_utc().into(),
            to.to_utc().into(),
            made_before.to_utc().into(),
            end.to_utc().into(),
            id.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ];
        let statement =
            Statement::from_sql_and_values(self.tx.get_database_backend(), EXPIRING, values);
        let rows = self.tx.query_all_raw(statement).await?;
        rows.iter().map(expiring).collect()
    }
}

fn expiring(row: &QueryResult) -> Result<Expiring, StoreError> {
    let text = |column: &str| row.try_get::<String>("", column);
    let maybe = |column: &str| row.try_get::<Option<String>>("", column);
    let id = text("id")?;
    let org = match maybe("org_id")?.zip(maybe("org_name")?) {
        None => None,
        Some((org, name)) => {
            Some((org.parse().or_corrupt(TABLE, &id)?, name.parse().or_corrupt(TABLE, &id)?))
        }
    };
    Ok(Expiring {
        kind: text("kind")?.parse().or_corrupt(TABLE, &id)?,
        name: text("name")?.parse().or_corrupt(TABLE, &id)?,
        shown: text("shown")?,
        org,
        maker: maybe("email")?.map(|email| email.parse()).transpose().or_corrupt(TABLE, &id)?,
        expires_at: Timestamp::new(row.try_get::<DateTimeUtc>("", "expires_at")?),
        id: id.parse().or_corrupt(TABLE, &id)?,
    })
}

/// Deletes every credential of this kind that `whose` describes: they go with what they belong to.
pub(crate) async fn delete_all(
    tx: &WriteTx,
    kind: TokenKind,
    whose: Condition,
) -> Result<(), StoreError> {
    row::Entity::delete_many()
        .filter(whose)
        .filter(row::Column::Kind.eq(kind.as_str()))
        .exec(&tx.tx)
        .await?;
    Ok(())
}

/// Revokes every credential of this kind that somebody made in an organisation.
pub(crate) async fn revoke_all_of(
    db: &impl ConnectionTrait,
    org: &OrgId,
    user: &UserId,
    kind: TokenKind,
    at: Timestamp,
) -> Result<(), StoreError> {
    row::Entity::update_many()
        .set(row::ActiveModel { revoked_at: Set(Some(at.to_utc())), ..Default::default() })
        .filter(of_org(org))
        .filter(row::Column::UserId.eq(user.as_str()))
        .filter(row::Column::Kind.eq(kind.as_str()))
        .filter(row::Column::RevokedAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}

/// The credentials in use that `whose` describes.
pub(crate) fn in_use(kind: TokenKind, whose: Condition) -> Select<row::Entity> {
    row::Entity::find()
        .filter(whose)
        .filter(row::Column::Kind.eq(kind.as_str()))
        .filter(row::Column::RevokedAt.is_null())
}

/// Whether a credential is not over by itself.
pub(crate) fn lives(now: Timestamp) -> Condition {
    Condition::any()
        .add(row::Column::ExpiresAt.is_null())
        .add(row::Column::ExpiresAt.gt(now.to_utc()))
}

/// A page of the credentials in use that `whose` describes, oldest first, each read by `read`.
pub(crate) async fn list<T>(
    store: &Store,
    kind: TokenKind,
    whose: Condition,
    read: fn(row::Model) -> Result<T, StoreError>,
    after: Option<&Position>,
    limit: Limit,
) -> Result<Page<T, Position>, StoreError> {
    let columns = [row::Column::CreatedAt, row::Column::Id];
    let select = in_use(kind, whose);
    page::oldest(&store.read, select, columns, |row| (row.created_at, &row.id), after, limit)
        .await?
        .try_map(read)
}

/// Whether a credential belongs to this organisation.
pub(crate) fn of_org(org: &OrgId) -> Condition {
    Condition::all().add(row::Column::OrgId.eq(org.as_str()))
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "credentials")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub kind: String,
        pub hash: String,
        pub shown: String,
        pub name: String,
        pub description: Option<String>,
        pub org_id: Option<String>,
        pub user_id: String,
        pub permissions: Option<String>,
        pub agent_label: Option<String>,
        pub service_account_id: Option<String>,
        pub routing_patterns: Option<String>,
        pub expires_at: Option<DateTimeUtc>,
        pub revoked_at: Option<DateTimeUtc>,
        pub last_used_at: Option<DateTimeUtc>,
        pub successor_id: Option<String>,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
