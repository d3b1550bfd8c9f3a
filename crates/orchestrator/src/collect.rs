//! A handler that keeps what it gets, for tests.

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::{Delivered, Handler, TimedOut};

/// Keeps every delivery in memory.
pub struct Collect(watch::Sender<Vec<Delivered>>);

impl Default for Collect {
    fn default() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }
}

impl Collect {
    /// Everything so far, in the order in which it was accepted.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivered> {
        self.0.borrow().clone()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// Waits until there are at least `count`, and gives all.
    ///
    /// # Errors
    /// There are fewer after `patience`.
    pub async fn wait_for_count(
        &self,
        count: usize,
        patience: Duration,
    ) -> Result<Vec<Delivered>, TimedOut> {
        let mut watched = self.0.subscribe();
        let arrived = timeout(patience, watched.wait_for(|kept| kept.len() >= count)).await;
        match arrived {
            Ok(Ok(kept)) => Ok(kept.clone()),
            _ => Err(TimedOut::new(patience, format!("{} deliveries", self.count()))),
        }
    }
}

impl fmt::Debug for Collect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Collect").field(&self.count()).finish()
    }
}

#[async_trait::async_trait]
impl Handler for Collect {
    async fn accepted(&self, delivery: Delivered) {
        self.0.send_modify(|kept| kept.push(delivery));
    }
}
