//! Keeps the link up: one connection after the other, for ever, with growing pauses. Neither a
//! close code nor a refused token ends it; only being stopped does.

use std::sync::Arc;
use std::time::Duration;

use kici_model::Entropy;
use tokio::select;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::judge::Case;
use crate::session::{self, Ended};
use crate::shared::Shared;
use crate::state::{Close, State};

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// Connects until it is stopped.
pub(crate) async fn run(shared: Arc<Shared>, cases: mpsc::UnboundedSender<Case>) {
    let mut backoff = Backoff::new(shared.config.reconnect_base);
    loop {
        let ended = session::run(&shared, &cases).await;
        if shared.stop.is_cancelled() {
            break;
        }
        if matches!(ended, Ended::Closed { was_accepted: true, .. }) {
            backoff.reset();
        }
        let pause = backoff.next(chance(&*shared.config.entropy));
        note(&shared, ended, pause);
        select! {
            () = sleep(pause) => {}
            () = shared.stop.cancelled() => break,
        }
    }
    shared.board.down(State::Stopped, None);
}

fn note(shared: &Shared, ended: Ended, retry_in: Duration) {
    let close = |code, reason: &String| Some(Close { code, reason: reason.clone(), retry_in });
    let (state, close) = match ended {
        Ended::Stopped => return,
        Ended::Unreachable { reason } => (State::Closed { code: None, reason }, None),
        Ended::Refused { reason, code } => {
            let close = close(code, &reason);
            (State::Refused { reason }, close)
        }
        Ended::Closed { reason, code, .. } => {
            let close = close(code, &reason);
            (State::Closed { code, reason }, close)
        }
    };
    tracing::warn!(?state, ?retry_in, "the link is down");
    shared.board.down(state, close);
}

/// Even in `[0, 1)`; one half where there is no randomness, since the jitter is only a courtesy.
fn chance(entropy: &dyn Entropy) -> f64 {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes).map_or(0.5, |()| f64::from(u32::from_le_bytes(bytes)) / 2_f64.powi(32))
}

/// The pauses: each half as long again as the one before, and up to half of that by chance, so that
/// a platform that was away is not dialled by everybody at once.
#[derive(Debug)]
struct Backoff {
    base: Duration,
    attempt: i32,
}

impl Backoff {
    const fn new(base: Duration) -> Self {
        Self { base, attempt: 0 }
    }

    const fn reset(&mut self) {
        self.attempt = 0;
    }

    fn next(&mut self, chance: f64) -> Duration {
        let grown = self.base.as_secs_f64() * 1.5_f64.powi(self.attempt) * (1.0 + chance / 2.0);
        // Beyond this every base has reached the longest pause, or is none at all.
        self.attempt = (self.attempt + 1).min(128);
        Duration::from_secs_f64(grown.min(LONGEST.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_by_half_up_to_a_minute_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        let pauses: Vec<_> = (0..4).map(|_| backoff.next(0.0).as_secs_f64()).collect();
        assert_eq!(pauses, [1.0, 1.5, 2.25, 3.375]);
        for _ in 0..1_000 {
            assert!(backoff.next(0.99) <= LONGEST);
        }
        assert_eq!(backoff.next(0.0), LONGEST);
        backoff.reset();
        assert_eq!(backoff.next(0.5), Duration::from_millis(1_250));
        assert_eq!(Backoff::new(Duration::ZERO).next(0.9), Duration::ZERO);
    }

    #[test]
    fn chance_is_a_fraction() {
        let entropy = kici_model::OsEntropy::default();
        let drawn: Vec<_> = (0..100).map(|_| chance(&entropy)).collect();
        assert!(drawn.iter().all(|chance| (0.0..1.0).contains(chance)), "{drawn:?}");
    }
}
