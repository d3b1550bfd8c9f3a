//! Why somebody was turned away.

use kici_model::{TextError, Timestamp, UserId};
use kici_rbac::Denied;
use kici_store::StoreError;

use crate::ports::IdentityError;
use crate::{Fault, Kind, Trouble};

/// Why somebody was turned away. The order is that of the checks.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// They presented nothing.
    #[error("Send a token in the header `Authorization: Bearer …`")]
    NoToken,
    /// What they presented is no token of ours.
    #[error("This is not a valid token: {0}")]
    Malformed(TextError),
    /// It is one, but it opens nothing, or nothing any more.
    #[error("This token is unknown, expired or revoked")]
    Unknown,
    /// The session of the browser is over.
    #[error("This session is over; sign in again")]
    SessionOver,
    /// The provider's token is not good, or the provider can't be asked.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The provider's token is good, but its person has never signed in here.
    #[error("Nobody has signed in here with this identity yet: do so, and come again")]
    NeverSignedIn,
    /// It opens something else.
    #[error("{0}")]
    WrongKind(&'static str),
    /// It is no person's.
    #[error("Only a person can do this: use a personal access token (`kici_pat_`)")]
    PersonRequired,
    /// It was made for later; a person must have signed in just now.
    #[error("This endpoint requires an interactive login")]
    InteractiveRequired,
    /// There is no such organisation, or they are not in it: they can't tell which.
    #[error("Organization not found")]
    Hidden,
    /// Their token opens several, and nothing says which is meant.
    #[error(
        "Your token opens {0} organizations, and nothing here says which is meant; use an API key \
         (`kici_sk_`) of that one"
    )]
    Ambiguous(usize),
    /// Somebody whom the caller asks about is not in the organisation.
    #[error("This organization has no member `{0}`")]
    NoMember(UserId),
    /// The operator has closed the organisation.
    #[error("This organization is disabled")]
    Disabled {
        /// Since when.
        at: Timestamp,
    },
    /// Their membership is suspended.
    #[error("Your membership in this organization is suspended")]
    Suspended,
    /// Too many requests of theirs have come.
    #[error("Too many requests; try again in a minute")]
    RateLimited,
    /// They lack the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// They could not be checked.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl EnterError {
    /// The same where a token of a person would not do either.
    pub(super) fn interactive(self) -> Self {
        match self {
            Self::PersonRequired => Self::InteractiveRequired,
            other => other,
        }
    }
}

impl From<StoreError> for EnterError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for EnterError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoToken
            | Self::Malformed(_)
            | Self::Unknown
            | Self::SessionOver
            | Self::NeverSignedIn
            | Self::WrongKind(_) => Kind::Unauthenticated,
            Self::Identity(error) => error.kind(),
            Self::Hidden | Self::NoMember(_) => Kind::Missing,
            Self::Ambiguous(_) => Kind::Conflict,
            Self::PersonRequired
            | Self::InteractiveRequired
            | Self::Disabled { .. }
            | Self::Suspended
            | Self::Denied(_) => Kind::Denied,
            Self::RateLimited => Kind::TooMany,
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoToken => "unauthenticated",
            Self::Malformed(_) | Self::Unknown => "invalid_token",
            Self::SessionOver => "session_over",
            Self::Identity(error) => error.code(),
            Self::NeverSignedIn => "never_signed_in",
            Self::WrongKind(_) => "wrong_kind_of_token",
            Self::PersonRequired => "person_required",
            Self::InteractiveRequired => "interactive_required",
            Self::Hidden | Self::NoMember(_) => "not_found",
            Self::Ambiguous(_) => "ambiguous_org",
            Self::Disabled { .. } => "org_disabled",
            Self::Suspended => "member_suspended",
            Self::RateLimited => "rate_limited",
            Self::Denied(_) => "insufficient_permission",
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}
