//! A clock that a test moves.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use kici_model::{Clock, SystemClock, Timestamp};

/// Begins at the present moment and stands still until it is moved.
#[derive(Debug)]
pub struct TestClock {
    micros: AtomicI64,
}

impl Default for TestClock {
    fn default() -> Self {
        Self { micros: AtomicI64::new(SystemClock.now().micros()) }
    }
}

impl TestClock {
    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.micros.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let micros = self.micros.load(Ordering::SeqCst);
        Timestamp::from_micros(micros).unwrap_or_else(|| SystemClock.now())
    }
}
