//! Scopes: what they allow, what can't be a repository, and what lies within what.

use kici_rbac::{RepoPattern, RepoScope};

fn scope(patterns: &[&str]) -> RepoScope {
    RepoScope::of(patterns.iter().map(|text| RepoPattern::parse(text).unwrap()))
}

#[test]
fn one_lone_star_lifts_the_restriction() {
    assert_eq!(scope(&["acme/*", "*"]), RepoScope::Everything);
    assert_ne!(scope(&["**"]), RepoScope::Everything, "hidden repositories are still left out");
}

#[test]
fn patterns_are_kept_once_in_a_fixed_order() {
    let texts = |scope: &RepoScope| -> Vec<String> {
        scope.patterns().unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(texts(&scope(&["b", "a", "b"])), ["a", "b"]);
    assert_eq!(RepoScope::Everything.patterns(), None);
}

#[test]
fn a_scope_with_a_star_is_unrestricted_however_it_was_made() {
    let star = RepoScope::Matching([RepoPattern::parse("*").unwrap()].into());
    assert!(star.is_unrestricted() && star.allows("acme/shop") && star.allows_without_repository());
    assert!(RepoScope::Everything.within(&star));
    assert_eq!(star.union(&scope(&["a"])), RepoScope::Everything);
}

#[test]
fn what_has_no_repository_is_only_in_the_unrestricted_scope() {
    assert!(RepoScope::Everything.allows_without_repository());
    assert!(!scope(&["**", "*/*"]).allows_without_repository());
    assert!(!RepoScope::nothing().allows_without_repository());
}

#[test]
fn what_is_no_repository_is_only_in_the_unrestricted_scope() {
    let wide = scope(&["**", "*/*", "?*", "[^a]*", "{,.}*", "{*,.*}/{*,.*}"]);
    let long = "a".repeat(257);
    for text in
        ["", "/", "a/", "/a", "a//b", ".", "..", "a/..", "./a", "a b", "a\n", "größe", &long]
    {
        assert!(!wide.allows(text), "{text:?}");
        assert!(RepoScope::Everything.allows(text), "{text:?}");
    }
    assert!(wide.allows(&"a".repeat(256)));
    assert!(wide.allows("...") && wide.allows("a.b/_-"));
}

#[track_caller]
fn within(inner: &[&str], outer: &[&str], expected: bool) {
    assert_eq!(scope(inner).within(&scope(outer)), expected, "{inner:?} within {outer:?}");
}

#[test]
fn a_scope_is_within_another_by_text_or_by_name() {
    within(&["acme/*"], &["*"], true);
    within(&["*"], &["*"], true);
    within(&["*"], &["**"], false);
    within(&["acme/*"], &["acme/*", "other"], true);
    within(&["acme/shop"], &["acme/*"], true);
    within(&["acme/shop", "acme/.git"], &["acme/*"], false);
    // True of the repositories, but two patterns are not compared.
    within(&["acme/s*"], &["acme/*"], false);
    within(&[], &[], true);
    within(&[], &["acme/*"], true);
    within(&["acme/*"], &[], false);
}

#[test]
fn what_lies_beyond_is_named() {
    assert_eq!(scope(&["a", "b/*", "c"]).beyond(&scope(&["?"])), scope(&["b/*"]));
    assert_eq!(scope(&["*"]).beyond(&scope(&["?"])), RepoScope::Everything);
    assert_eq!(scope(&["a"]).beyond(&RepoScope::Everything), RepoScope::nothing());
}

#[test]
fn after_a_hundred_thousand_pairs_a_name_counts_as_beyond() {
    let of = |patterns: Vec<String>| {
        RepoScope::of(patterns.iter().map(|pattern| RepoPattern::parse(pattern).unwrap()))
    };
    let globs = |count| (0..count).map(|n| format!("g{n}*")).chain(["z*".to_owned()]).collect();
    let names = |count| (0..count).map(|n| format!("n{n}")).chain(["zz".to_owned()]).collect();
    let beyond = |names: Vec<String>, globs| {
        let beyond = of(names).beyond(&of(globs));
        beyond.patterns().unwrap().iter().any(|pattern| pattern.as_str() == "zz")
    };
    assert!(!beyond(names(300), globs(300)), "enough for these");
    assert!(beyond(names(400), globs(300)));
    // What stands there literally is no pair.
    assert!(of(names(2_000)).within(&of(globs(2_000)).union(&of(names(2_000)))));
}

#[test]
fn a_scope_is_printed_as_part_of_a_sentence() {
    assert_eq!(scope(&["*"]).to_string(), "every repository");
    assert_eq!(scope(&["b", "a/*"]).to_string(), "`a/*`, `b`");
    assert_eq!(RepoScope::nothing().to_string(), "no repository");
}
