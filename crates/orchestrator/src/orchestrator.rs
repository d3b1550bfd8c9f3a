//! The handle on a running orchestrator: what its owner can ask of it. The work is done in tasks.

use std::sync::Arc;
use std::time::Duration;

use kici_wire::Accepted;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use crate::registry::Pending;
use crate::shared::Shared;
use crate::{Config, Source, Status, TimedOut, client, handler, judge};

/// How long the platform has to answer a change of the sources.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// How long the handler has to take what was accepted, once the link is down for good.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// A running orchestrator. Dropping it stops it as well, but then nobody waits for the end.
#[derive(Debug)]
pub struct Orchestrator {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: DropGuard,
}

/// Why a change of the sources is not in force at the platform. Here it is, in every case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// There is no connection; the next one brings the change along.
    #[error("the platform is not connected; the next connection brings the change along")]
    NotConnected,
    /// The platform did not answer; the next connection repeats the change.
    #[error("the platform gave no answer; the next connection repeats the change")]
    NoAnswer,
    /// The platform does not take the source.
    #[error("the platform does not take the source: {reason}")]
    Rejected {
        /// The platform's words.
        reason: String,
    },
}

impl Orchestrator {
    /// Starts on the current tokio runtime, and reconnects for ever.
    #[must_use]
    pub fn start(config: Config) -> Self {
        let handler = Arc::clone(&config.handler);
        let shared = Arc::new(Shared::new(config));
        let (cases, to_judge) = mpsc::unbounded_channel();
        let (accepted, to_handler) = mpsc::unbounded_channel();
        let tasks = TaskTracker::new();
        // Each task ends when the one before it has: what was accepted still reaches the handler.
        tasks.spawn(client::run(Arc::clone(&shared), cases));
        tasks.spawn(judge::run(Arc::clone(&shared), to_judge, accepted));
        tasks.spawn(handler::feed(handler, to_handler));
        tasks.close();
        Self { stop: shared.stop.clone().drop_guard(), shared, tasks }
    }

    /// Closes the link with 1000 `Client disconnect`, and waits until the handler has everything.
    pub async fn stop(self) {
        drop(self.stop);
        if timeout(STOP_PATIENCE, self.tasks.wait()).await.is_err() {
            tracing::warn!("stopped while the handler is still busy");
        }
    }

    /// Serves a new source, or one that has changed, from now on.
    ///
    /// # Errors
    /// [`LinkError`]
    pub async fn register(&self, source: Source) -> Result<Accepted, LinkError> {
        let key = source.routing_key().to_owned();
        let pending = self.shared.registry.add(source).map_err(|_| LinkError::NotConnected)?;
        let ack = answer(pending).await?;
        if let Some(accepted) = ack.accepted.into_iter().find(|it| it.routing_key == key) {
            return Ok(accepted);
        }
        let rejected = ack.rejected.into_iter().find(|it| it.routing_key == key);
        Err(rejected.map_or(LinkError::NoAnswer, |it| LinkError::Rejected { reason: it.reason }))
    }

    /// Serves a source no more, for good. Gives whether the platform knew it.
    ///
    /// # Errors
    /// [`LinkError::NotConnected`] or [`LinkError::NoAnswer`]
    pub async fn deregister(&self, routing_key: &str) -> Result<bool, LinkError> {
        let pending =
            self.shared.registry.remove(routing_key).map_err(|_| LinkError::NotConnected)?;
        Ok(answer(pending).await?.removed.iter().any(|removed| removed == routing_key))
    }

    /// Refuses or takes the deliveries of a source; the platform is not told. Gives whether there
    /// is such a source.
    pub fn set_enabled(&self, routing_key: &str, is_enabled: bool) -> bool {
        self.shared.registry.set_enabled(routing_key, is_enabled)
    }

    /// Where the link stands now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.board.now()
    }

    /// Every change of the status. Changes in quick succession are seen as one; closes are never
    /// missed, as the status keeps them.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.shared.board.watch()
    }

    /// Waits until the status is as `wanted`.
    ///
    /// # Errors
    /// It is not after `patience`.
    pub async fn wait_for(
        &self,
        wanted: impl FnMut(&Status) -> bool,
        patience: Duration,
    ) -> Result<Status, TimedOut> {
        self.shared.board.wait_for(wanted, patience).await
    }

    /// Waits until deliveries may come.
    ///
    /// # Errors
    /// They may not after `patience`.
    pub async fn wait_until_registered(&self, patience: Duration) -> Result<Status, TimedOut> {
        self.wait_for(Status::is_registered, patience).await
    }

    /// Waits until `count` connections in all have ended.
    ///
    /// # Errors
    /// There are fewer after `patience`.
    pub async fn wait_for_closes(
        &self,
        count: usize,
        patience: Duration,
    ) -> Result<Status, TimedOut> {
        self.wait_for(|status| status.closes.len() >= count, patience).await
    }
}

async fn answer<A>(pending: Pending<A>) -> Result<A, LinkError> {
    match timeout(ANSWER_PATIENCE, pending).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) | Err(_) => Err(LinkError::NoAnswer),
    }
}
