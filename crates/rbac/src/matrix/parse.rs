//! From pairs of words to a [`Matrix`], with every mistake reported at once.

use crate::{Level, Matrix, ParseLevelError, ParseResourceError, Resource};

/// One entry of a matrix that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {problem}")]
pub struct ParseMatrixEntryError {
    key: String,
    problem: MatrixEntryProblem,
}

impl ParseMatrixEntryError {
    /// The resource as it was written.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong with the entry.
    #[must_use]
    pub fn problem(&self) -> &MatrixEntryProblem {
        &self.problem
    }
}

/// What is wrong with an entry of a matrix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatrixEntryProblem {
    /// The key names no resource.
    #[error(transparent)]
    Resource(#[from] ParseResourceError),
    /// The value names no level.
    #[error(transparent)]
    Level(#[from] ParseLevelError),
    /// The resource was given before; which of the two was meant can't be known.
    #[error("given twice")]
    Twice,
}

impl Matrix {
    /// Reads `(resource, level)` pairs; resources that are left out get `none`.
    ///
    /// # Errors
    ///
    /// Every unknown resource, unknown level and repeated resource, in the order of the entries.
    pub fn parse<'a>(
        entries: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<ParseMatrixEntryError>> {
        let mut matrix = Self::NONE;
        let mut seen = Self::NONE;
        let mut errors = Vec::new();
        for (key, value) in entries {
            match entry(key, value, seen) {
                Ok((resource, level)) => {
                    matrix = matrix.with(resource, level);
                    seen = seen.with(resource, Level::Admin);
                }
                Err(problem) => errors.push(ParseMatrixEntryError { key: key.to_owned(), problem }),
            }
        }
        if errors.is_empty() { Ok(matrix) } else { Err(errors) }
    }
}

/// `seen` holds `admin` on each resource that an earlier entry has named.
fn entry(key: &str, value: &str, seen: Matrix) -> Result<(Resource, Level), MatrixEntryProblem> {
    let resource = key.parse()?;
    if seen.allows(resource, Level::Admin) {
        return Err(MatrixEntryProblem::Twice);
    }
    Ok((resource, value.parse()?))
}
