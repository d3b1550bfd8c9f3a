//! What went wrong, in terms that every way of asking shares. Only `api` turns it into a status.

use kici_model::EntropyError;
use kici_store::StoreError;

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request can't be read.
    Malformed,
    /// Nobody knows who asks.
    Unauthenticated,
    /// They may not.
    Denied,
    /// It is not there, or not theirs to know of.
    Missing,
    /// It was there, and is gone for good.
    Gone,
    /// The present state does not allow it.
    Conflict,
    /// It was meant for a state that is past.
    Stale,
    /// It was understood and refused.
    Invalid,
    /// Too many requests have come from this caller.
    TooMany,
    /// Try again later.
    Busy,
    /// The database ended the transaction in favor of another one; the same can succeed at once.
    Contention,
    /// Our fault.
    Bug,
}

/// An error that a caller is told about. Its `Display` is a sentence that is safe to send; the
/// chain of sources goes to the log only.
pub trait Fault: std::error::Error {
    /// What kind of failure it is.
    fn kind(&self) -> Kind;
    /// The word for programs: snake_case, never changed once released.
    fn code(&self) -> &'static str;
}

/// The code of a change of which nobody knows whether it was made.
pub const OUTCOME_UNKNOWN: &str = "outcome_unknown";

/// What can go wrong in any use case, through nobody's request.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The database did not do its part.
    #[error("{}", match .0 {
        StoreError::Unavailable(_) => "The database is not available right now; try again in a moment",
        StoreError::Uncertain(_) => "The database was lost in between, so that nobody knows whether this was done; look",
        _ => "Something went wrong here; the request id finds it in the log",
    })]
    Store(#[from] StoreError),
    /// The database did not answer in time.
    #[error("The database is not available right now; try again in a moment")]
    Slow,
    /// The operating system gave no randomness.
    #[error("Something went wrong here; the request id finds it in the log")]
    Entropy(#[from] EntropyError),
}

impl Fault for Trouble {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) if error.is_contention() => Kind::Contention,
            Self::Store(StoreError::Unavailable(_)) | Self::Slow => Kind::Busy,
            Self::Store(_) | Self::Entropy(_) => Kind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Store(StoreError::Unavailable(_)) | Self::Slow => "unavailable",
            Self::Store(StoreError::Uncertain(_)) => OUTCOME_UNKNOWN,
            Self::Store(_) | Self::Entropy(_) => "internal",
        }
    }
}
