//! One attempt at a change, which may be repeated as long as no commit was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

tokio::task_local! {
    static CURRENT: Attempt;
}

/// An attempt at a change. Clones are the same attempt.
#[derive(Debug, Clone, Default)]
pub struct Attempt(Arc<Sent>);

/// Which commits were sent, whatever came of them.
#[derive(Debug, Default)]
struct Sent {
    change: AtomicBool,
    record: AtomicBool,
}

impl Attempt {
    /// The attempt that the running task belongs to; a new one outside of any.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs `work` as a part of this attempt. A task that it spawns needs a call of its own.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self.clone(), work).await
    }

    /// Whether a commit of a [`WriteTx`](crate::WriteTx) was sent, whatever came of it.
    #[must_use]
    pub fn has_committed(&self) -> bool {
        self.0.change.load(Ordering::Acquire)
    }

    /// Whether a commit of a [`RecordTx`](crate::RecordTx) was sent, whatever came of it.
    #[must_use]
    pub fn has_recorded(&self) -> bool {
        self.0.record.load(Ordering::Acquire)
    }

    pub(crate) fn change_sent(&self) {
        self.0.change.store(true, Ordering::Release);
    }

    pub(crate) fn record_sent(&self) {
        self.0.record.store(true, Ordering::Release);
    }
}
