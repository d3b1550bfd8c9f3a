//! How long a Rust file may be, and the list of debts, which may only shrink.

use crate::finding::Finding;

const WARN: usize = 400;
const FAIL: usize = 600;

/// Files that were too long when the rule came. Nothing is ever added.
const GRANDFATHERED: &[&str] = &[];

#[derive(Debug, Default)]
pub(crate) struct Lengths {
    pub(crate) warnings: Vec<Finding>,
    pub(crate) findings: Vec<Finding>,
}

pub(crate) fn check(files: &[(String, usize)]) -> Lengths {
    check_with(GRANDFATHERED, files)
}

fn check_with(grandfathered: &[&str], files: &[(String, usize)]) -> Lengths {
    let mut debts = grandfathered.to_vec();
    let mut found = Lengths::default();
    for (path, lines) in files.iter().filter(|(path, _)| !is_test(path)) {
        let what = format!("{lines} lines: make it a folder with one file per verb");
        match lines {
            0..=WARN => {}
            ..=FAIL => found.warnings.push(Finding::new(path, WARN, what)),
            _ if debts.contains(&path.as_str()) => debts.retain(|debt| debt != path),
            _ => found.findings.push(Finding::new(path, FAIL, what)),
        }
    }
    for debt in debts {
        let what = format!("`{debt}` is short enough or gone: remove it from GRANDFATHERED");
        found.findings.push(Finding::new(file!(), 1, what));
    }
    found
}

/// Tests are lists of cases, and lists may be long.
fn is_test(path: &str) -> bool {
    path.split('/').any(|folder| folder == "tests")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_one(debts: &[&str], path: &str, lines: usize, warnings: usize, findings: usize) {
        let found = check_with(debts, &[(path.into(), lines)]);
        assert_eq!((found.warnings.len(), found.findings.len()), (warnings, findings));
    }

    #[test]
    fn long_files_warn_and_then_fail() {
        check_one(&[], "src/a.rs", 400, 0, 0);
        check_one(&[], "src/a.rs", 401, 1, 0);
        check_one(&[], "src/a.rs", 600, 1, 0);
        check_one(&[], "src/a.rs", 601, 0, 1);
        check_one(&[], "tests/it/a.rs", 601, 0, 0);
    }

    #[test]
    fn the_list_of_debts_only_shrinks() {
        check_one(&["src/a.rs"], "src/a.rs", 601, 0, 0);
        check_one(&["src/a.rs"], "src/a.rs", 600, 1, 1);
        check_one(&["src/gone.rs"], "src/a.rs", 1, 0, 1);
    }
}
