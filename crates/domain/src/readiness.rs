//! Whether the server can serve: its database takes writes. One row is committed to see it, at most
//! once a second for all who ask.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::{App, Trouble};

/// How long an answer of the database holds for all who ask.
const SHARED: Duration = Duration::from_secs(1);
/// The bound on writing the row.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// The last answer of the database.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<Answer>>);

#[derive(Debug, Clone, Copy)]
struct Answer {
    at: Instant,
    is_ready: bool,
}

impl App {
    /// Whether the server can serve: its database commits a row within 2 s.
    ///
    /// # Errors
    /// It can't.
    pub async fn ready(&self) -> Result<(), Trouble> {
        let mut last = self.readiness.0.lock().await;
        if let Some(answer) = last.filter(|answer| answer.at.elapsed() < SHARED) {
            // A write that has failed since then weighs more than a row that was written before.
            let is_ready = answer.is_ready && !self.store.is_write_failing();
            return if is_ready { Ok(()) } else { Err(Trouble::Slow) };
        }
        let written = timeout(WRITE_TIMEOUT, self.store.probe(self.clock.now())).await;
        let result = match written {
            Ok(Ok(())) if self.store.is_corrupt() => Err(Trouble::Slow),
            Ok(written) => written.map_err(Trouble::from),
            Err(_) => Err(Trouble::Slow),
        };
        *last = Some(Answer { at: Instant::now(), is_ready: result.is_ok() });
        result
    }

    /// Whether a write can be expected to succeed. While the last one failed the database is asked, as
    /// for [`ready`](Self::ready), so that writes begin again by themselves.
    ///
    /// # Errors
    /// It can't.
    pub(crate) async fn can_write(&self) -> Result<(), Trouble> {
        if self.store.is_write_failing() { self.ready().await } else { Ok(()) }
    }
}
