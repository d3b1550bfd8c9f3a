//! What a first version looks like: maps of strings, and globset, compiled where it is needed.

use std::collections::HashMap;

use globset::GlobBuilder;

use crate::data::{LEVEL, LEVELS, RESOURCE, Row};

pub(crate) type Matrix = HashMap<String, String>;

pub(crate) fn matrix(text: &str) -> Matrix {
    serde_json::from_str(text).expect("a matrix")
}

fn rank(level: &str) -> usize {
    LEVELS.iter().position(|known| *known == level).unwrap_or_default()
}

fn allows(matrix: &Matrix, resource: &str, level: &str) -> bool {
    matrix.get(resource).is_some_and(|held| rank(held) >= rank(level))
}

pub(crate) fn check(matrix: &Matrix) -> bool {
    allows(matrix, RESOURCE, LEVEL)
}

pub(crate) fn union(matrices: &[Matrix]) -> Matrix {
    let mut all = Matrix::new();
    for (resource, level) in matrices.iter().flatten() {
        let held = all.entry(resource.clone()).or_insert_with(|| "none".to_owned());
        if rank(level) > rank(held) {
            *held = level.clone();
        }
    }
    all
}

pub(crate) fn matches(pattern: &str, repo: &str) -> bool {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build().expect("a pattern");
    pattern == "*" || glob.compile_matcher().is_match(repo)
}

pub(crate) fn authorize(rows: &[Row], repo: Option<&str>) -> bool {
    let matrices: Vec<_> = rows.iter().map(|row| matrix(&row.permissions)).collect();
    let patterns = rows
        .iter()
        .flat_map(|row| serde_json::from_str::<Vec<String>>(&row.patterns).expect("a list"));
    let patterns: Vec<_> = patterns.collect();
    allows(&union(&matrices), RESOURCE, LEVEL)
        && repo.is_none_or(|repo| patterns.iter().any(|pattern| matches(pattern, repo)))
}
