//! Why a change did not happen that anybody may make who holds what it needs.

use kici_store::StoreError;

use crate::{EnterError, Fault, Kind, Trouble};

/// Why something was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Somebody has changed it meanwhile.
    #[error("It has changed since `If-Match` was seen; read it again")]
    Stale,
    /// What the caller held has ended meanwhile.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl ChangeError {
    /// Refuses a change that was made for another state than the one that `tag` stands for.
    pub(crate) fn unless_fresh(tags: Option<&[&str]>, tag: &str) -> Result<(), Self> {
        if tags.is_some_and(|tags| !tags.contains(&tag)) { Err(Self::Stale) } else { Ok(()) }
    }
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for ChangeError {
    fn kind(&self) -> Kind {
        match self {
            Self::Stale => Kind::Stale,
            Self::Enter(error) => error.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Enter(error) => error.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}
