//! A rule for modules: a file that no `mod` names is not compiled, and says nothing of it.

use super::split::split;
use crate::finding::Finding;

/// `sources` are paths and texts of Rust files, `files` all paths.
pub(crate) fn check(sources: &[(String, String)], files: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, _) in sources {
        let Some((name, parents)) = parents(path) else { continue };
        // An example of what does not compile stands beside what the compiler says of it.
        if files.contains(&path.replace(".rs", ".stderr")) {
            continue;
        }
        let is_parent = |(path, _): &&(String, String)| parents.contains(path);
        let present: Vec<_> = sources.iter().filter(is_parent).collect();
        if present.iter().any(|(_, text)| names(text, name)) {
            continue;
        }
        let parent = present.first().map(|(path, _)| path).or(parents.first());
        if let Some(parent) = parent {
            let what = format!("no `mod` names this file: add `mod {name};` to `{parent}`");
            findings.push(Finding::new(path, 1, what));
        }
    }
    findings
}

/// The name of a module, and the files of which one must name it; `None` where a crate begins.
fn parents(path: &str) -> Option<(&str, Vec<String>)> {
    let (folder, file) = path.rsplit_once('/')?;
    let name = file.strip_suffix(".rs")?;
    let is_root = |folder: &str| folder.ends_with("/src") || folder.ends_with("/tests/it");
    let below = |root: &str| path.contains(root);
    if !below("/src/") && !below("/tests/it/") || folder.ends_with("/src/bin") {
        return None;
    }
    if !is_root(folder) {
        return Some((name, vec![format!("{folder}.rs"), format!("{folder}/main.rs")]));
    }
    let roots = ["main.rs", "lib.rs"];
    let parents = roots.map(|root| format!("{folder}/{root}"));
    (!roots.contains(&file)).then(|| (name, parents.into()))
}

/// Whether a file says `mod name;`.
fn names(text: &str, name: &str) -> bool {
    let code = split(text).code;
    code.split(';').any(|item| {
        let mut words = item.split_whitespace().rev();
        words.next() == Some(name) && words.next() == Some("mod")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `root` is what `crates/a/src/lib.rs` says, `b` what `crates/a/src/b.rs` says.
    #[track_caller]
    fn check_path(path: &str, root: &str, b: &str, parent: Option<&str>) {
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let lib = file("crates/a/src/lib.rs", &format!("mod b;\n{root}"));
        let sources = [lib, file("crates/a/src/b.rs", b), file(path, "")];
        let findings = check(&sources, &["crates/a/tests/it/no/d.stderr".to_owned()]);
        let want = parent.map(|parent| format!("to `{parent}`"));
        assert_eq!(findings.len(), usize::from(want.is_some()), "{findings:#?}");
        assert!(want.is_none_or(|want| findings[0].text.ends_with(&want)), "{findings:#?}");
    }

    #[test]
    fn a_module_is_named_by_the_file_above_it() {
        check_path("crates/a/src/c.rs", "pub mod c;", "", None);
        check_path("crates/a/src/c.rs", "// mod c;", "", Some("crates/a/src/lib.rs"));
        check_path("crates/a/src/c.rs", "mod c_d;", "mod c;", Some("crates/a/src/lib.rs"));
        check_path("crates/a/src/b/c.rs", "", "#[cfg(test)]\nmod c;", None);
        check_path("crates/a/src/b/c.rs", "mod c;", "", Some("crates/a/src/b.rs"));
        check_path("crates/a/tests/it/d.rs", "mod d;", "", Some("crates/a/tests/it/main.rs"));
        check_path("crates/a/tests/it/no/d.rs", "", "", None);
    }

    #[test]
    fn where_a_crate_begins_nobody_names_it() {
        for path in ["src/main.rs", "src/bin/e.rs", "tests/it/main.rs", "build.rs", "examples/e.rs"]
        {
            check_path(&format!("crates/a/{path}"), "", "", None);
        }
    }
}
