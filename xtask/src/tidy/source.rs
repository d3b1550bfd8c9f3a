//! Rules for one source file: forbidden words, module headers, file names, TODOs.

use super::split::split;
use crate::finding::Finding;

/// Something that code must not say, other than below `places`. Names match from their start:
/// `sea_orm` is `sea_orm_migration` as well.
#[derive(Debug)]
struct Word {
    word: &'static str,
    places: &'static [&'static str],
    instead: &'static str,
}

const WORDS: &[Word] = &[
    Word { word: "todo!", places: &[], instead: FINISH },
    Word { word: "unimplemented!", places: &[], instead: FINISH },
    Word { word: "#[ignore", places: &[], instead: "mend the test or delete it" },
    Word { word: "#[allow(", places: &[], instead: EXPECT },
    Word { word: "#![allow(", places: &[], instead: EXPECT },
    Word {
        word: "authn",
        places: &[
            "crates/store/",
            "crates/domain/src/access.rs",
            "crates/domain/src/access/",
            "bench/http/src/twin.rs", // serves nobody
        ],
        instead: "`store::authn` reads before anybody is authorized, and only `domain::access` \
                  may do that; enter through it",
    },
    Word {
        word: "sea_orm",
        places: &["crates/store/", "crates/orchestrator/", "migration/"],
        instead: "let `store` do it and answer in types of `model`",
    },
];

const FINISH: &str = "finish it, or leave it out and open an issue";
const EXPECT: &str =
    "`#[expect(…, reason = \"…\")]` says why, and says when it is needed no longer";

pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let split = split(text);
    let mut findings = forbidden_words(path, &split.code);
    findings.extend(unnumbered_todos(path, &split.comments));
    findings.extend(module_header(path, text));
    if path.ends_with("/mod.rs") {
        let text = "name it after its module: `members.rs` beside `members/`";
        findings.push(Finding::new(path, 1, text));
    }
    findings
}

fn forbidden_words(path: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Word { word, places, instead } in WORDS {
        if places.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        for (index, line) in code.lines().enumerate() {
            if says(line, word) {
                let what = format!("no `{word}` here: {instead}");
                findings.push(Finding::new(path, index + 1, what));
            }
        }
    }
    findings
}

/// Whether a line has the word, not merely something that ends in it (`not_todo!`).
fn says(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

/// Modules of crates and binaries say first what they are for. Unit tests in a file of their own
/// are for the module they test.
fn module_header(path: &str, text: &str) -> Option<Finding> {
    let in_src = path.starts_with("crates/") || path.starts_with("bins/");
    let applies = in_src && path.contains("/src/") && !path.ends_with("/tests.rs");
    let what = "open with `//!`: what the module is for, and what it deliberately does not do";
    (applies && !text.starts_with("//!")).then(|| Finding::new(path, 1, what))
}

/// `text` is what people read: comments of Rust, or the whole of a small configuration file.
pub(crate) fn unnumbered_todos(path: &str, text: &str) -> Vec<Finding> {
    let is_promise = |line: &str| line.split(|c: char| !c.is_alphanumeric()).any(is_todo);
    let lines = text.lines().enumerate();
    let unnumbered = lines.filter(|(_, line)| is_promise(line) && !names_an_issue(line));
    let what = "a TODO names its issue, such as `TODO(#12)`: open one, or do it now";
    unnumbered.map(|(index, _)| Finding::new(path, index + 1, what)).collect()
}

fn is_todo(word: &str) -> bool {
    word == "TODO" || word == "FIXME"
}

fn names_an_issue(line: &str) -> bool {
    line.split("(#")
        .skip(1)
        .any(|after| after.split_once(')').is_some_and(|(n, _)| n.parse::<u32>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_lines(path: &str, text: &str, want: &[usize]) {
        let text = format!("//! A module.\n{text}");
        let findings = check(path, &text);
        assert_eq!(findings.iter().map(|f| f.line).collect::<Vec<_>>(), want, "{findings:#?}");
    }

    #[test]
    fn unfinished_code_is_refused() {
        check_lines("crates/api/src/a.rs", "fn f() { todo!() }", &[2]);
        check_lines("crates/api/src/a.rs", "\nfn f() { unimplemented!(\"x\") }", &[3]);
        check_lines("crates/api/tests/it/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}", &[3]);
        check_lines("crates/api/src/a.rs", "fn f() { not_todo!() }", &[]);
    }

    #[test]
    fn words_in_comments_and_strings_pass() {
        check_lines("crates/api/src/a.rs", "// never `todo!`, never sea_orm", &[]);
        check_lines("crates/api/src/a.rs", "const A: &str = \"#[allow(x)] store::authn\";", &[]);
    }

    #[test]
    fn lints_are_expected_not_allowed() {
        check_lines("migration/src/a.rs", "#[allow(dead_code)]\nfn f() {}", &[2]);
        check_lines("migration/src/a.rs", "#![allow(dead_code)]", &[2]);
        check_lines("migration/src/a.rs", "#[expect(dead_code, reason = \"x\")]", &[]);
    }

    #[test]
    fn only_access_reads_before_authorization() {
        let import = "use kici_store::{authn, Store};";
        check_lines("crates/domain/src/access.rs", import, &[]);
        check_lines("crates/domain/src/access/enter.rs", import, &[]);
        check_lines("crates/store/src/lib.rs", "pub mod authn;", &[]);
        check_lines("crates/domain/src/members.rs", import, &[2]);
        check_lines("bins/kici-platform/tests/it/a.rs", "kici_store::authn::find();", &[2]);
    }

    #[test]
    fn the_orm_stays_behind_the_store() {
        for path in ["crates/store/src/a.rs", "migration/src/a.rs", "crates/orchestrator/src/a.rs"]
        {
            check_lines(path, "use sea_orm::entity::prelude::*;", &[]);
        }
        check_lines("crates/testkit/src/a.rs", "use sea_orm_migration::prelude::*;", &[2]);
    }

    #[test]
    fn modules_open_with_what_they_are_for() {
        let fails = |path: &str| !check(path, "use std::fmt;\n").is_empty();
        assert!(fails("crates/api/src/a.rs"));
        assert!(fails("bins/kici-platform/src/main.rs"));
        assert!(!fails("crates/api/src/a/tests.rs"));
        assert!(!fails("crates/api/tests/it/a.rs"));
    }

    #[test]
    fn folders_have_no_mod_rs() {
        check_lines("crates/api/src/members/mod.rs", "", &[1]);
        check_lines("crates/api/src/remod.rs", "", &[]);
    }

    #[test]
    fn a_todo_names_its_issue() {
        check_lines("crates/api/src/a.rs", "// TODO(#12): faster", &[]);
        check_lines("crates/api/src/a.rs", "// FIXME (#7) slower", &[]);
        check_lines("crates/api/src/a.rs", "// TODO: faster", &[2]);
        check_lines("crates/api/src/a.rs", "// a list of TODOs", &[]);
        check_lines("crates/api/src/a.rs", "/* TODO(me) */ // see (#x)", &[2]);
        assert_eq!(unnumbered_todos("a.yml", "a: 1\n# FIXME later\n")[0].line, 2);
    }
}
