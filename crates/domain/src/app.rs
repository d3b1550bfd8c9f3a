//! What every use case works with. Built once, by the binary.

use std::sync::Arc;

use kici_model::{Clock, Entropy, MasterKeys};
use kici_store::Store;

use crate::cursor::Cursors;
use crate::mails::Mails;
use crate::master_key::ServerKeys;
use crate::metrics::Metrics;
use crate::notes::Notes;
use crate::ports::{IdentityProvider, Mailer, Relay};
use crate::readiness::Readiness;
use crate::sign_in::Seals;
use crate::webhooks::{LogLimits, UnderWay, Unknown};

/// The application: its database, its ports and its settings.
#[derive(Debug)]
pub struct App {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) relay: Arc<dyn Relay>,
    pub(crate) mailer: Option<Arc<dyn Mailer>>,
    pub(crate) identity: Option<Arc<dyn IdentityProvider>>,
    pub(crate) cursors: Cursors,
    pub(crate) seals: Seals,
    pub(crate) master_keys: MasterKeys,
    pub(crate) settings: Settings,
    pub(crate) notes: Notes,
    pub(crate) mails: Mails,
    pub(crate) readiness: Readiness,
    pub(crate) under_way: UnderWay,
    pub(crate) unknown: Unknown,
    pub(crate) log_limits: LogLimits,
    metrics: Metrics,
}

/// What an operator sets.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where providers reach this server, without a slash at the end; `None` where they don't.
    pub public_url: Option<String>,
}

impl App {
    /// Puts the application together. Without an identity provider nobody can sign in.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        relay: Arc<dyn Relay>,
        identity: Option<Arc<dyn IdentityProvider>>,
        settings: Settings,
        keys: ServerKeys,
    ) -> Self {
        let cursors = Cursors::new(keys.cursors.expose().as_bytes());
        let seals = Seals::new(&keys.sign_ins);
        let links = relay.clone();
        store.on_change(move |org| links.changed(org));
        let provider = identity.as_ref().map(|identity| identity.metrics().clone());
        let metrics = Metrics::new(&store, &provider.unwrap_or_default(), clock.now());
        Self {
            store,
            clock,
            entropy,
            relay,
            mailer: None,
            identity,
            cursors,
            seals,
            master_keys: keys.master,
            settings,
            notes: Notes::default(),
            mails: Mails::default(),
            readiness: Readiness::default(),
            under_way: UnderWay::default(),
            unknown: Unknown::default(),
            log_limits: LogLimits::default(),
            metrics,
        }
    }

    /// The same application, which sends mail.
    #[must_use]
    pub fn with_mailer(self, mailer: Arc<dyn Mailer>) -> Self {
        Self { mailer: Some(mailer), ..self }
    }

    /// The clock, for those who drive the application.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The source of randomness, for those who drive the application.
    #[must_use]
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What the operator has set.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
