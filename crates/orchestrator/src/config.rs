//! What an orchestrator is started with. Where the values come from is not decided here.

use std::sync::Arc;
use std::time::Duration;

use kici_model::sources::{Provider, Subtype};
use kici_model::{Clock, Entropy, OsEntropy, RoutingKey, Secret, SystemClock};
use kici_wire::{Capabilities, RegisteredSource};
use serde_json::{Map, json};

use crate::{Handler, Log, Verification};

/// Everything that an orchestrator needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The platform's WebSocket, `ws://` or `wss://`, exactly as it is dialled.
    pub url: String,
    /// An orchestrator key.
    pub token: Secret<String>,
    /// What the operator calls the cluster: `[a-z][a-z0-9-]{0,62}`.
    pub cluster_name: Option<String>,
    /// A UUID that stays the same over restarts.
    pub cluster_id: Option<String>,
    /// Names this start of the process; drawn where there is none.
    pub instance_id: Option<String>,
    /// Which version the platform shows.
    pub version: Option<String>,
    /// What is served from the start; more can be registered later.
    pub sources: Vec<Source>,
    /// How often a sign of life is sent.
    pub heartbeat_every: Duration,
    /// After how much silence the platform counts as gone: it is heard of at least every 25 s.
    pub silence: Duration,
    /// How long the first pause before a reconnect is; the following ones grow by half each.
    pub reconnect_base: Duration,
    /// What it can do, as a whole.
    pub capabilities: Capabilities,
    /// Gets the accepted deliveries.
    pub handler: Arc<dyn Handler>,
    /// Tells the time of heartbeats.
    pub clock: Arc<dyn Clock>,
    /// Draws message ids and the jitter of reconnects.
    pub entropy: Arc<dyn Entropy>,
}

impl Config {
    /// The protocol's own pace, no source, and a handler that only logs.
    #[must_use]
    pub fn new(url: impl Into<String>, token: Secret<String>) -> Self {
        Self {
            url: url.into(),
            token,
            cluster_name: None,
            cluster_id: None,
            instance_id: None,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            sources: Vec::new(),
            heartbeat_every: Duration::from_secs(30),
            silence: Duration::from_secs(90),
            reconnect_base: Duration::from_secs(1),
            capabilities: no_dashboard(),
            handler: Arc::new(Log),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy::default()),
        }
    }

    /// Serves `sources` too.
    #[must_use]
    pub fn with_sources(mut self, sources: impl IntoIterator<Item = Source>) -> Self {
        self.sources.extend(sources);
        self
    }

    /// Hands accepted deliveries to `handler`.
    #[must_use]
    pub fn with_handler(mut self, handler: Arc<dyn Handler>) -> Self {
        self.handler = handler;
        self
    }
}

/// Said in so many words: a platform that is told nothing forwards dashboard requests on chance.
fn no_dashboard() -> Capabilities {
    Capabilities(Map::from_iter([
        ("orchRole".to_owned(), json!("coordinator")),
        ("supportedDashboardRequests".to_owned(), json!([])),
        ("dashboardWrites".to_owned(), json!({})),
    ]))
}

/// A webhook source: what the platform hears of it, and what it never hears.
#[derive(Debug, Clone)]
pub struct Source {
    /// Goes to the platform.
    pub registration: RegisteredSource,
    /// Stays here.
    pub verification: Verification,
    /// A disabled source stays registered, but its deliveries are refused.
    pub is_enabled: bool,
}

impl Source {
    /// An enabled source.
    #[must_use]
    pub const fn new(registration: RegisteredSource, verification: Verification) -> Self {
        Self { registration, verification, is_enabled: true }
    }

    /// A GitHub App with one webhook secret.
    #[must_use]
    pub fn github(app: u64, name: &str, secret: Secret<String>) -> Self {
        let registration = RegisteredSource {
            provider: Provider::GitHub.into(),
            routing_key: RoutingKey::GitHub { app }.to_string(),
            name: name.to_owned(),
            subtype: Subtype::GitHubApp.into(),
            slug: None,
        };
        Self::new(registration, Verification::GitHub { secrets: vec![secret] })
    }

    /// A generic webhook; its key is `generic:<org id>:<source id>`.
    #[must_use]
    pub fn generic(key: &RoutingKey, name: &str, verification: Verification) -> Self {
        let registration = RegisteredSource {
            provider: Provider::Generic.into(),
            routing_key: key.to_string(),
            name: name.to_owned(),
            subtype: Subtype::GenericWebhook.into(),
            slug: None,
        };
        Self::new(registration, verification)
    }

    /// Which deliveries are for it.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        &self.registration.routing_key
    }
}
