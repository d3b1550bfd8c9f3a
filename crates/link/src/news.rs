//! What all connections of an organisation are told of without asking, and when they have to be told.

use std::sync::Arc;
use std::time::Duration;

use kici_domain::{App, Link, Trouble, ci_trust};
use kici_wire::ToOrchestrator;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// Counts what happens, so that whoever waits learns of it once, however much it was.
#[derive(Debug, Default)]
pub(crate) struct Count(watch::Sender<u64>);

impl Count {
    pub(crate) fn up(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    pub(crate) fn now(&self) -> u64 {
        *self.0.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// What there is to tell an organisation.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Changes of the organisation.
    pub(crate) changes: Count,
    /// Connections that came, left, or serve something else.
    pub(crate) moves: Count,
    trust: Mutex<Option<Trust>>,
}

/// Whom CI trusts, as it was read last.
#[derive(Debug)]
struct Trust {
    frame: Arc<str>,
    changes: u64,
    at: Instant,
}

impl News {
    /// Whom CI trusts, as a frame. All connections share one read, which holds until something is
    /// changed, and for `longest`: what is changed beside this process is not heard of.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn trust(
        &self,
        app: &App,
        link: &Link,
        longest: Duration,
    ) -> Result<Arc<str>, Trouble> {
        let mut last = self.trust.lock().await;
        // Counted before it is read: what is changed meanwhile is read again.
        let changes = self.changes.now();
        if let Some(trust) = &*last
            && trust.changes == changes
            && trust.at.elapsed() < longest
        {
            return Ok(trust.frame.clone());
        }
        let at = Instant::now();
        let update = ToOrchestrator::TrustPolicyUpdate(ci_trust::update(app, link).await?);
        let frame: Arc<str> = update.to_text().into();
        *last = Some(Trust { frame: frame.clone(), changes, at });
        Ok(frame)
    }
}
