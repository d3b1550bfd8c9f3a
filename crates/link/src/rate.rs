//! How many frames an organization may send. Who sends more is read more slowly, and not cut off: an
//! orchestrator that comes back sends at once what it has kept.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Limits;

/// Every so many bytes of a frame count like one more frame.
const PIECE: usize = 16 * 1024;

/// The frames that the connections of an organization may send together: a token bucket.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    burst: f64,
    level: Mutex<Level>,
}

/// Below zero it is owed: whoever takes it waits until it has come in.
#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Instant,
}

impl Rate {
    pub(crate) fn new(limits: &Limits) -> Self {
        let burst = f64::from(limits.frames_burst);
        Self {
            per_second: f64::from(limits.frames_per_second.max(1)),
            burst,
            level: Mutex::new(Level { tokens: burst, at: Instant::now() }),
        }
    }

    /// Waits until a frame of `bytes` may be taken.
    pub(crate) async fn turn(&self, bytes: usize) {
        let pieces = u32::try_from(bytes / PIECE).unwrap_or(u32::MAX);
        let missing = {
            let mut level = self.now();
            level.tokens -= 1.0 + f64::from(pieces);
            -level.tokens
        };
        if missing > 0.0 {
            let wait = Duration::try_from_secs_f64(missing / self.per_second);
            sleep(wait.unwrap_or(Duration::MAX)).await;
        }
    }

    /// Whether nobody has to remember it.
    pub(crate) fn is_full(&self) -> bool {
        self.now().tokens >= self.burst
    }

    fn now(&self) -> MutexGuard<'_, Level> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let since = now.saturating_duration_since(level.at).as_secs_f64();
        level.tokens = (level.tokens + since * self.per_second).min(self.burst);
        level.at = now;
        level
    }
}
