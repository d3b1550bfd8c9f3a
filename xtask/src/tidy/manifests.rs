//! Rules for `Cargo.toml`: one list of versions, one list of lints, nothing unused in either.

use anyhow::Context;
use toml::{Table, Value};

use crate::finding::{Finding, line_of};
use crate::workspace::Workspace;

pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut members = Vec::new();
    for package in &workspace.packages {
        let path = workspace.manifest(package);
        let (text, manifest) = read(&path)?;
        findings.extend(lints(&path, &text, &manifest));
        findings.extend(own_versions(&path, &text, &manifest));
        members.push(manifest);
    }
    let (text, root) = read("Cargo.toml")?;
    findings.extend(unused(&text, &root, &members));
    Ok(findings)
}

fn read(path: &str) -> anyhow::Result<(String, Table)> {
    let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
    let manifest = text.parse().with_context(|| path.to_owned())?;
    Ok((text, manifest))
}

fn lints(path: &str, text: &str, manifest: &Table) -> Option<Finding> {
    let inherits = manifest.get("lints").is_some_and(inherits);
    let what = "say `[lints]` `workspace = true`: the lints are the same for everybody";
    (!inherits).then(|| Finding::new(path, line_of(text, "[lints]"), what))
}

fn own_versions(path: &str, text: &str, manifest: &Table) -> Vec<Finding> {
    let own = dependencies(manifest).into_iter().filter(|(_, value)| !inherits(value));
    own.map(|(name, _)| {
        let what = format!("`{name}`: say `{name}.workspace = true`, the version is the root's");
        Finding::new(path, line_of(text, name), what)
    })
    .collect()
}

fn unused(text: &str, root: &Table, members: &[Table]) -> Vec<Finding> {
    let listed = root.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let names = listed.and_then(Value::as_table).into_iter().flat_map(Table::keys);
    let used: Vec<_> = members.iter().flat_map(dependencies).map(|(name, _)| name).collect();
    let unused = names.filter(|name| !used.contains(&name.as_str()));
    unused
        .map(|name| {
            let line = line_of(text, &format!("{name} = "));
            Finding::new("Cargo.toml", line, format!("no member depends on `{name}`: remove it"))
        })
        .collect()
}

/// Every dependency of a manifest, of every kind and platform.
fn dependencies(manifest: &Table) -> Vec<(&str, &Value)> {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let platforms = manifest.get("target").and_then(Value::as_table);
    let platforms = platforms.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let tables = std::iter::once(manifest).chain(platforms);
    let lists = tables.flat_map(|table| KINDS.iter().filter_map(|kind| table.get(*kind)));
    let entries = lists.filter_map(Value::as_table).flatten();
    entries.map(|(name, value)| (name.as_str(), value)).collect()
}

/// Whether something is `{ workspace = true, … }`.
fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn lints_are_inherited() {
        let check = |text: &str| lints("a/Cargo.toml", text, &table(text)).map(|f| f.line);
        assert_eq!(check("[lints]\nworkspace = true\n"), None);
        assert_eq!(check("lints.workspace = true\n"), None);
        assert_eq!(check("[package]\nname = 'a'\n"), Some(1));
        assert_eq!(check("[package]\nname = 'a'\n[lints]\nworkspace = false\n"), Some(3));
    }

    #[test]
    fn versions_are_inherited() {
        let text = "\
[dependencies]
serde.workspace = true
tokio = { workspace = true, features = ['fs'] }
anyhow = '1'
[target.'cfg(unix)'.dev-dependencies]
libc = { version = '0.2' }
";
        let findings = own_versions("a/Cargo.toml", text, &table(text));
        assert_eq!(findings.iter().map(|f| f.line).collect::<Vec<_>>(), [4, 6], "{findings:#?}");
    }

    #[test]
    fn the_list_of_versions_has_nothing_unused() {
        let text = "[workspace.dependencies]\nring = '1'\nrustls = '1'\nserde = '1'\n";
        let one = table("dev-dependencies.rustls.workspace = true");
        let two = table("target.'cfg(unix)'.build-dependencies.serde.workspace = true");
        let findings = unused(text, &table(text), &[one, two]);
        let want = Finding::new("Cargo.toml", 2, "no member depends on `ring`: remove it");
        assert_eq!(findings, [want]);
    }
}
