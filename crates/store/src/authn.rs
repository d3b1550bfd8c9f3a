//! The read that every authorized request begins with, in one statement: from the hash of a token
//! and an organisation to the credential, the state of the organisation, the membership of the
//! person behind the credential, and every role that reaches them, directly or by a team.
//!
//! It is the only read of tenancy without a proof, since proofs are made from it; only
//! `domain::access` may call it.

use kici_model::credentials::{Bearer, Credential, CredentialState};
use kici_model::orgs::OrgState;
use kici_model::{OrgId, Timestamp, TokenHash, TokenKind, UserId};
use kici_rbac::{RoleGrant, Via};
use sea_orm::prelude::DateTimeUtc;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};

use crate::error::OrCorrupt;
use crate::{Store, StoreError, WriteTx, credentials, orgs, roles};

/// `$1` is the hash of a token, `$2` the id of an organisation or null. One row for each role that
/// reaches the person, or one row without a role; no row at all for an unknown token.
pub const AUTHORIZATION: &str = "\
WITH c AS (
    SELECT id, kind, org_id, user_id, permissions, agent_label, service_account_id,
           routing_patterns, expires_at, revoked_at
    FROM credentials WHERE hash = $1
),
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
       c.revoked_at, c.service_account_id, c.routing_patterns,
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
LEFT JOIN teams t ON t.org_id = $2 AND t.id = reach.team_id";

/// What is known of whoever presented a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The credential.
    pub credential: Credential,
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
    /// Looks up the token with this hash, and what `org` is to the person behind it.
    ///
    /// # Errors
    /// The database fails, or a row is corrupt.
    pub async fn known(
        &self,
        hash: &TokenHash,
        org: Option<&OrgId>,
    ) -> Result<Option<Known>, StoreError> {
        read(&self.read, hash, org).await
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
        hash: &TokenHash,
        org: &OrgId,
    ) -> Result<Option<Known>, StoreError> {
        orgs::lock(&self.tx, org).await?;
        read(&self.tx, hash, Some(org)).await
    }
}

async fn read(
    db: &impl ConnectionTrait,
    hash: &TokenHash,
    org: Option<&OrgId>,
) -> Result<Option<Known>, StoreError> {
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        AUTHORIZATION,
        [hash.as_str().into(), org.map(OrgId::to_string).into()],
    );
    let rows = db.query_all_raw(statement).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let credential = credential(first)?;
    let Some(id) = first.try_get::<Option<String>>("", "found_org")? else {
        return Ok(Some(Known { credential, org: None }));
    };
    let membership = match first.try_get::<Option<String>>("", "member")? {
        None => None,
        Some(_) => Some(Membership {
            suspended_at: time(first, "suspended_at")?,
            roles: rows.iter().map(role).filter_map(Result::transpose).collect::<Result<_, _>>()?,
        }),
    };
    let org = KnownOrg {
        state: orgs::state(time(first, "disabled_at")?),
        membership,
        id: id.parse().or_corrupt("orgs", &id)?,
    };
    Ok(Some(Known { credential, org: Some(org) }))
}

fn time(row: &QueryResult, column: &str) -> Result<Option<Timestamp>, DbErr> {
    Ok(row.try_get::<Option<DateTimeUtc>>("", column)?.map(Timestamp::new))
}

fn credential(row: &QueryResult) -> Result<Credential, StoreError> {
    const TABLE: &str = credentials::TABLE;
    let id: String = row.try_get("", "id")?;
    let kind: String = row.try_get("", "kind")?;
    let user: String = row.try_get("", "user_id")?;
    let user: UserId = user.parse().or_corrupt(TABLE, &id)?;
    let org: Option<String> = row.try_get("", "org_id")?;
    let org: Option<OrgId> = org.map(|org| org.parse()).transpose().or_corrupt(TABLE, &id)?;
    let matrix: Option<String> = row.try_get("", "permissions")?;
    let matrix = matrix.map(|text| roles::matrix(TABLE, &id, &text)).transpose()?;
    let kind: TokenKind = kind.parse().or_corrupt(TABLE, &id)?;
    let bearer = match (kind, org, matrix) {
        (TokenKind::Personal, None, scopes) => {
            let agent: Option<String> = row.try_get("", "agent_label")?;
            let agent = agent.map(|text| text.parse()).transpose().or_corrupt(TABLE, &id)?;
            Bearer::Person { user, scopes, agent }
        }
        (TokenKind::ApiKey, Some(org), Some(permissions)) => {
            Bearer::ApiKey { org, maker: user, permissions }
        }
        (TokenKind::ServiceAccount, Some(org), None) => {
            let account: Option<String> = row.try_get("", "service_account_id")?;
            let account = account.ok_or("a key of no account").or_corrupt(TABLE, &id)?;
            let held: Option<String> = row.try_get("", "account_permissions")?;
            // The keys of an account that is gone are gone with it.
            let held = held.ok_or("a key of an account that is gone").or_corrupt(TABLE, &id)?;
            let permissions = roles::matrix("service_accounts", &account, &held)?;
            let account = account.parse().or_corrupt(TABLE, &id)?;
            Bearer::ServiceAccount { org, account, permissions }
        }
        (TokenKind::Orchestrator, Some(org), None) => {
            let patterns: Option<String> = row.try_get("", "routing_patterns")?;
            let patterns = credentials::routing_patterns(&id, patterns.as_deref())?;
            Bearer::Orchestrator { org, patterns }
        }
        _ => return Err("columns that do not go together").or_corrupt(TABLE, &id),
    };
    let state = match time(row, "revoked_at")? {
        Some(at) => CredentialState::Revoked { at },
        None => CredentialState::Active { expires_at: time(row, "expires_at")? },
    };
    Ok(Credential { id: id.parse().or_corrupt(TABLE, &id)?, bearer, state })
}

fn role(row: &QueryResult) -> Result<Option<RoleGrant>, StoreError> {
    let Some(id) = row.try_get::<Option<String>>("", "role_id")? else { return Ok(None) };
    let permissions: String = row.try_get("", "role_permissions")?;
    let patterns: String = row.try_get("", "repo_patterns")?;
    let via = match row.try_get::<Option<String>>("", "team_id")? {
        None => Via::Direct,
        Some(team) => Via::Team { id: team, name: row.try_get("", "team_name")? },
    };
    Ok(Some(RoleGrant {
        name: row.try_get("", "role_name")?,
        is_owner: row.try_get("", "is_owner")?,
        permissions: roles::matrix("roles", &id, &permissions)?,
        patterns: roles::patterns(&id, &patterns)?,
        via,
        id,
    }))
}
