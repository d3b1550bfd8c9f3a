//! API keys: what a program may do in one organisation.

use kici_model::audit::Action;
use kici_model::credentials::NewCredential;
use kici_model::text::KeyName;
use kici_model::{CredentialId, Token, TokenKind};
use kici_rbac::escalation::{self, Escalation};
use kici_rbac::{Effective, Matrix, RepoScope, perm};

use crate::orchestrator_keys::Made;
use crate::{App, Org, Trouble};

/// Why an API key was not made.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeysError {
    /// It would do more than its maker.
    #[error(transparent)]
    Escalation(#[from] Escalation),
    /// Its maker is no person, and no person's key.
    #[error("Only a person, or the key of one, can make API keys")]
    NoPerson,
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// Makes an API key that holds `permissions`, which must lie within what its maker holds.
///
/// # Errors
/// It would do more than its maker, or the server did not do its part.
pub async fn create(
    app: &App,
    org: &Org<perm::ApiKeysWrite>,
    name: &KeyName,
    permissions: Matrix,
) -> Result<Made, ApiKeysError> {
    let given = Effective::new(permissions, RepoScope::Everything, false);
    escalation::check(org.effective(), &Effective::none(), &given)?;
    let made_by = org.actor().person().ok_or(ApiKeysError::NoPerson)?;
    let id = CredentialId::new(&*app.clock, &*app.entropy).map_err(Trouble::from)?;
    let token = Token::new(TokenKind::ApiKey, &*app.entropy).map_err(Trouble::from)?;
    let new = NewCredential {
        id: &id,
        name,
        description: None,
        token: &token,
        made_by,
        expires_at: None,
        created_at: app.clock.now(),
    };
    let entry = org.audit(app, Action::ApiKeyCreated, &id)?;
    let mut tx = app.store.write().await.map_err(Trouble::from)?;
    tx.create_api_key(org.grant(), &new, permissions).await.map_err(Trouble::from)?;
    tx.commit(entry).await.map_err(Trouble::from)?;
    Ok(Made { id, token })
}
