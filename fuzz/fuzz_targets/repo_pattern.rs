//! A pattern on the first line, a name on the rest.

#![no_main]

use kici_rbac::{RepoPattern, RepoScope};
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/rbac/tests/it/reference.rs"]
mod reference;

fuzz_target!(|text: &str| {
    let (pattern, name) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(parsed) = RepoPattern::parse(pattern) else { return };
    assert_eq!(parsed.as_str(), pattern);
    assert_eq!(serde_json::from_value::<RepoPattern>(serde_json::json!(pattern)).unwrap(), parsed);

    let (matches, work) = parsed.matches_counting(name);
    assert!(work <= name.len() + 3 * pattern.len() + 33 * pattern.matches('[').count());

    let scope = RepoScope::of([parsed]);
    if is_name(name) {
        assert_eq!(scope.allows(name), matches || pattern == "*");
        if is_within_the_reference(pattern, name) {
            assert_eq!(matches, reference::matches(pattern, name));
        }
    } else {
        assert_eq!(scope.allows(name), pattern == "*");
    }
});

fn is_name(text: &str) -> bool {
    text.len() <= 256
        && text.split('/').all(|segment| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        })
}

/// The reference goes back and forth, and does not know that a range can run backwards or over
/// the slash.
fn is_within_the_reference(pattern: &str, name: &str) -> bool {
    let count = |c| pattern.matches(c).count();
    let odd_range = pattern.contains("--") || pattern.contains(".-");
    let backwards = pattern.as_bytes().windows(3).any(|w| w[1] == b'-' && w[0] > w[2]);
    name.len() <= 24 && count('*') <= 6 && count(',') <= 6 && !odd_range && !backwards
}
