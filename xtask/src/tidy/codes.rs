//! A rule for error codes: each stands in the list from which their reference is printed. Only
//! literals are seen, not what a constant or another function gives.

use super::split::split;
use crate::finding::Finding;

const LIST: &str = "crates/api/src/error_codes.rs";
/// How the codes of a `Fault` begin; whatever literal stands inside is one.
const FAULT: &str = "fn code(&self) -> &'static str {";
/// How an error of `api` itself begins; its code is the second argument.
const ERRORS: [&str; 2] = ["ApiError::new(", "Self::new(StatusCode::"];

/// `sources` are paths and texts of Rust files, the list among them.
pub(crate) fn check(sources: &[(String, String)]) -> Vec<Finding> {
    let lists = sources.iter().filter(|(path, _)| path == LIST);
    let known: Vec<_> = lists.flat_map(|(_, text)| split(text).literals).collect();
    let is_known = |code: &str| known.iter().any(|(_, literal)| literal == code);
    let mut findings = Vec::new();
    let is_ours = |path: &str| path.starts_with("crates/") && path.contains("/src/");
    for (path, text) in sources.iter().filter(|(path, _)| is_ours(path)) {
        for (line, code) in codes(text).into_iter().filter(|(_, code)| !is_known(code)) {
            let what = format!("the error code {code} is in no list: add it to `{LIST}`");
            findings.push(Finding::new(path, line, what));
        }
    }
    findings
}

/// The codes that a file gives, in their quotes, with their lines.
fn codes(source: &str) -> Vec<(usize, String)> {
    let split = split(source);
    let code = split.code.as_str();
    let blank = |from: usize, to: usize| code.get(from..to).is_some_and(|s| s.trim().is_empty());
    let mut found = Vec::new();
    for (at, _) in code.match_indices(FAULT) {
        let start = at + FAULT.len();
        let end = start + code.get(start..).map_or(0, until_closed);
        found.extend(split.literals.iter().filter(|(at, _)| (start..end).contains(at)));
    }
    for (at, error) in ERRORS.iter().flat_map(|error| code.match_indices(error)) {
        let start = at + error.len();
        let Some(comma) = code.get(start..).and_then(|rest| rest.find(',')) else { continue };
        let second = start + comma + 1;
        let next = split.literals.iter().find(|(at, _)| *at >= second);
        found.extend(next.filter(|(at, _)| blank(second, *at)));
    }
    let line = |at: usize| code.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
    found.into_iter().map(|(at, literal)| (line(*at), literal.clone())).collect()
}

/// Bytes up to the brace that closes a block.
fn until_closed(inside: &str) -> usize {
    let mut depth = 1_usize;
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at,
            '}' => depth -= 1,
            _ => {}
        }
    }
    inside.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_lines(text: &str, want: &[usize]) {
        let list = "pub const ERROR_CODES: &[_] = &[(\"known\", 404, \"It is known.\")];";
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let findings = check(&[file(LIST, list), file("crates/domain/src/a.rs", text)]);
        assert_eq!(findings.iter().map(|f| f.line).collect::<Vec<_>>(), want, "{findings:#?}");
        assert!(findings.iter().all(|finding| finding.text.contains(LIST)));
    }

    #[test]
    fn each_code_of_a_fault_is_in_the_list() {
        let fault = |arms: &str| {
            format!("{FAULT}\n match self {{\n{arms}\n }}\n}}\nfn other() {{ f(\"other\") }}")
        };
        check_lines(
            &fault("Self::A { .. } => \"known\", // \"comment\"\nSelf::B => b.code(),"),
            &[],
        );
        check_lines(&fault("Self::A { .. } => \"known\",\nSelf::B => \"new\","), &[4]);
        check_lines("trait Fault { fn code(&self) -> &'static str; }\nf(\"other\")", &[]);
        check_lines("fn code(&self) -> Option<&str> { f(\"other\") }", &[]);
    }

    #[test]
    fn each_code_of_an_error_of_the_api_is_in_the_list() {
        check_lines("ApiError::new(status, \"known\", \"text\")", &[]);
        check_lines("ApiError::new(\n status,\n \"new\",\n \"text\")", &[3]);
        check_lines("Self::new(StatusCode::OK, \"new\", \"text\")", &[1]);
        check_lines("ApiError::new(status(fault), fault.code(), \"text\")", &[]);
        check_lines("Self::new(\"other\", \"new\")", &[]);
    }
}
