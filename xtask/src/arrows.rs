//! `cargo xtask arrows`: who may import whom. The table of `ARCHITECTURE.md`, as a const.
//!
//! It looks at normal and build dependencies. Tests may reach for anything.

use crate::finding::{Finding, line_of, report};
use crate::workspace::{Dependency, Package, Workspace};

#[derive(Debug)]
struct Row {
    package: &'static str,
    /// Which of ours it imports.
    imports: Imports,
    /// What of others' it never names: `tokio` stands for `tokio-util` as well.
    never: &'static [&'static str],
}

#[derive(Debug)]
enum Imports {
    Only(&'static [&'static str]),
    /// All of ours but [`TESTS_ONLY`].
    Any,
}

use Imports::{Any, Only};

const TABLE: &[Row] = &[
    Row { package: "kici-rbac", imports: Only(&[]), never: &["tokio", "sea-orm", "poem"] },
    Row {
        package: "kici-model",
        imports: Only(&["kici-rbac"]),
        never: &["tokio", "sea-orm", "poem"],
    },
    Row {
        package: "kici-wire",
        imports: Only(&["kici-model"]),
        never: &["tokio", "sea-orm", "poem"],
    },
    Row {
        package: "kici-store",
        imports: Only(&["kici-model", "kici-rbac"]),
        never: &["poem", "reqwest"],
    },
    Row {
        package: "kici-domain",
        imports: Only(&["kici-model", "kici-rbac", "kici-store", "kici-wire"]),
        never: &["sea-orm", "poem"],
    },
    Row {
        package: "kici-link",
        imports: Only(&["kici-domain", "kici-model", "kici-wire"]),
        never: &["sea-orm", "poem"],
    },
    Row {
        package: "kici-oidc",
        imports: Only(&["kici-domain", "kici-model"]),
        never: &["sea-orm", "poem"],
    },
    Row {
        package: "kici-mail",
        imports: Only(&["kici-domain", "kici-model"]),
        never: &["sea-orm", "poem"],
    },
    Row { package: "kici-client", imports: Only(&[]), never: &["sea-orm", "poem"] },
    Row {
        package: "kici-api",
        imports: Only(&["kici-domain", "kici-link", "kici-model", "kici-rbac", "kici-wire"]),
        never: &["sea-orm"],
    },
    Row {
        package: "kici-orchestrator-core",
        imports: Only(&["kici-model", "kici-rbac", "kici-wire"]),
        never: &[],
    },
    Row { package: "kici-migration", imports: Only(&[]), never: &["poem", "reqwest"] },
    Row { package: "kici-testkit", imports: Any, never: &["sea-orm"] },
    Row { package: "kici-platform", imports: Any, never: &["sea-orm"] },
    Row { package: "xtask", imports: Only(&[]), never: &["tokio", "sea-orm", "poem", "reqwest"] },
];

/// Everybody's dev-dependency, nobody's dependency.
const TESTS_ONLY: &str = "kici-testkit";

pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let members = &workspace.packages;
    let mut findings = gone(members);
    for package in members {
        let manifest = workspace.manifest(package);
        let text = std::fs::read_to_string(&package.manifest_path)?;
        for (word, what) in check(package, members) {
            findings.push(Finding::new(&manifest, line_of(&text, word), what));
        }
    }
    report("arrows", findings)
}

/// Rows of crates that are no longer here.
fn gone(members: &[Package]) -> Vec<Finding> {
    let is_gone = |row: &&Row| !members.iter().any(|member| member.name == row.package);
    let finding = |row: &Row| {
        let line = line_of(include_str!("arrows.rs"), row.package);
        Finding::new(
            file!(),
            line,
            format!("no package `{}` any more: remove its row", row.package),
        )
    };
    TABLE.iter().filter(is_gone).map(finding).collect()
}

/// What is wrong with one package: the word to look for in its manifest, and the complaint.
fn check<'a>(package: &'a Package, members: &[Package]) -> Vec<(&'a str, String)> {
    let name = package.name.as_str();
    let Some(row) = TABLE.iter().find(|row| row.package == name) else {
        let what = format!("`{name}` has no row in ARCHITECTURE.md and {}: add it", file!());
        return vec![(name, what)];
    };
    let imports = package.dependencies.iter().filter(|dependency| !dependency.is_dev());
    let wrong = imports.filter_map(|Dependency { name: to, .. }| {
        let is_ours = members.iter().any(|member| member.name == *to);
        Some((to.as_str(), complaint(row, to, is_ours)?))
    });
    wrong.collect()
}

fn complaint(row: &Row, to: &str, is_ours: bool) -> Option<String> {
    let from = row.package;
    if row.never.iter().any(|family| is_of(to, family)) {
        return Some(format!("`{from}` never names `{to}` (ARCHITECTURE.md)"));
    }
    if !is_ours || row.imports.allow(to) {
        return None;
    }
    Some(match to {
        TESTS_ONLY => format!("`{to}` belongs under [dev-dependencies]"),
        _ => format!("`{from}` must not import `{to}` (ARCHITECTURE.md)"),
    })
}

impl Imports {
    fn allow(&self, package: &str) -> bool {
        match self {
            Only(names) => names.contains(&package),
            Any => package != TESTS_ONLY,
        }
    }
}

/// `sea-orm-migration` is of the family `sea-orm`; `poems` is not of the family `poem`.
fn is_of(package: &str, family: &str) -> bool {
    package.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|&(name, kind)| Dependency { name: name.into(), kind: kind.map(Into::into) });
        Package {
            name: name.into(),
            manifest_path: "Cargo.toml".into(),
            dependencies: dependencies.collect(),
        }
    }

    #[track_caller]
    fn complaints(name: &str, dependencies: &[(&str, Option<&str>)]) -> Vec<String> {
        let members: Vec<_> = TABLE.iter().map(|row| package(row.package, &[])).collect();
        let package = package(name, dependencies);
        check(&package, &members).into_iter().map(|(_, complaint)| complaint).collect()
    }

    #[test]
    fn an_arrow_of_the_table_passes() {
        let dependencies = [("kici-store", None), ("kici-rbac", None), ("serde", None)];
        assert_eq!(complaints("kici-domain", &dependencies), [""; 0]);
    }

    #[test]
    fn an_arrow_that_the_table_lacks_fails() {
        let want = ["`kici-api` must not import `kici-store` (ARCHITECTURE.md)"];
        assert_eq!(complaints("kici-api", &[("kici-store", None)]), want);
        assert_eq!(complaints("kici-api", &[("kici-store", Some("dev"))]), [""; 0]);
    }

    #[test]
    fn the_binary_may_import_everything_but_the_testkit() {
        assert_eq!(complaints("kici-platform", &[("kici-store", None)]), [""; 0]);
        let want = ["`kici-testkit` belongs under [dev-dependencies]"];
        assert_eq!(complaints("kici-platform", &[("kici-testkit", None)]), want);
        assert_eq!(complaints("kici-platform", &[("kici-testkit", Some("dev"))]), [""; 0]);
    }

    #[test]
    fn a_name_that_is_never_named_fails_with_its_family() {
        let want = ["`kici-rbac` never names `tokio-util` (ARCHITECTURE.md)"];
        assert_eq!(complaints("kici-rbac", &[("tokio-util", Some("build"))]), want);
        assert!(is_of("poem", "poem") && is_of("poem-openapi", "poem") && !is_of("poems", "poem"));
    }

    #[test]
    fn a_package_without_a_row_fails() {
        assert!(complaints("kici-dashboard", &[])[0].starts_with("`kici-dashboard` has no row"));
    }

    #[test]
    fn a_row_without_a_package_fails() {
        let members: Vec<_> = TABLE.iter().skip(1).map(|row| package(row.package, &[])).collect();
        let findings = gone(&members);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].text, "no package `kici-rbac` any more: remove its row");
    }
}
