//! Requests that name themselves: one that is repeated within a day gets the same answer, and nothing
//! is done twice. The permission is checked again each time, before this.

use std::time::Duration;

use kici_model::audit::Actor;
use kici_model::idempotency::{Claimed, KeptAnswer};
use kici_model::text::IdempotencyKey;
use kici_store::StoreError;

use crate::{App, Fault, Kind, Trouble};

/// How long answers are kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// After how long a request without an answer counts as broken off, by a crash of the server or of its
/// database.
const BROKEN_OFF: Duration = Duration::from_secs(60);

/// Why a request under a key was not done.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// The key stands for another request.
    #[error("This `Idempotency-Key` was used for another request; draw a new one for each")]
    Taken,
    /// The same request is being done.
    #[error("The same request is under way; ask again in a moment")]
    UnderWay,
    /// It was begun, and nobody knows how it ended. It is not done again: that could be twice.
    #[error(
        "The same request was begun before, and the server does not know what became of it; look \
         whether it was done, and use a new `Idempotency-Key` if not"
    )]
    BrokenOff,
    /// It was done, and its answer showed a secret.
    #[error("This was done before: it made `{0}`, and its secret is shown once only")]
    Secret(String),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for IdempotencyError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for IdempotencyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Taken => Kind::Invalid,
            Self::UnderWay | Self::BrokenOff | Self::Secret(_) => Kind::Conflict,
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Taken => "idempotency_key_taken",
            Self::UnderWay => "idempotency_under_way",
            Self::BrokenOff => "idempotency_broken_off",
            Self::Secret(_) => "secret_shown_once",
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// The key is claimed for the request that holds this: it has to end in [`keep`] or [`release`].
#[derive(Debug)]
#[must_use]
pub struct Claim {
    caller: Actor,
    key: IdempotencyKey,
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Begun {
    /// It is the first.
    Do(Claim),
    /// It was done before, with this answer.
    Again(KeptAnswer),
}

/// Begins a request of `caller` that calls itself `key`; `fingerprint` stands for all that it asks.
///
/// # Errors
/// The key stands for another request, the same one is under way or showed a secret, or the server
/// did not do its part.
pub async fn begin(
    app: &App,
    caller: &Actor,
    key: IdempotencyKey,
    fingerprint: &str,
) -> Result<Begun, IdempotencyError> {
    let now = app.clock.now();
    let mut tx = app.store.record().await?;
    let stale = now - BROKEN_OFF;
    let claimed = tx.claim_idempotency_key(caller, &key, fingerprint, now, stale).await?;
    tx.commit().await?;
    match claimed {
        Claimed::Now => Ok(Begun::Do(Claim { caller: caller.clone(), key })),
        Claimed::Answered(KeptAnswer { secret_of: Some(id), .. }) => {
            Err(IdempotencyError::Secret(id))
        }
        Claimed::Answered(answer) => Ok(Begun::Again(answer)),
        Claimed::UnderWay => Err(IdempotencyError::UnderWay),
        Claimed::BrokenOff => Err(IdempotencyError::BrokenOff),
        Claimed::ByAnother => Err(IdempotencyError::Taken),
    }
}

/// Keeps the answer for whoever repeats the request.
///
/// # Errors
/// The database fails.
pub async fn keep(app: &App, claim: Claim, answer: &KeptAnswer) -> Result<(), Trouble> {
    let mut tx = app.store.record().await?;
    tx.keep_idempotent_answer(&claim.caller, &claim.key, answer).await?;
    Ok(tx.commit().await?)
}

/// Gives the key back: the request changed nothing, and may be tried again.
///
/// # Errors
/// The database fails.
pub async fn release(app: &App, claim: Claim) -> Result<(), Trouble> {
    let mut tx = app.store.record().await?;
    tx.release_idempotency_key(&claim.caller, &claim.key).await?;
    Ok(tx.commit().await?)
}

/// Forgets the answers that are older than a day.
///
/// # Errors
/// The database fails.
pub async fn forget(app: &App) -> Result<(), Trouble> {
    let mut tx = app.store.record().await?;
    tx.forget_idempotency_keys(app.clock.now() - KEPT).await?;
    Ok(tx.commit().await?)
}
