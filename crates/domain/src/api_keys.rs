//! API keys: what a program may do in one organisation.

use kici_model::api_keys::ApiKey;
use kici_model::audit::Action;
use kici_model::credentials::NewCredential;
use kici_model::page::{Limit, Page};
use kici_model::text::{Description, KeyName};
use kici_model::{CredentialId, TokenKind};
use kici_rbac::escalation::{self, Escalation};
use kici_rbac::{Denied, Effective, Matrix, RepoScope, perm};
use kici_store::{StoreError, WriteTx};
use serde_json::json;

use crate::credentials::{Made, days, days_between};
use crate::quotas::{self, Full};
use crate::{App, EnterError, Fault, Kind, ListError, Org, Trouble};

const LIST: &str = "api-keys";

/// Why an API key was not made.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeysError {
    /// It would do more than its maker.
    #[error(transparent)]
    Escalation(#[from] Escalation),
    /// The organisation has no such key in use.
    #[error("This organization has no API key with this id, or it is revoked already")]
    Missing,
    /// The key has a successor.
    #[error("This key was rotated already; rotate the one that follows it, or make a new one")]
    Rotated,
    /// Somebody else made it.
    #[error("{0}: somebody else made this key")]
    NotYours(Denied),
    /// Its maker is no person, and no person's key.
    #[error("Only a person, or the key of one, can make API keys")]
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

impl From<StoreError> for ApiKeysError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for ApiKeysError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing => Kind::Missing,
            Self::Rotated => Kind::Conflict,
            Self::Escalation(_) | Self::NoPerson | Self::NotYours(_) => Kind::Denied,
            Self::Enter(error) => error.kind(),
            Self::Full(full) => full.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "not_found",
            Self::Rotated => "already_rotated",
            Self::Escalation(_) => "escalation",
            Self::NoPerson => "person_required",
            Self::NotYours(_) => "insufficient_permission",
            Self::Enter(error) => error.code(),
            Self::Full(full) => full.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// What a caller wants to make.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// What it is called.
    pub name: KeyName,
    /// What it is for.
    pub description: Option<Description>,
    /// What it holds.
    pub permissions: Matrix,
    /// After how many days it stops working; `None` is never.
    pub days: Option<u32>,
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
) -> Result<Page<ApiKey, String>, ListError> {
    let after = app.after(org.id().as_str(), LIST, cursor)?;
    let page = app.store.api_keys(org.grant(), after.as_ref(), limit).await?;
    Ok(app.page(org.id().as_str(), LIST, page))
}

/// Makes an API key, which must lie within what its maker holds.
///
/// # Errors
/// It would do more than its maker, or the server did not do its part.
pub async fn create(
    app: &App,
    org: &Org<perm::ApiKeysWrite>,
    wanted: &NewApiKey,
) -> Result<(Made, ApiKey), ApiKeysError> {
    let (mut tx, org) = org.begin(app).await?;
    let made = add(app, &org, &mut tx, wanted).await?;
    quotas::API_KEYS
        .keeps(tx.count_keys(org.grant(), TokenKind::ApiKey, app.clock.now()).await?)?;
    let entry = org.audit(app, Action::ApiKeyCreated, &made.0.id)?;
    let details = json!({"name": wanted.name.as_str(), "permissions": wanted.permissions});
    tx.commit(entry.with(details)).await?;
    Ok(made)
}

/// Gives a key a new token. The old one works for `overlap_days` more: one's own key, or with
/// `api_keys:admin` anybody's, who is then its maker.
///
/// # Errors
/// There is no such key in use, it is somebody else's, it has a successor, it does more than the
/// caller, or the server
/// did not do its part.
pub async fn rotate(
    app: &App,
    org: &Org<perm::ApiKeysWrite>,
    id: &CredentialId,
    overlap_days: u32,
) -> Result<(Made, ApiKey), ApiKeysError> {
    let (mut tx, org) = org.begin(app).await?;
    let old = own(&org, &mut tx, id).await?;
    let now = app.clock.now();
    let wanted = NewApiKey {
        name: old.name,
        description: old.description,
        permissions: old.permissions,
        days: old.expires_at.map(|end| days_between(old.created_at, end)),
    };
    let made = add(app, &org, &mut tx, &wanted).await?;
    let when = (now, now + days(overlap_days));
    if !tx.retire_api_key(org.grant(), id, &made.0.id, when).await? {
        return Err(ApiKeysError::Rotated);
    }
    // Who rotates without an overlap needs no room for it.
    quotas::API_KEYS
        .keeps(tx.count_keys(org.grant(), TokenKind::ApiKey, app.clock.now()).await?)?;
    let entry = org.audit(app, Action::ApiKeyRotated, id)?;
    let details = json!({"successor": made.0.id.as_str(), "overlapDays": overlap_days});
    tx.commit(entry.with(details)).await?;
    Ok(made)
}

/// Revokes a key: one's own, or with `api_keys:admin` anybody's.
///
/// # Errors
/// There is no such key in use, it is somebody else's, or the server did not do its part.
pub async fn revoke(
    app: &App,
    org: &Org<perm::ApiKeysWrite>,
    id: &CredentialId,
) -> Result<(), ApiKeysError> {
    let entry = org.audit(app, Action::ApiKeyRevoked, id)?;
    let (mut tx, org) = org.begin(app).await?;
    own(&org, &mut tx, id).await?;
    tx.revoke_api_key(org.grant(), id, app.clock.now()).await?;
    Ok(tx.commit(entry).await?)
}

/// The key, if the caller has a say over it.
async fn own(
    org: &Org<perm::ApiKeysWrite>,
    tx: &mut WriteTx,
    id: &CredentialId,
) -> Result<ApiKey, ApiKeysError> {
    let denied = match org.require::<perm::ApiKeysAdmin>() {
        Ok(admin) => return tx.api_key(&admin, id).await?.ok_or(ApiKeysError::Missing),
        Err(denied) => denied,
    };
    let maker = org.actor().person().ok_or(ApiKeysError::NoPerson)?;
    match tx.api_key_of(org.grant(), maker, id).await? {
        Some(key) => Ok(key),
        None if tx.has_api_key(org.grant(), id).await? => Err(ApiKeysError::NotYours(denied)),
        None => Err(ApiKeysError::Missing),
    }
}

async fn add(
    app: &App,
    org: &Org<perm::ApiKeysWrite>,
    tx: &mut WriteTx,
    wanted: &NewApiKey,
) -> Result<(Made, ApiKey), ApiKeysError> {
    // Keys are not bound to repositories: who is bound can't give away what is.
    let given = Effective::new(wanted.permissions, RepoScope::Everything, false);
    escalation::check(org.effective(), &Effective::none(), &given)?;
    let made_by = org.actor().person().ok_or(ApiKeysError::NoPerson)?;
    let made = Made::draw(app, TokenKind::ApiKey)?;
    let created_at = app.clock.now();
    let new = NewCredential {
        id: &made.id,
        name: &wanted.name,
        description: wanted.description.as_ref(),
        token: &made.token,
        made_by,
        expires_at: wanted.days.map(|count| created_at + days(count)),
        created_at,
    };
    tx.create_api_key(org.grant(), &new, wanted.permissions).await?;
    let key = ApiKey {
        id: made.id.clone(),
        name: wanted.name.clone(),
        description: wanted.description.clone(),
        shown: made.token.shown(),
        permissions: wanted.permissions,
        created_by: made_by.clone(),
        created_at,
        expires_at: new.expires_at,
        last_used_at: None,
    };
    Ok((made, key))
}
