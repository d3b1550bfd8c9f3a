//! Failed authentication, counted by client address. A token is taken before a credential is checked and
//! given back where it works: what one address has checked at the same time is bounded as well.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::buckets::Buckets;

/// How long a request waits for checks of other credentials from its address, where they hold all
/// tokens: most of them work, such as those of many programs behind one address after a restart.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// The buckets of failed attempts.
pub(super) struct Failures {
    buckets: Buckets<IpAddr>,
    /// By address; an entry lasts as long as a check is running.
    checks: Mutex<HashMap<IpAddr, Checks>>,
}

/// The checks of one address that are running.
#[derive(Default)]
struct Checks {
    running: usize,
    ended: watch::Sender<()>,
}

/// Too many attempts from this address have failed.
#[derive(Debug)]
pub(super) struct TooManyFailures;

enum Attempt {
    Reserved(Reservation),
    /// All tokens are taken, some of them by checks that are running.
    Wait(watch::Receiver<()>),
    Spent,
}

impl Failures {
    pub(super) fn new(per_minute: Option<NonZeroU32>) -> Option<Arc<Self>> {
        let buckets = Buckets::new(per_minute, per_minute?)?;
        Some(Arc::new(Self { buckets, checks: Mutex::default() }))
    }

    fn checks(&self) -> MutexGuard<'_, HashMap<IpAddr, Checks>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a token for a check that begins; it is gone unless [`Reservation::refund`] gives it back.
    /// Returns `None` where `is_known` comes true while this waits.
    ///
    /// # Errors
    /// Too many attempts from `address` have failed, or are being checked for too long.
    pub(super) async fn reserve(
        self: &Arc<Self>,
        address: IpAddr,
        is_known: impl Fn() -> bool,
    ) -> Result<Option<Reservation>, TooManyFailures> {
        let end = Instant::now() + WAIT_MAX;
        loop {
            let mut ended = match self.attempt(address) {
                Attempt::Reserved(reservation) => return Ok(Some(reservation)),
                Attempt::Spent => return Err(TooManyFailures),
                Attempt::Wait(ended) => ended,
            };
            // The sender is gone when the last check has ended; then there is one more attempt.
            drop(timeout_at(end, ended.changed()).await.map_err(|_| TooManyFailures)?);
            if is_known() {
                return Ok(None);
            }
        }
    }

    fn attempt(self: &Arc<Self>, address: IpAddr) -> Attempt {
        let mut checks = self.checks();
        if !self.buckets.take(address).is_empty {
            checks.entry(address).or_default().running += 1;
            let failures = self.clone();
            return Attempt::Reserved(Reservation { failures, address, is_refunded: false });
        }
        match checks.get(&address) {
            Some(running) => Attempt::Wait(running.ended.subscribe()),
            None => Attempt::Spent,
        }
    }

    /// Counts a failure that nothing was reserved for.
    pub(super) fn count(&self, address: IpAddr) {
        self.buckets.take(address);
    }

    /// Forgets the buckets that are full again.
    pub(super) fn forget(&self) {
        self.buckets.forget();
    }
}

/// A token that was taken for a check. Dropped, it counts as a failure.
pub(crate) struct Reservation {
    failures: Arc<Failures>,
    address: IpAddr,
    is_refunded: bool,
}

impl Reservation {
    /// Gives the token back: the credential works, or could not be looked up.
    pub(crate) fn refund(mut self) {
        self.is_refunded = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let failures = &self.failures;
        let mut checks = failures.checks();
        if self.is_refunded {
            failures.buckets.give_back(self.address);
        }
        if let Entry::Occupied(mut entry) = checks.entry(self.address) {
            let running = entry.get_mut();
            running.running = running.running.saturating_sub(1);
            running.ended.send_replace(());
            if running.running == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn running_checks_hold_tokens_and_working_credentials_give_them_back() {
        let failures = Failures::new(NonZeroU32::new(2)).unwrap();
        let unknown = || false;
        let first = failures.reserve(ADDRESS, unknown).await.ok().flatten().unwrap();
        let second = failures.reserve(ADDRESS, unknown).await.ok().flatten().unwrap();
        assert!(matches!(failures.attempt(ADDRESS), Attempt::Wait(_)));
        let (third, ()) = tokio::join!(failures.reserve(ADDRESS, unknown), async {
            tokio::task::yield_now().await;
            first.refund();
        });
        let third = third.ok().flatten().unwrap();
        // A credential that another request has proved waits no longer.
        let (fourth, ()) = tokio::join!(failures.reserve(ADDRESS, || true), async {
            tokio::task::yield_now().await;
            drop(third);
        });
        assert!(fourth.is_ok_and(|reservation| reservation.is_none()));
        drop(second);
        assert!(failures.reserve(ADDRESS, unknown).await.is_err());
        assert!(failures.checks().is_empty());
    }
}
