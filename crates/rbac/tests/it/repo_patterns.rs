//! Single patterns: picomatch's answers, refusals with their reasons, and what else one can ask.

use kici_rbac::RepoPattern;

use crate::reference;
use crate::vectors::{Answers, vectors};

fn agree(answers: &Answers, matches: impl Fn(&str, &str) -> bool) {
    let wrong: Vec<_> = answers
        .pairs
        .iter()
        .filter(|(pattern, repo, expected)| matches(pattern, repo) != *expected)
        .collect();
    assert!(wrong.is_empty(), "{} of {} differ: {wrong:?}", wrong.len(), answers.pairs.len());
}

fn parsed(pattern: &str, repo: &str) -> bool {
    RepoPattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(repo)
}

fn refuse(answers: &Answers) {
    for (text, position) in &answers.refused {
        let error = RepoPattern::parse(text).expect_err(text);
        assert!(!error.reason().is_empty());
        assert_eq!(error.position(), *position, "{text}: {error}");
    }
}

#[test]
fn the_vectors_agree() {
    agree(&vectors(), parsed);
}

#[test]
fn the_vectors_are_refused() {
    refuse(&vectors());
}

/// The reference is only worth something if it is right itself. It does not know the two things
/// that only concern classes: a range over the slash, and one that runs backwards.
#[test]
fn the_reference_agrees_too() {
    let mut answers = vectors();
    let unknown = ["[.-0]", "[--0]", "[c-a]", "[b--]"];
    answers.pairs.retain(|(pattern, ..)| !unknown.iter().any(|class| pattern.contains(class)));
    agree(&answers, reference::matches);
}

#[track_caller]
fn refused(text: &str, position: usize, reason: &str) {
    let error = RepoPattern::parse(text).unwrap_err();
    assert_eq!((error.position(), error.reason()), (position, reason), "{text}");
}

#[test]
fn a_refusal_says_where_and_why() {
    refused("", 0, "a pattern has at least one character");
    refused(&"a".repeat(257), 256, "a pattern has at most 256 characters");
    refused("!acme/secret", 0, "a pattern can't begin with `!`: it would allow everything else");
    refused("acme/sh+p", 7, "`+` is not allowed: a pattern has letters, digits and `._-/*?[]{}`");
    refused("acme/größe", 7, "`ö` is not allowed: a pattern has letters, digits and `._-/*?[]{}`");
    refused("acme//x", 5, "a segment can't be empty");
    refused("acme/", 5, "a segment can't be empty");
    refused("acme/../x", 5, "a segment can't be `.` or `..`");
    refused("acme/a**", 6, "`**` can only stand alone in its segment");
    refused("acme/[!a]", 6, "`[!…]` is not allowed, write `[^…]`");
    refused("acme/[]", 5, "a class needs at least one character");
    refused("acme/[a", 5, "this `[` is not closed");
    refused("acme/a]", 6, "this `]` closes nothing");
    refused("acme/{a}", 5, "braces need a comma between at least two alternatives");
    refused("acme/{a,b", 5, "this `{` is not closed");
    refused("acme/a}", 6, "this `}` closes nothing");
    refused("acme/a,b", 6, "a comma can only stand inside braces");
    refused("{acme/a,b}", 5, "a `/` can't stand inside braces");
    refused("v{1..3}", 3, "`..` is a range inside braces, and ranges are not allowed");
}

#[test]
fn the_longest_pattern_and_the_longest_name_match() {
    let longest = "a".repeat(256);
    assert!(RepoPattern::parse(&longest).unwrap().matches(&longest));
    assert!(RepoPattern::parse("*").unwrap().matches(&longest));
    assert!(!RepoPattern::parse("*").unwrap().matches(&"a".repeat(257)));
    assert!(RepoPattern::parse(&"é".repeat(256)).is_err());
}

#[test]
fn only_a_lone_star_is_unrestricted() {
    for (text, expected) in [("*", true), ("**", false), ("**/*", false), ("{*,a}", false)] {
        assert_eq!(RepoPattern::parse(text).unwrap().is_unrestricted(), expected, "{text}");
    }
    // Which to the matcher makes no difference.
    assert!(!RepoPattern::parse("*").unwrap().matches("acme/shop"));
}

#[test]
fn a_plain_name_has_nothing_special() {
    for (text, expected) in
        [("acme/shop", true), (".a-b_c", true), ("a?", false), ("[a]", false), ("{a,b}", false)]
    {
        assert_eq!(RepoPattern::parse(text).unwrap().is_plain_name(), expected, "{text}");
    }
}

#[test]
fn a_pattern_is_its_text() {
    let pattern: RepoPattern = serde_json::from_str(r#""acme/*""#).unwrap();
    assert_eq!(pattern, RepoPattern::parse("acme/*").unwrap());
    assert_eq!(pattern.to_string(), "acme/*");
    assert_eq!(format!("{pattern:?}"), r#"RepoPattern("acme/*")"#);
    assert_eq!(serde_json::to_string(&pattern).unwrap(), r#""acme/*""#);
    let error = serde_json::from_str::<RepoPattern>(r#""acme/a**""#).unwrap_err();
    assert!(error.to_string().contains("can only stand alone in its segment (at character 6)"));
}
