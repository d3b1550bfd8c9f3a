//! The matcher against any pattern and any name: it agrees with the reference, its work is
//! bounded, and the door lets nothing through that it does not understand.

use kici_rbac::RepoPattern;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::{collection, option};

use crate::reference;

/// Characters that have to do with each other, dots above all.
const CHARACTERS: &str = "[ab.Z0_-]";

const CLASSES: [&str; 12] =
    ["a", "ab", "a-c", "._-", "a-", "-a", "0-9A-Z", ".", "a-b-d", "^a", "^.", "^a-z-"];

fn class() -> impl Strategy<Value = String> {
    select(&CLASSES).prop_map(|members| format!("[{members}]"))
}

/// What stands between two slashes, braces included.
fn segment() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => CHARACTERS,
        2 => Just("*".to_owned()),
        1 => Just("?".to_owned()),
        1 => class(),
    ];
    let pieces = collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat());
    let text = pieces.prop_recursive(2, 8, 3, |inner| {
        let braces =
            collection::vec(inner.clone(), 2..4).prop_map(|all| format!("{{{}}}", all.join(",")));
        (inner.clone(), option::of(braces), inner)
            .prop_map(|(before, braces, behind)| before + &braces.unwrap_or_default() + &behind)
    });
    prop_oneof![5 => text, 1 => Just("**".to_owned())]
}

/// Any pattern. What the pieces make by accident that is none (`**` in a word, `..` in braces, an
/// empty segment) is left out.
fn pattern() -> impl Strategy<Value = RepoPattern> {
    collection::vec(segment(), 1..4)
        .prop_filter_map("not in the language", |segments| segments.join("/").parse().ok())
}

fn name() -> impl Strategy<Value = String> {
    let segment =
        "[ab.Z0_-]{1,4}".prop_filter("no name", |segment| segment != "." && segment != "..");
    collection::vec(segment, 1..4).prop_map(|segments| segments.join("/"))
}

/// A name that has a good chance to match: the pattern with its special characters filled in.
fn name_like(pattern: &RepoPattern) -> impl Strategy<Value = String> + use<> {
    let chars: Vec<char> = pattern.as_str().chars().collect();
    let filled = chars.into_iter().map(|c| match c {
        '*' => "[ab.]{0,2}".boxed(),
        '?' => CHARACTERS.boxed(),
        '{' | '}' | '[' | ']' | '^' | ',' => prop_oneof![Just(String::new()), CHARACTERS].boxed(),
        other => Just(other.to_string()).boxed(),
    });
    filled.collect::<Vec<_>>().prop_map(|parts| parts.concat())
}

fn is_name(text: &str) -> bool {
    text.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_matcher_agrees_with_the_reference(
        (pattern, names) in pattern().prop_flat_map(|p| {
            let names = collection::vec(prop_oneof![name(), name_like(&p)], 8);
            (Just(p), names)
        })
    ) {
        for name in names.iter().filter(|name| is_name(name)) {
            let expected = reference::matches(pattern.as_str(), name);
            prop_assert_eq!(pattern.matches(name), expected, "`{}` on `{}`", pattern, name);
        }
    }

    #[test]
    fn no_text_makes_the_parser_or_the_matcher_fail(text in r"[ab./*?\[\]{},^!\-é]{0,24}", name in ".{0,40}") {
        match text.parse::<RepoPattern>() {
            Ok(pattern) => {
                prop_assert_eq!(pattern.as_str(), &text);
                let _ = pattern.matches(&name);
            }
            Err(error) => prop_assert!(error.position() <= text.chars().count()),
        }
    }

    #[test]
    fn a_plain_name_matches_itself_alone(name in name(), other in name()) {
        let pattern: RepoPattern = name.parse().unwrap();
        prop_assert!(pattern.is_plain_name());
        prop_assert_eq!(pattern.matches(&other), name == other);
        prop_assert!(pattern.matches(&name));
    }

    #[test]
    fn no_name_takes_more_work_than_its_length_and_the_pattern(pattern in pattern(), name in name()) {
        let (_, work) = pattern.matches_counting(&name);
        prop_assert!(work <= bound(&pattern, &name), "{pattern} on {name}: {work}");
    }
}

/// Each character of the name is looked at once, and each step of the pattern looks at no more
/// than half of the different characters that a name can have. Nothing is ever done twice.
fn bound(pattern: &RepoPattern, name: &str) -> usize {
    let distinct = 66;
    name.len() + 3 * pattern.as_str().len() + pattern.as_str().matches('[').count() * distinct / 2
}

#[test]
fn patterns_made_to_be_slow_are_not() {
    let patterns = [
        "a*a*a*a*b".to_owned(),
        "*a".repeat(128),
        "*?".repeat(128),
        "?".repeat(256),
        "{a,b}".repeat(20),
        "{a*,a*a*}".repeat(20) + "b",
        "{,a*}".repeat(51),
        "{,}".repeat(85),
        "{a*,".repeat(50) + "b" + &"}".repeat(50),
        "[--z]*".repeat(42),
        "[^a]*".repeat(51),
        "**/a/".repeat(51) + "b",
        "a/**/".repeat(51) + "*",
    ];
    let names = [
        "a".repeat(256),
        "a/".repeat(127) + "ab",
        ('a'..='z').chain('A'..='Z').chain('0'..='9').cycle().take(256).collect(),
    ];
    for pattern in patterns {
        let pattern: RepoPattern = pattern.parse().unwrap();
        for name in &names {
            let (_, work) = pattern.matches_counting(name);
            assert!(work <= bound(&pattern, name), "{pattern} on {name}: {work}");
            assert!(work <= 3_000, "{pattern} on {name}: {work}");
        }
    }
}

/// The work for a name of twice the length is at most twice the work.
#[test]
fn work_grows_with_the_name_and_no_faster() {
    for pattern in ["a*a*a*a*b", "{a*,a*a*}{a*,a*a*}b", "**/a*/**/b"] {
        let pattern: RepoPattern = pattern.parse().unwrap();
        let work = |length| pattern.matches_counting(&"a".repeat(length)).1;
        for length in [16, 32, 64, 128] {
            assert!(work(2 * length) <= 2 * work(length), "{pattern} at {length}");
        }
    }
}
