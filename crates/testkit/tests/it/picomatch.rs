//! Repository patterns mean what picomatch 4 says: every recorded answer of it, one by one.

use kici_rbac::RepoPattern;
use kici_testkit::shared;
use serde::Deserialize;

#[derive(Deserialize)]
struct Pair {
    pattern: String,
    repo: String,
    r#match: bool,
}

#[derive(Deserialize)]
struct Refused {
    pattern: String,
}

fn lines<T: for<'de> Deserialize<'de>>(path: &str) -> Vec<T> {
    let Some(path) = shared::file(path) else { return Vec::new() };
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_recorded_answer_is_ours_too() {
    let pairs: Vec<Pair> = lines("oracle/picomatch-pairs.jsonl");
    let wrong: Vec<_> = pairs
        .iter()
        .filter(|pair| {
            RepoPattern::parse(&pair.pattern).unwrap().matches(&pair.repo) != pair.r#match
        })
        .map(|pair| format!("{} {} {}", pair.pattern, pair.repo, pair.r#match))
        .collect();
    assert_eq!(wrong, [""; 0]);
    println!("{} pairs", pairs.len());
}

#[test]
fn every_pattern_outside_the_language_is_refused() {
    let refused: Vec<Refused> = lines("oracle/refused-patterns.jsonl");
    let taken: Vec<_> = refused
        .iter()
        .filter(|line| RepoPattern::parse(&line.pattern).is_ok())
        .map(|line| &line.pattern)
        .collect();
    assert_eq!(taken, [""; 0]);
    println!("{} patterns", refused.len());
}
