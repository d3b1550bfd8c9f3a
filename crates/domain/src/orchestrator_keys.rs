//! Orchestrator keys: made, listed, revoked. What comes over the link sees bodies and secrets, so
//! making and revoking needs `api_keys:admin`.

use kici_model::audit::Action;
use kici_model::credentials::NewCredential;
use kici_model::orchestrator_keys::OrchestratorKey;
use kici_model::page::{Limit, Page};
use kici_model::text::{Description, KeyName};
use kici_model::{CredentialId, RoutingPattern, TokenKind};
use kici_rbac::perm;
use kici_store::{StoreError, WriteTx};
use serde_json::json;

use crate::credentials::{Made, days};
use crate::quotas::{self, Full};
use crate::{App, EnterError, Fault, Kind, ListError, Org, Trouble};

const LIST: &str = "orchestrator-keys";

/// The most patterns of one key.
pub const MOST_PATTERNS: usize = 50;

/// Why something could not be done with an orchestrator key.
#[derive(Debug, thiserror::Error)]
pub enum OrchestratorKeysError {
    /// The organisation has no such key in use.
    #[error("This organization has no orchestrator key with this id, or it is revoked already")]
    Missing,
    /// The key has no limits that could be widened.
    #[error("This key may register every source already")]
    Unlimited,
    /// It has the pattern.
    #[error("This key has the pattern `{0}` already")]
    Known(RoutingPattern),
    /// It has as many as it can have.
    #[error("A key has {MOST_PATTERNS} patterns at most")]
    TooMany,
    /// The key has a successor.
    #[error("This key was rotated already; rotate the one that follows it, or make a new one")]
    Rotated,
    /// It would have been made by nobody.
    #[error("Only a person, or the key of one, can make orchestrator keys")]
    NoPerson,
    /// What the caller held has ended meanwhile.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// There are as many as can be.
    #[error(transparent)]
    Full(#[from] Full),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for OrchestratorKeysError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for OrchestratorKeysError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing => Kind::Missing,
            Self::Rotated | Self::Unlimited | Self::Known(_) | Self::TooMany => Kind::Conflict,
            Self::NoPerson => Kind::Denied,
            Self::Enter(error) => error.kind(),
            Self::Full(full) => full.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "not_found",
            Self::Rotated => "already_rotated",
            Self::Unlimited | Self::Known(_) => "already",
            Self::TooMany => "too_many_patterns",
            Self::NoPerson => "person_required",
            Self::Enter(error) => error.code(),
            Self::Full(full) => full.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// What a caller wants to make.
#[derive(Debug, Clone)]
pub struct NewOrchestratorKey {
    /// What it is called.
    pub name: KeyName,
    /// What it is for.
    pub description: Option<Description>,
    /// Which sources it may register; `None` is all of them.
    pub patterns: Option<Vec<RoutingPattern>>,
}

/// A page of the keys in use, oldest first.
///
/// # Errors
/// A tampered cursor, or the database fails.
pub async fn list(
    app: &App,
    org: &Org<perm::ApiKeysRead>,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<OrchestratorKey, String>, ListError> {
    let after = app.after(org.id().as_str(), LIST, cursor)?;
    let page = app.store.orchestrator_keys(org.grant(), after.as_ref(), limit).await?;
    Ok(app.page(org.id().as_str(), LIST, page))
}

/// Makes a key.
///
/// # Errors
/// The server did not do its part; no key was made.
pub async fn create(
    app: &App,
    org: &Org<perm::ApiKeysAdmin>,
    wanted: &NewOrchestratorKey,
) -> Result<(Made, OrchestratorKey), OrchestratorKeysError> {
    let (mut tx, org) = org.begin(app).await?;
    let made = add(app, &org, &mut tx, wanted).await?;
    let count = tx.count_keys(org.grant(), TokenKind::Orchestrator, app.clock.now()).await?;
    quotas::ORCHESTRATOR_KEYS.keeps(count)?;
    let entry = org.audit(app, Action::OrchestratorKeyCreated, &made.0.id)?;
    let patterns = wanted.patterns.as_ref();
    let patterns = patterns.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
    let details = json!({"name": wanted.name.as_str(), "routingPatterns": patterns});
    tx.commit(entry.with(details)).await?;
    Ok(made)
}

/// Gives a key a new token. The old one works for `overlap_days` more; without any, its connections
/// are closed at once.
///
/// # Errors
/// There is no such key in use, it has a successor, or the server did not do its part.
pub async fn rotate(
    app: &App,
    org: &Org<perm::ApiKeysAdmin>,
    id: &CredentialId,
    overlap_days: u32,
) -> Result<(Made, OrchestratorKey), OrchestratorKeysError> {
    let (mut tx, org) = org.begin(app).await?;
    let old = tx.orchestrator_key(org.grant(), id).await?.ok_or(OrchestratorKeysError::Missing)?;
    let wanted =
        NewOrchestratorKey { name: old.name, description: old.description, patterns: old.patterns };
    let made = add(app, &org, &mut tx, &wanted).await?;
    let now = app.clock.now();
    let when = (now, now + days(overlap_days));
    if !tx.retire_orchestrator_key(org.grant(), id, &made.0.id, when).await? {
        return Err(OrchestratorKeysError::Rotated);
    }
    // Who rotates without an overlap needs no room for it.
    let count = tx.count_keys(org.grant(), TokenKind::Orchestrator, app.clock.now()).await?;
    quotas::ORCHESTRATOR_KEYS.keeps(count)?;
    let entry = org.audit(app, Action::OrchestratorKeyRotated, id)?;
    let details = json!({"successor": made.0.id.as_str(), "overlapDays": overlap_days});
    tx.commit(entry.with(details)).await?;
    if overlap_days == 0 {
        app.relay.close_key(org.grant(), id);
    }
    Ok(made)
}

async fn add(
    app: &App,
    org: &Org<perm::ApiKeysAdmin>,
    tx: &mut WriteTx,
    wanted: &NewOrchestratorKey,
) -> Result<(Made, OrchestratorKey), OrchestratorKeysError> {
    let made_by = org.actor().person().ok_or(OrchestratorKeysError::NoPerson)?;
    let made = Made::draw(app, TokenKind::Orchestrator)?;
    let new = NewCredential {
        id: &made.id,
        name: &wanted.name,
        description: wanted.description.as_ref(),
        token: &made.token,
        made_by,
        expires_at: None,
        created_at: app.clock.now(),
    };
    tx.create_orchestrator_key(org.grant(), &new, wanted.patterns.as_deref()).await?;
    let key = OrchestratorKey {
        id: made.id.clone(),
        name: wanted.name.clone(),
        description: wanted.description.clone(),
        shown: made.token.shown(),
        created_by: made_by.clone(),
        created_at: new.created_at,
        patterns: wanted.patterns.clone(),
        expires_at: None,
        last_used_at: None,
    };
    Ok((made, key))
}

/// Lets a key register the sources of one more pattern, from its next connection on.
///
/// # Errors
/// There is no such key in use, it may register every source or these already, it has too many
/// patterns, or the server did not do its part.
pub async fn add_pattern(
    app: &App,
    org: &Org<perm::ApiKeysAdmin>,
    id: &CredentialId,
    pattern: &RoutingPattern,
) -> Result<(), OrchestratorKeysError> {
    let entry = org.audit(app, Action::OrchestratorKeyWidened, id)?;
    let (mut tx, org) = org.begin(app).await?;
    let key = tx.orchestrator_key(org.grant(), id).await?.ok_or(OrchestratorKeysError::Missing)?;
    let mut patterns = key.patterns.ok_or(OrchestratorKeysError::Unlimited)?;
    if patterns.contains(pattern) {
        return Err(OrchestratorKeysError::Known(pattern.clone()));
    }
    if patterns.len() >= MOST_PATTERNS {
        return Err(OrchestratorKeysError::TooMany);
    }
    patterns.push(pattern.clone());
    tx.set_routing_patterns(org.grant(), id, &patterns).await?;
    Ok(tx.commit(entry.with(json!({"pattern": pattern.to_string()}))).await?)
}

/// Revokes a key and closes every connection that was opened with it.
///
/// # Errors
/// There is no such key in use, or the server did not do its part.
pub async fn revoke(
    app: &App,
    org: &Org<perm::ApiKeysAdmin>,
    id: &CredentialId,
) -> Result<(), OrchestratorKeysError> {
    let entry = org.audit(app, Action::OrchestratorKeyRevoked, id)?;
    let (mut tx, org) = org.begin(app).await?;
    if !tx.revoke_orchestrator_key(org.grant(), id, app.clock.now()).await? {
        return Err(OrchestratorKeysError::Missing);
    }
    tx.commit(entry).await?;
    // After the commit: whoever connects now is refused by the database, whoever is there goes.
    app.relay.close_key(org.grant(), id);
    Ok(())
}
