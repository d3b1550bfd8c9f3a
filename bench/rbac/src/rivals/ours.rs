//! `kici-rbac`, used as the platform uses it: `store::roles` reads, `domain::access` adds up.

use kici_rbac::{Access, Effective, Level, Matrix, RepoPattern, RepoScope, perm, stored};

use crate::data::{self, Row};

pub(crate) fn matrix(text: &str) -> Matrix {
    stored::matrix(text).unwrap_or_else(|| serde_json::from_str(text).expect("a matrix"))
}

fn patterns(text: &str) -> Vec<RepoPattern> {
    stored::patterns(text).unwrap_or_else(|| serde_json::from_str(text).expect("patterns"))
}

pub(crate) fn scope() -> RepoScope {
    RepoScope::of(data::PATTERNS.iter().map(|text| text.parse().expect("a pattern")))
}

pub(crate) fn union(matrices: &[Matrix]) -> Matrix {
    matrices.iter().fold(Matrix::NONE, |all, matrix| all.union(*matrix))
}

/// The permission is known to the compiler, as it is at every door.
pub(crate) fn check(matrix: Matrix) -> bool {
    matrix.allows(kici_rbac::Resource::Runs, Level::Write)
}

#[expect(clippy::disallowed_methods, reason = "the gate is what is measured here")]
pub(crate) fn authorize(rows: &[Row], repo: Option<&str>) -> bool {
    let (mut matrix, mut all) = (Matrix::NONE, Vec::new());
    for row in rows {
        matrix = matrix.union(self::matrix(&row.permissions));
        all.extend(patterns(&row.patterns));
    }
    let effective = Effective::new(matrix, RepoScope::of(all), false);
    let access = Access::new((), effective);
    match access.require::<perm::RunsWrite>() {
        Ok(proof) => repo.is_none_or(|repo| proof.scope().allows(repo)),
        Err(_) => false,
    }
}
