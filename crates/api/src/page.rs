//! What every list that comes in pages shares.

use kici_model::page::Limit;

use crate::problem::{ApiError, FieldError};

/// The `limit` of a request: 1 to 200, 50 if left out.
pub(crate) fn limit(given: Option<u64>) -> Result<Limit, ApiError> {
    let Some(limit) = given else { return Ok(Limit::DEFAULT) };
    Limit::new(limit).ok_or_else(|| {
        let message = format!("is {limit}; 1 to {} work", Limit::MAX);
        ApiError::fields(vec![FieldError { path: "limit".to_owned(), message, position: None }])
    })
}

/// The `limit` of a request for one of the lists that hold what people configure: 1 to 200, all of
/// these if left out, so that whoever knows no cursors misses nothing.
pub(crate) fn limit_or_most(given: Option<u64>) -> Result<Limit, ApiError> {
    limit(Some(given.unwrap_or(Limit::MAX)))
}

/// A filter that is there but empty limits nothing. No text of ours holds a NUL, and PostgreSQL takes
/// none: such a filter finds nothing, as any other that fits nothing.
pub(crate) fn plain(given: Option<String>) -> Option<String> {
    given.filter(|text| !text.is_empty()).map(|text| text.replace('\0', "\u{fffd}"))
}
