//! What all tasks of one orchestrator share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kici_model::entropy;
use kici_wire::{Capabilities, SourceRegister};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::registry::Registry;
use crate::relay;
use crate::state::Board;

/// The dashboard-write policy among the capabilities.
const POLICY: &str = "dashboardWrites";

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) registry: Registry,
    pub(crate) board: Board,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) stop: CancellationToken,
    has_told_policy: AtomicBool,
}

impl Shared {
    pub(crate) fn new(mut config: Config) -> Self {
        let about = SourceRegister {
            instance_id: config
                .instance_id
                .clone()
                .or_else(|| entropy::uuid(&*config.entropy).ok()),
            cluster_name: config.cluster_name.clone(),
            cluster_id: config.cluster_id.clone(),
            version: config.version.clone(),
            ..SourceRegister::default()
        };
        let sources = std::mem::take(&mut config.sources);
        Self {
            registry: Registry::new(about, sources, Arc::clone(&config.entropy)),
            board: Board::new(),
            room: Arc::new(Semaphore::new(relay::ROOM)),
            stop: CancellationToken::new(),
            has_told_policy: AtomicBool::new(false),
            config,
        }
    }

    /// What goes with the token. A fresh process does not state its policy there: it has first to
    /// be registered.
    pub(crate) fn first_capabilities(&self) -> Capabilities {
        let mut capabilities = self.config.capabilities.clone();
        if !self.has_told_policy.load(Ordering::Relaxed) {
            capabilities.0.remove(POLICY);
        }
        capabilities
    }

    /// What follows each registration.
    pub(crate) fn all_capabilities(&self) -> Capabilities {
        self.has_told_policy.store(true, Ordering::Relaxed);
        self.config.capabilities.clone()
    }
}
