//! `cargo xtask bench`: the measurements of `bench/`, a workspace of its own.
//!
//! Nothing is measured here. The benches print their tables; the ones with servers get the
//! PostgreSQL that the tests get.

use clap::ValueEnum;

use crate::{postgres, run};

const MANIFEST: &str = "bench/Cargo.toml";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which one; all of them when left out
    name: Option<Name>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// `kici-rbac` against casbin, Cedar, and two hand-written versions
    Rbac,
    /// `GET /api/v1/orgs/{org}` against the same endpoint in plain poem and sqlx
    Http,
    /// How long that takes in an organization of a thousand, at half of what the machine can do
    Latency,
    /// What a webhook pays for going through the platform, and how many get through
    Relay,
}

impl Name {
    fn package(self) -> &'static str {
        match self {
            Self::Rbac => "kici-bench-rbac",
            Self::Http | Self::Latency => "kici-bench-http",
            Self::Relay => "kici-bench-relay",
        }
    }

    fn needs_server(self) -> bool {
        self != Self::Rbac
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let chosen = args.name.map_or_else(|| Name::value_variants().to_vec(), |name| vec![name]);
    // What is missing shows now, not after the build.
    let needs_server = chosen.iter().any(|name| name.needs_server()) && !postgres::is_given();
    let bin = if needs_server { Some(postgres::ensure()?) } else { None };
    for name in chosen {
        let mut command = run::cargo(["run", "--release", "--manifest-path", MANIFEST]);
        command.args(["--package", name.package()]);
        if name == Name::Latency {
            command.args(["--", "latency"]);
        }
        if let Some(bin) = bin.as_ref().filter(|_| name.needs_server()) {
            command.env(postgres::BIN, bin);
        }
        run::run(command)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bench_is_a_member_of_their_workspace() {
        let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/Cargo.toml");
        let manifest: toml::Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
        let members: Vec<String> = manifest["workspace"]["members"].clone().try_into().unwrap();
        for name in Name::value_variants() {
            let folder = name.package().strip_prefix("kici-bench-").unwrap().to_owned();
            assert!(members.contains(&folder), "{folder}");
        }
    }
}
