//! What `cargo metadata` knows of this workspace: its root and its members, not their versions.

use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;

use crate::run;

#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    /// The members, in no particular order.
    pub(crate) packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

impl Workspace {
    pub(crate) fn load() -> anyhow::Result<Self> {
        let json = run::output(run::cargo(["metadata", "--format-version", "1", "--no-deps"]))?;
        serde_json::from_str(&json).context("`cargo metadata` printed something unexpected")
    }

    /// A member's manifest as people write it: relative to the root, with `/`.
    pub(crate) fn manifest(&self, package: &Package) -> String {
        let path = package.manifest_path.strip_prefix(&self.root);
        path.unwrap_or(&package.manifest_path).display().to_string().replace('\\', "/")
    }
}

impl Dependency {
    pub(crate) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}
