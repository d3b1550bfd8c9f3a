//! The columns of a stored role, read back at the speed of a comparison: they are read on every
//! request, and what wrote them is known.
//!
//! Nothing is judged here. A text that is not just what was written gives `None`; serde reads it
//! all the same, and says what is wrong if it is.

use crate::{Level, Matrix, RepoPattern, Resource};

/// Reads what [`Matrix`] is written as: `{"runs":"write","members":"read"}`, without spaces, in the
/// order of [`Resource::ALL`].
///
/// ```
/// use kici_rbac::{Level, Matrix, Resource, stored};
///
/// let matrix = Matrix::only(Resource::Runs, Level::Write);
/// assert_eq!(stored::matrix(r#"{"runs":"write"}"#), Some(matrix));
/// // A matrix as well, but not as it is written; this is for serde.
/// assert_eq!(stored::matrix(r#"{ "runs": "write" }"#), None);
/// ```
#[must_use]
pub fn matrix(text: &str) -> Option<Matrix> {
    let mut rest = text.strip_prefix('{')?;
    let mut matrix = Matrix::NONE;
    if rest == "}" {
        return Some(matrix);
    }
    for resource in Resource::ALL {
        let Some(value) = entry(rest, resource) else { continue };
        let (level, behind) = level(value)?;
        matrix = matrix.with(resource, level);
        match behind.strip_prefix(',') {
            Some(more) => rest = more,
            None => return (behind == "}").then_some(matrix),
        }
    }
    None
}

/// What stands behind `"runs":"`, where the entry is that of the resource.
fn entry(text: &str, resource: Resource) -> Option<&str> {
    text.strip_prefix('"')?.strip_prefix(resource.as_str())?.strip_prefix("\":\"")
}

/// A level that is worth writing down, and what stands behind its quote.
fn level(text: &str) -> Option<(Level, &str)> {
    let known = [
        ("read\"", Level::Read),
        ("write\"", Level::Write),
        ("admin\"", Level::Admin),
        ("read_payload\"", Level::ReadPayload),
    ];
    known.iter().find_map(|(name, level)| Some((*level, text.strip_prefix(name)?)))
}

/// Reads a list of patterns: `["myorg/api","myorg/web-*"]`, without spaces and with one or more.
///
/// ```
/// use kici_rbac::stored;
///
/// let patterns = stored::patterns(r#"["myorg/api","myorg/web-*"]"#).unwrap_or_default();
/// assert_eq!(patterns[1].as_str(), "myorg/web-*");
/// assert_eq!(stored::patterns(r#"["myorg//api"]"#), None);
/// ```
#[must_use]
pub fn patterns(text: &str) -> Option<Vec<RepoPattern>> {
    // No pattern has a quote in it, nor anything that JSON would escape.
    let mut rest = text.strip_prefix('[')?;
    let mut patterns = Vec::new();
    loop {
        let (pattern, behind) = rest.strip_prefix('"')?.split_once('"')?;
        patterns.push(RepoPattern::parse(pattern).ok()?);
        match behind.strip_prefix(',') {
            Some(more) => rest = more,
            None => return (behind == "]").then_some(patterns),
        }
    }
}
