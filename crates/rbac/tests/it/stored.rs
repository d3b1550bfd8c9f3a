//! Reading columns of roles the fast way: what was written is read, and nothing is read otherwise
//! than serde reads it.

use kici_rbac::{Matrix, RepoPattern, Resource, stored};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::{collection, option};

use crate::any;

/// Texts that are like columns, most of them a little off.
fn like_a_matrix() -> impl Strategy<Value = String> {
    let key = select(&["runs", "secrets", "event_log", "support", "rums", "\\u0072uns"]);
    let level = select(&["none", "read", "read_payload", "write", "admin", "rite"]);
    let entry = (key, level).prop_map(|(key, level)| format!("\"{key}\":\"{level}\""));
    let between = select(&[",", ",", ",", ", ", ",,", ""]);
    let entries = collection::vec((entry, between), 0..4);
    (entries, option::of(select(&["}", " }", "} ", "}}", "", ",}"]))).prop_map(|(entries, end)| {
        let last = entries.len().saturating_sub(1);
        let texts = entries.iter().enumerate().map(|(n, (entry, between))| {
            if n == last { entry.clone() } else { format!("{entry}{between}") }
        });
        format!("{{{}{}", texts.collect::<String>(), end.unwrap_or("}"))
    })
}

fn like_patterns() -> impl Strategy<Value = String> {
    let pattern = select(&["*", "a/b", "a/{b,c}", "a//b", "a\\u002fb", "", "a\",\"b"]);
    let between = select(&["\",\"", "\",\"", "\", \"", "\",,\"", "\""]);
    let list = collection::vec((pattern, between), 0..4).prop_map(|parts| {
        parts.iter().map(|(pattern, between)| format!("{pattern}{between}")).collect::<String>()
    });
    (select(&["[\"", "[\"", "[ \"", "["]), list, select(&["*\"]", "*\"]", "\"]", "*\" ]", "*]"]))
        .prop_map(|(start, list, end)| format!("{start}{list}{end}"))
}

#[test]
fn what_is_not_as_it_was_written_is_left_to_serde() {
    for text in ["", "{", "{}x", r#"{"runs":"none"}"#, r#"{"secrets":"read","runs":"read"}"#] {
        assert_eq!(stored::matrix(text), None, "{text}");
    }
    for text in ["", "[]", "[\"a\"", r#"["a",]"#, r#"["a" ,"b"]"#, r#"["!a"]"#] {
        assert_eq!(stored::patterns(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn a_written_matrix_is_read(matrix in any::matrix()) {
        let text = serde_json::to_string(&matrix).unwrap();
        prop_assert_eq!(stored::matrix(&text), Some(matrix));
    }

    #[test]
    fn written_patterns_are_read(role in any::role_grant()) {
        prop_assume!(!role.patterns.is_empty());
        let text = serde_json::to_string(&role.patterns).unwrap();
        prop_assert_eq!(stored::patterns(&text), Some(role.patterns));
    }

    #[test]
    fn nothing_is_read_otherwise_than_by_serde(matrix in like_a_matrix(), patterns in like_patterns()) {
        if let Some(read) = stored::matrix(&matrix) {
            prop_assert_eq!(serde_json::from_str::<Matrix>(&matrix).unwrap(), read, "{}", matrix);
        }
        if let Some(read) = stored::patterns(&patterns) {
            let expected: Vec<RepoPattern> = serde_json::from_str(&patterns).unwrap();
            prop_assert_eq!(expected, read, "{}", patterns);
        }
    }
}

#[test]
fn every_resource_and_level_is_read() {
    for resource in Resource::ALL {
        for level in kici_rbac::Level::ALL {
            let matrix = Matrix::only(resource, level);
            assert_eq!(stored::matrix(&serde_json::to_string(&matrix).unwrap()), Some(matrix));
        }
    }
}
