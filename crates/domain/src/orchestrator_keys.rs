//! Orchestrator keys: made, listed, revoked. What comes over the link sees bodies and secrets, so
//! making and revoking needs `api_keys:admin`.

use std::time::Duration;

use kici_model::audit::Action;
use kici_model::credentials::NewCredential;
use kici_model::orchestrator_keys::OrchestratorKey;
use kici_model::text::{Description, KeyName};
use kici_model::{CredentialId, Token, TokenKind};
use kici_rbac::perm;
use kici_store::StoreError;

use crate::{App, EnterError, Fault, Kind, Link, Org, Trouble};

const MINUTE: Duration = Duration::from_secs(60);

/// Why something could not be done with an orchestrator key.
#[derive(Debug, thiserror::Error)]
pub enum OrchestratorKeysError {
    /// The organisation has no such key in use.
    #[error("This organization has no orchestrator key with this id, or it is revoked already")]
    Missing,
    /// It would have been made by nobody.
    #[error("Only a person, or the key of one, can make orchestrator keys")]
    NoPerson,
    /// What the caller held has ended meanwhile.
    #[error(transparent)]
    Enter(#[from] EnterError),
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
            Self::NoPerson => Kind::Denied,
            Self::Enter(error) => error.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "not_found",
            Self::NoPerson => "person_required",
            Self::Enter(error) => error.code(),
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
}

/// A key that was just made: the only time that its token is known.
#[derive(Debug)]
pub struct Made {
    /// Its id.
    pub id: CredentialId,
    /// To be shown once.
    pub token: Token,
}

/// The keys in use, oldest first.
///
/// # Errors
/// The database fails.
pub async fn list(
    app: &App,
    org: &Org<perm::ApiKeysRead>,
) -> Result<Vec<OrchestratorKey>, OrchestratorKeysError> {
    Ok(app.store.orchestrator_keys(org.grant()).await?)
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
    let made_by = org.actor().person().ok_or(OrchestratorKeysError::NoPerson)?;
    let id = CredentialId::new(&*app.clock, &*app.entropy).map_err(Trouble::from)?;
    let token = Token::new(TokenKind::Orchestrator, &*app.entropy).map_err(Trouble::from)?;
    let new = NewCredential {
        id: &id,
        name: &wanted.name,
        description: wanted.description.as_ref(),
        token: &token,
        made_by,
        expires_at: None,
        created_at: app.clock.now(),
    };
    let entry = org.audit(app, Action::OrchestratorKeyCreated, &id)?;
    let (mut tx, org) = org.begin(app).await?;
    tx.create_orchestrator_key(org.grant(), &new).await?;
    tx.commit(entry).await?;
    let key = OrchestratorKey {
        id: id.clone(),
        name: wanted.name.clone(),
        description: wanted.description.clone(),
        shown: token.shown(),
        created_by: made_by.clone(),
        created_at: new.created_at,
        last_used_at: None,
    };
    Ok((Made { id, token }, key))
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

/// Notes that an orchestrator has connected with its key, exact to the minute.
///
/// # Errors
/// The database fails.
pub async fn note_use(app: &App, link: &Link) -> Result<(), Trouble> {
    let now = app.clock.now();
    let mut tx = app.store.record().await?;
    tx.orchestrator_key_used(link.grant(), link.key(), now, now - MINUTE).await?;
    Ok(tx.commit().await?)
}
