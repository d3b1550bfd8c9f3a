//! `cargo xtask tidy`: house rules that neither the compiler nor clippy knows.
//!
//! Each rule is a function from text to findings; this file only feeds them.

mod codes;
mod length;
mod manifests;
mod modules;
mod pages;
mod source;
mod split;

use std::path::Path;

use crate::finding::{Finding, report};
use crate::run;
use crate::workspace::Workspace;

/// Larger files belong into a release or are made by a test.
const LARGEST: u64 = 1024 * 1024;

pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let mut findings = Vec::new();
    let mut lengths = Vec::new();
    let mut sources = Vec::new();
    let mut pages = Vec::new();
    let files = files()?;
    for path in &files {
        findings.extend(size(path)?);
        if has_ending(path, &["rs"]) {
            let text = std::fs::read_to_string(path)?;
            findings.extend(source::check(path, &text));
            lengths.push((path.clone(), text.lines().count()));
            sources.push((path.clone(), text));
        } else if has_ending(path, &["toml", "yml", "yaml", "sh", "sql"]) {
            findings.extend(source::unnumbered_todos(path, &std::fs::read_to_string(path)?));
        } else if pages::is_page(path) {
            pages.push((path.clone(), std::fs::read_to_string(path)?));
        }
    }
    let long = length::check(&lengths);
    for warning in long.warnings {
        eprintln!("warning: {warning}");
    }
    findings.extend(long.findings);
    findings.extend(codes::check(&sources));
    findings.extend(modules::check(&sources, &files));
    findings.extend(pages::check(&pages, &files));
    findings.extend(manifests::check(workspace)?);
    report("tidy", findings)
}

/// What is checked in or about to be: tracked files and new ones that are not ignored.
fn files() -> anyhow::Result<Vec<String>> {
    let mut git = run::program("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = run::output(git)?;
    // A file that is tracked and deleted is still listed.
    let here = listed.split_terminator('\0').filter(|path| Path::new(path).is_file());
    Ok(here.map(Into::into).collect())
}

fn has_ending(path: &str, endings: &[&str]) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| endings.contains(&ending))
}

fn size(path: &str) -> anyhow::Result<Option<Finding>> {
    let bytes = std::fs::metadata(path)?.len();
    let text = format!("{bytes} bytes, at most {LARGEST}: let a test or a build make it");
    Ok((bytes > LARGEST).then(|| Finding::new(path, 1, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_what_follows_the_last_dot() {
        assert!(has_ending("a.b/c.rs", &["rs"]));
        assert!(!has_ending("c.rs.txt", &["rs"]));
        assert!(!has_ending("rs", &["rs"]));
    }

    #[test]
    fn a_large_file_is_refused() {
        let path = std::env::temp_dir().join(format!("xtask-tidy-{}", std::process::id()));
        let name = path.to_str().unwrap();
        std::fs::File::create(&path).unwrap().set_len(LARGEST).unwrap();
        assert_eq!(size(name).unwrap(), None);
        std::fs::File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        assert!(size(name).unwrap().is_some());
        std::fs::remove_file(path).unwrap();
    }
}
