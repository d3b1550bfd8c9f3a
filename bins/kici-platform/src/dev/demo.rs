//! The demo orchestrator: a real one, in the same process but over a real socket.

use std::net::SocketAddr;

use kici_model::{RoutingKey, Secret};
use kici_orchestrator_core::{Config, Orchestrator, Source, Verification};

use super::secrets::Secrets;

/// The id of the demo's GitHub App.
pub(super) const APP: u64 = 100_001;
/// The name of the demo's generic source.
pub(super) const GENERIC: &str = "deploy-hooks";
/// The header that carries the generic source's signature.
const GENERIC_HEADER: &str = "x-signature-256";

/// Starts it.
pub(super) fn orchestrator(secrets: &Secrets, address: SocketAddr) -> anyhow::Result<Orchestrator> {
    let secret = |text: &str| Secret::new(text.to_owned());
    let generic = RoutingKey::Generic {
        org: secrets.org.parse()?,
        source: secrets.generic_source.as_str().into(),
    };
    let verification = Verification::HmacSha256 {
        header: GENERIC_HEADER.to_owned(),
        secrets: vec![secret(&secrets.generic_secret)],
    };
    let mut config = Config::new(format!("ws://{address}/ws"), secret(&secrets.orchestrator_key))
        .with_sources([
            Source::github(APP, "Demo App", secret(&secrets.github_secret)),
            Source::generic(&generic, GENERIC, verification),
        ]);
    config.cluster_name = Some("demo".to_owned());
    Ok(Orchestrator::start(config))
}
