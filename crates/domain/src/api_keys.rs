//! API keys: what a program may do in one organisation.

use std::time::Duration;

use kici_model::api_keys::ApiKey;
use kici_model::audit::Action;
use kici_model::credentials::NewCredential;
use kici_model::text::{Description, KeyName};
use kici_model::{CredentialId, Token, TokenKind};
use kici_rbac::escalation::{self, Escalation};
use kici_rbac::{Denied, Effective, Matrix, RepoScope, perm};
use kici_store::StoreError;

use crate::orchestrator_keys::Made;
use crate::{App, EnterError, Fault, Kind, Org, Trouble};

/// Why an API key was not made.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeysError {
    /// It would do more than its maker.
    #[error(transparent)]
    Escalation(#[from] Escalation),
    /// The organisation has no such key in use.
    #[error("This organization has no API key with this id, or it is revoked already")]
    Missing,
    /// Somebody else made it.
    #[error("{0}: somebody else made this key")]
    NotYours(Denied),
    /// Its maker is no person, and no person's key.
    #[error("Only a person, or the key of one, can make API keys")]
    NoPerson,
    /// What the caller held has ended meanwhile.
    #[error(transparent)]
    Enter(#[from] EnterError),
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
            Self::Escalation(_) | Self::NoPerson | Self::NotYours(_) => Kind::Denied,
            Self::Enter(error) => error.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "not_found",
            Self::Escalation(_) => "escalation",
            Self::NoPerson => "person_required",
            Self::NotYours(_) => "insufficient_permission",
            Self::Enter(error) => error.code(),
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

/// The keys in use, oldest first.
///
/// # Errors
/// The database fails.
pub async fn list(app: &App, org: &Org<perm::ApiKeysRead>) -> Result<Vec<ApiKey>, ApiKeysError> {
    Ok(app.store.api_keys(org.grant()).await?)
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
    // Keys are not bound to repositories: who is bound can't give away what is.
    let given = Effective::new(wanted.permissions, RepoScope::Everything, false);
    escalation::check(org.effective(), &Effective::none(), &given)?;
    let made_by = org.actor().person().ok_or(ApiKeysError::NoPerson)?;
    let id = CredentialId::new(&*app.clock, &*app.entropy).map_err(Trouble::from)?;
    let token = Token::new(TokenKind::ApiKey, &*app.entropy).map_err(Trouble::from)?;
    let created_at = app.clock.now();
    let life = |days| Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    let new = NewCredential {
        id: &id,
        name: &wanted.name,
        description: wanted.description.as_ref(),
        token: &token,
        made_by,
        expires_at: wanted.days.map(|days| created_at + life(days)),
        created_at,
    };
    let entry = org.audit(app, Action::ApiKeyCreated, &id)?;
    let (mut tx, org) = org.begin(app).await?;
    tx.create_api_key(org.grant(), &new, wanted.permissions).await?;
    tx.commit(entry).await?;
    let key = ApiKey {
        id: id.clone(),
        name: wanted.name.clone(),
        description: wanted.description.clone(),
        shown: token.shown(),
        permissions: wanted.permissions,
        created_by: made_by.clone(),
        created_at,
        expires_at: new.expires_at,
    };
    Ok((Made { id, token }, key))
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
    let is_revoked = match org.require::<perm::ApiKeysAdmin>() {
        Ok(admin) => tx.revoke_api_key(&admin, id, app.clock.now()).await?,
        Err(denied) => {
            let maker = org.actor().person().ok_or(ApiKeysError::NoPerson)?;
            let is_own = tx.revoke_own_api_key(org.grant(), maker, id, app.clock.now()).await?;
            if !is_own && tx.has_api_key(org.grant(), id).await? {
                return Err(ApiKeysError::NotYours(denied));
            }
            is_own
        }
    };
    if !is_revoked {
        return Err(ApiKeysError::Missing);
    }
    Ok(tx.commit(entry).await?)
}
