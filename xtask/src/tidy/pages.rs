//! Rules for the documentation: its table of contents names every page, and no relative link leads
//! nowhere. Links to other sites are not followed, and neither are those that stand in code.

use crate::finding::Finding;

const SUMMARY: &str = "docs/SUMMARY.md";

/// Whether a file is one of the pages that are checked.
pub(crate) fn is_page(path: &str) -> bool {
    path == "README.md" || (path.starts_with("docs/") && super::has_ending(path, &["md"]))
}

/// `pages` are paths and texts, `files` everything that a link may lead to.
pub(crate) fn check(pages: &[(String, String)], files: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut listed = Vec::new();
    for (page, text) in pages {
        for (line, target) in links(text) {
            let place = resolve(page, &target);
            if place.as_ref().is_none_or(|place| !files.contains(place)) {
                let what = format!("`{target}` leads to no file: mend the link, or remove it");
                findings.push(Finding::new(page, line, what));
            }
            if page == SUMMARY {
                listed.extend(place);
            }
        }
    }
    let of_book = pages.iter().map(|(page, _)| page).filter(|page| page.starts_with("docs/"));
    for page in of_book.filter(|page| *page != SUMMARY && !listed.contains(*page)) {
        let what = format!("the table of contents does not name this page: add it to `{SUMMARY}`");
        findings.push(Finding::new(page, 1, what));
    }
    findings
}

/// Where the relative links of a page lead to, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut is_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            let prose: String = line.split('`').step_by(2).collect();
            let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            let files = targets.filter_map(|(target, _)| file(target));
            links.extend(files.map(|file| (index + 1, file.to_owned())));
        }
    }
    links
}

/// The file of a relative link, without the place in it.
fn file(target: &str) -> Option<&str> {
    let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
    let file = target.split('#').next().filter(|file| !file.is_empty());
    file.filter(|_| !is_elsewhere)
}

/// The path from the root of what a link on a page leads to; `None` lies outside of it.
fn resolve(page: &str, target: &str) -> Option<String> {
    let mut parts: Vec<_> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each page beside a file `clients/story.ts`.
    #[track_caller]
    fn check_pages(pages: &[(&str, &str)], want: &[(&str, usize)]) {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        let pages: Vec<_> = pages.iter().map(owned).collect();
        let mut files: Vec<_> = pages.iter().map(|(path, _)| path.clone()).collect();
        files.push("clients/story.ts".to_owned());
        let findings = check(&pages, &files);
        let found: Vec<_> = findings.iter().map(|f| (f.path.as_str(), f.line)).collect();
        assert_eq!(found, want, "{findings:#?}");
    }

    #[test]
    fn pages_are_markdown_of_the_book_and_the_readme() {
        assert!(is_page("README.md"));
        assert!(is_page("docs/adr/0001-a.md"));
        assert!(!is_page("docs/book.toml"));
        assert!(!is_page("bench/README.md"));
    }

    #[test]
    fn the_table_of_contents_names_every_page() {
        let summary = (SUMMARY, "# Summary\n\n- [A](a.md)\n- [B](b/c.md)\n");
        check_pages(&[summary, ("docs/a.md", ""), ("docs/b/c.md", ""), ("README.md", "")], &[]);
        check_pages(&[summary, ("docs/a.md", "")], &[(SUMMARY, 4)]);
        let new = ("docs/new.md", "[A](a.md)");
        check_pages(&[summary, ("docs/a.md", ""), ("docs/b/c.md", ""), new], &[("docs/new.md", 1)]);
    }

    #[test]
    fn relative_links_lead_to_a_file() {
        let check_text = |text: &str, lines: &[usize]| {
            let want: Vec<_> = lines.iter().map(|line| ("docs/b/c.md", *line)).collect();
            check_pages(&[(SUMMARY, "- [C](b/c.md)"), ("docs/b/c.md", text)], &want);
        };
        check_text("[`x`](../../clients/story.ts), [c](c.md#part) and [d](./c.md)", &[]);
        check_text("[x](../clients/story.ts)\n\n[y](d.md), [z](e.md)", &[1, 3, 3]);
        check_text("[x](../../../../c.md)", &[1]);
        check_text("[x](https://example.org/d.md) [y](#here) [z](mailto:ada@example.org)", &[]);
        check_text("`[x](d.md)`\n```\n[y](d.md)\n```\n[z](d.md)", &[5]);
    }
}
