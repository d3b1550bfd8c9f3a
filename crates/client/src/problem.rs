//! What the server says of a request that it refused.

use std::fmt;

use crate::Error;
use crate::types::{FieldError, Problem};

/// What is asked of an [`Error`]. Its status is [`Error::status`].
pub trait ErrorExt {
    /// What the server said; `None` where it said nothing, such as when it was not reached.
    fn problem(&self) -> Option<&Problem>;

    /// What went wrong, for programs.
    fn code(&self) -> Option<&str> {
        self.problem().map(|problem| problem.code.as_str())
    }

    /// Under which id the request stands in the server's log.
    fn request_id(&self) -> Option<&str> {
        self.problem().map(|problem| problem.request_id.as_str())
    }

    /// Every field that was refused.
    fn fields(&self) -> &[FieldError] {
        self.problem().and_then(|problem| problem.fields.as_deref()).unwrap_or_default()
    }
}

impl ErrorExt for Error {
    fn problem(&self) -> Option<&Problem> {
        match self {
            Self::ErrorResponse(response) => Some(response),
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (`{}`, request `{}`)", self.error, self.code, self.request_id)
    }
}

impl std::error::Error for Problem {}
