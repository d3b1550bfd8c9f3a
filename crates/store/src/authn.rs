//! The read that every authorized request begins with, in one statement: from what was presented
//! and an organisation to the credential, the state of the organisation, the membership of the
//! person behind the credential, and every role that reaches them, directly or by a team.
//!
//! It is the only read of tenancy without a proof, since proofs are made from it; only
//! `domain::access` may call it.

use kici_model::credentials::{Bearer, Credential, CredentialState, Means, Presented};
use kici_model::orgs::OrgState;
use kici_model::sessions::IDLE;
use kici_model::{OrgId, Timestamp, TokenKind, UserId};
use kici_rbac::{RoleGrant, Via};
use sea_orm::prelude::DateTimeUtc;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, TryGetable, Value};

use crate::connection::Tx;
use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx, credentials, identities, orgs, roles, sessions, users};

/// The statement for one kind of what can be presented: `$c` finds the credential, the rest is the
/// same for all. `$2` is the id of an organisation or null. One row for each role that reaches the
/// person, or one row without a role; no row at all where nothing is found.
macro_rules! authorization {
    ($c:literal) => {
        concat!(
            "WITH c AS (",
            $c,
            "),
reach AS (
    SELECT a.role_id, CAST(NULL AS TEXT) AS team_id
    FROM c JOIN role_assignments a ON a.org_id = $2 AND a.user_id = c.user_id
    UNION ALL
    SELECT g.role_id, g.team_id
    FROM c
    JOIN team_members t ON t.org_id = $2 AND t.user_id = c.user_id
    JOIN team_roles g ON g.org_id = $2 AND g.team_id = t.team_id
)
SELECT c.id, c.kind, c.org_id, c.user_id, c.permissions, c.agent_label, c.expires_at,
       c.revoked_at, c.seen_at, c.service_account_id, c.routing_patterns,
       s.permissions AS account_permissions,
       o.id AS found_org, o.disabled_at,
       m.user_id AS member, m.suspended_at,
       r.id AS role_id, r.name AS role_name, r.is_owner,
       r.permissions AS role_permissions, r.repo_patterns,
       t.id AS team_id, t.name AS team_name
FROM c
LEFT JOIN service_accounts s ON s.id = c.service_account_id AND s.org_id = c.org_id
LEFT JOIN orgs o ON o.id = $2
LEFT JOIN memberships m ON m.org_id = $2 AND m.user_id = c.user_id
LEFT JOIN reach ON m.user_id IS NOT NULL
LEFT JOIN roles r ON r.org_id = $2 AND r.id = reach.role_id
LEFT JOIN teams t ON t.org_id = $2 AND t.id = reach.team_id"
        )
    };
}

/// What is selected, in its order: read by place, since a name has to be looked up in each row.
#[derive(Debug, Clone, Copy)]
enum Column {
    Id,
    Kind,
    OrgId,
    UserId,
    Permissions,
    AgentLabel,
    ExpiresAt,
    RevokedAt,
    SeenAt,
    ServiceAccountId,
    RoutingPatterns,
    AccountPermissions,
    FoundOrg,
    DisabledAt,
    Member,
    SuspendedAt,
    RoleId,
    RoleName,
    IsOwner,
    RolePermissions,
    RepoPatterns,
    TeamId,
    TeamName,
}

fn get<T: TryGetable>(row: &QueryResult, column: Column) -> Result<T, DbErr> {
    row.try_get_by(column as usize)
}

/// `$1` is the hash of a token.
pub const BY_TOKEN: &str = authorization!(
    "
    SELECT id, kind, org_id, user_id, permissions, agent_label, service_account_id,
           routing_patterns, expires_at, revoked_at,
           CAST(NULL AS TIMESTAMPTZ) AS seen_at
    FROM credentials WHERE hash = $1
"
);

/// `$1` is the hash of a session's cookie.
pub const BY_SESSION: &str = authorization!(
    "
    SELECT id, 'session' AS kind, CAST(NULL AS TEXT) AS org_id, user_id,
           CAST(NULL AS TEXT) AS permissions, CAST(NULL AS TEXT) AS agent_label,
           CAST(NULL AS TEXT) AS service_account_id, CAST(NULL AS TEXT) AS routing_patterns,
           expires_at, revoked_at, seen_at
    FROM sessions WHERE hash = $1
"
);

/// `$1` is the subject of a verified token, `$3` its issuer.
pub const BY_IDENTITY: &str = authorization!(
    "
    SELECT subject AS id, 'oidc' AS kind, CAST(NULL AS TEXT) AS org_id, user_id,
           CAST(NULL AS TEXT) AS permissions, CAST(NULL AS TEXT) AS agent_label,
           CAST(NULL AS TEXT) AS service_account_id, CAST(NULL AS TEXT) AS routing_patterns,
           CAST(NULL AS TIMESTAMPTZ) AS expires_at, CAST(NULL AS TIMESTAMPTZ) AS revoked_at,
           CAST(NULL AS TIMESTAMPTZ) AS seen_at
    FROM identities WHERE issuer = $3 AND subject = $1
"
);

/// What is known of whoever presented something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The credential.
    pub credential: Credential,
    /// When a session was last seen, about.
    pub seen_at: Option<Timestamp>,
    /// The organisation that was asked about, if it exists.
    pub org: Option<KnownOrg>,
}

/// What the organisation is to the person behind the credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownOrg {
    /// Its id, as it is stored.
    pub id: OrgId,
    /// Whether it may be used.
    pub state: OrgState,
    /// The person's membership; `None` when they do not belong to it.
    pub membership: Option<Membership>,
}

/// Somebody's membership in an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Since when they are suspended, if they are.
    pub suspended_at: Option<Timestamp>,
    /// Every role that reaches them; the same one may come by several ways.
    pub roles: Vec<RoleGrant>,
}

impl Store {
    /// Looks up what was presented, and what `org` is to the person behind it.
    ///
    /// # Errors
    /// The database fails, or a row is corrupt.
    pub async fn known(
        &self,
        presented: &Presented,
        org: Option<&OrgId>,
    ) -> Result<Option<Known>, StoreError> {
        let (sql, texts) = question(presented, org);
        known(&self.rows(sql, &texts).await?, presented)
    }
}

impl WriteTx {
    /// The same, inside of a change: every other change of the organisation waits until this one
    /// ends, so that what is read stays so until the commit.
    ///
    /// # Errors
    /// The database fails, or a row is corrupt.
    pub async fn known(
        &mut self,
        presented: &Presented,
        org: &OrgId,
    ) -> Result<Option<Known>, StoreError> {
        orgs::lock(&self.tx, org).await?;
        read(&self.tx, presented, Some(org)).await
    }
}

impl WriteTx {
    /// What was presented, inside of a change of what belongs to `person`: every other such change
    /// waits until this one ends.
    ///
    /// # Errors
    /// The database fails, or a row is corrupt.
    pub async fn known_person(
        &mut self,
        presented: &Presented,
        person: &UserId,
    ) -> Result<Option<Known>, StoreError> {
        users::lock(&self.tx, person).await?;
        read(&self.tx, presented, None).await
    }
}

async fn read(
    tx: &Tx,
    presented: &Presented,
    org: Option<&OrgId>,
) -> Result<Option<Known>, StoreError> {
    let (sql, texts) = question(presented, org);
    let values = texts.into_iter().map(|text| text.map(ToOwned::to_owned).into());
    let values: Vec<Value> = values.collect();
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    known(&tx.query_all_raw(statement).await?, presented)
}

/// The statement and its parameters.
fn question<'a>(
    presented: &'a Presented,
    org: Option<&'a OrgId>,
) -> (&'static str, Vec<Option<&'a str>>) {
    let org = org.map(OrgId::as_str);
    match presented {
        Presented::Token(hash) => (BY_TOKEN, vec![Some(hash.as_str()), org]),
        Presented::Session(hash) => (BY_SESSION, vec![Some(hash.as_str()), org]),
        Presented::Identity { key, .. } => {
            (BY_IDENTITY, vec![Some(key.subject.as_str()), org, Some(&*key.issuer)])
        }
    }
}

/// What the rows say.
fn known(rows: &[QueryResult], presented: &Presented) -> Result<Option<Known>, StoreError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let credential = credential(first, presented)?;
    let seen_at = time(first, Column::SeenAt)?;
    let Some(id) = get::<Option<String>>(first, Column::FoundOrg)? else {
        return Ok(Some(Known { credential, seen_at, org: None }));
    };
    let membership = match get::<Option<String>>(first, Column::Member)? {
        None => None,
        Some(_) => Some(Membership {
            suspended_at: time(first, Column::SuspendedAt)?,
            roles: rows.iter().map(role).filter_map(Result::transpose).collect::<Result<_, _>>()?,
        }),
    };
    let org = KnownOrg {
        state: orgs::state(time(first, Column::DisabledAt)?),
        membership,
        id: id.parse().or_corrupt("orgs", &id)?,
    };
    Ok(Some(Known { credential, seen_at, org: Some(org) }))
}

fn time(row: &QueryResult, column: Column) -> Result<Option<Timestamp>, DbErr> {
    Ok(get::<Option<DateTimeUtc>>(row, column)?.map(Timestamp::new))
}

/// What a row says of the credential behind `presented`.
fn credential(row: &QueryResult, presented: &Presented) -> Result<Credential, StoreError> {
    let id: String = get(row, Column::Id)?;
    let table = match presented {
        Presented::Token(_) => credentials::TABLE,
        Presented::Session(_) => sessions::TABLE,
        Presented::Identity { .. } => identities::TABLE,
    };
    let user: String = get(row, Column::UserId)?;
    let user: UserId = user.parse().or_corrupt(table, &id)?;
    let state = match time(row, Column::RevokedAt)? {
        Some(at) => CredentialState::Revoked { at },
        None => CredentialState::Active { expires_at: time(row, Column::ExpiresAt)? },
    };
    let person = |means, state| Credential {
        means,
        bearer: Bearer::Person { user: user.clone(), scopes: None, agent: None },
        state,
    };
    match presented {
        Presented::Token(_) => {
            let bearer = bearer(row, &id, user)?;
            let means = Means::Token(id.parse().or_corrupt(table, &id)?);
            Ok(Credential { means, bearer, state })
        }
        Presented::Session(_) => {
            let means = Means::Session(id.parse().or_corrupt(table, &id)?);
            Ok(person(means, idle(state, time(row, Column::SeenAt)?)))
        }
        // The end is the token's own; an identity has none.
        Presented::Identity { expires_at, .. } => {
            let state = CredentialState::Active { expires_at: Some(*expires_at) };
            Ok(person(Means::Oidc, state))
        }
    }
}

/// A session ends when nobody has used it for a while.
fn idle(state: CredentialState, seen_at: Option<Timestamp>) -> CredentialState {
    let end = seen_at.map(|at| at + IDLE);
    match state {
        CredentialState::Active { expires_at } => {
            CredentialState::Active { expires_at: expires_at.into_iter().chain(end).min() }
        }
        revoked @ CredentialState::Revoked { .. } => revoked,
    }
}

/// Whom a token of ours stands for.
fn bearer(row: &QueryResult, id: &str, user: UserId) -> Result<Bearer, StoreError> {
    const TABLE: &str = credentials::TABLE;
    let kind: String = get(row, Column::Kind)?;
    let org: Option<String> = get(row, Column::OrgId)?;
    let org: Option<OrgId> = org.map(|org| org.parse()).transpose().or_corrupt(TABLE, id)?;
    let matrix: Option<String> = get(row, Column::Permissions)?;
    let matrix = matrix.map(|text| roles::matrix(TABLE, id, &text)).transpose()?;
    let kind: TokenKind = kind.parse().or_corrupt(TABLE, id)?;
    Ok(match (kind, org, matrix) {
        (TokenKind::Personal, None, scopes) => {
            let agent: Option<String> = get(row, Column::AgentLabel)?;
            let agent = agent.map(|text| text.parse()).transpose().or_corrupt(TABLE, id)?;
            Bearer::Person { user, scopes, agent }
        }
        (TokenKind::ApiKey, Some(org), Some(permissions)) => {
            Bearer::ApiKey { org, maker: user, permissions }
        }
        (TokenKind::ServiceAccount, Some(org), None) => {
            let account: Option<String> = get(row, Column::ServiceAccountId)?;
            let account = account.ok_or("a key of no account").or_corrupt(TABLE, id)?;
            let held: Option<String> = get(row, Column::AccountPermissions)?;
            // The keys of an account that is gone are gone with it.
            let held = held.ok_or("a key of an account that is gone").or_corrupt(TABLE, id)?;
            let permissions = roles::matrix("service_accounts", &account, &held)?;
            let account = account.parse().or_corrupt(TABLE, id)?;
            Bearer::ServiceAccount { org, account, permissions }
        }
        (TokenKind::Orchestrator, Some(org), None) => {
            let patterns: Option<String> = get(row, Column::RoutingPatterns)?;
            let patterns = credentials::routing_patterns(id, patterns.as_deref())?;
            Bearer::Orchestrator { org, patterns }
        }
        _ => return Err("columns that do not go together").or_corrupt(TABLE, id),
    })
}

fn role(row: &QueryResult) -> Result<Option<RoleGrant>, StoreError> {
    let Some(id) = get::<Option<String>>(row, Column::RoleId)? else { return Ok(None) };
    let permissions: String = get(row, Column::RolePermissions)?;
    let patterns: String = get(row, Column::RepoPatterns)?;
    let via = match get::<Option<String>>(row, Column::TeamId)? {
        None => Via::Direct,
        Some(team) => Via::Team { id: team, name: get(row, Column::TeamName)? },
    };
    Ok(Some(RoleGrant {
        name: get(row, Column::RoleName)?,
        is_owner: get(row, Column::IsOwner)?,
        permissions: roles::matrix("roles", &id, &permissions)?,
        patterns: roles::patterns(&id, &patterns)?,
        via,
        id,
    }))
}
