//! How busy the pools of connections are, as plain numbers for the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sea_orm::DbBackend;

use crate::Store;
use crate::connection::Pool;

/// The state of one pool of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStats {
    /// `read` and `write` on SQLite; `shared` on PostgreSQL, where both use one pool. `search` where
    /// searches have connections of their own.
    pub name: &'static str,
    /// The most connections that it opens.
    pub max: u32,
    /// Open connections.
    pub open: u32,
    /// Open connections that are not in use.
    pub idle: u32,
    /// How often a connection was asked for, as far as that is measured.
    pub acquires: u64,
    /// How many of these got none: the wait timed out, was cancelled, or no connection could be opened.
    pub failures: u64,
    /// How long all of them have waited.
    pub waited: Duration,
}

/// Counts the waits for connections of one pool. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waits(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    acquires: AtomicU64,
    failures: AtomicU64,
    nanos: AtomicU64,
}

impl Waits {
    /// Returns what `acquiring` gives, and counts how long it took, also when it is cancelled.
    pub(crate) async fn measure<T, E>(
        &self,
        acquiring: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut wait = Wait { counts: &self.0, begun: Instant::now(), is_acquired: false };
        let acquired = acquiring.await;
        wait.is_acquired = acquired.is_ok();
        acquired
    }
}

/// One wait, counted when it is dropped: many callers give up before the pool does.
struct Wait<'a> {
    counts: &'a Counts,
    begun: Instant,
    is_acquired: bool,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let nanos = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.counts.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.counts.acquires.fetch_add(1, Ordering::Relaxed);
        if !self.is_acquired {
            self.counts.failures.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Store {
    /// Returns the state of each pool. The waits are those of the read that authorizes a request and
    /// of the beginning of each transaction, in which SQLite's wait for its lock is included.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolStats> {
        let mut pools: Vec<&Pool> = Vec::new();
        for pool in [&self.read, &self.write, &self.search.pool] {
            // What shares the connections of another pool has its name.
            if pools.iter().all(|known| known.name != pool.name) {
                pools.push(pool);
            }
        }
        pools.into_iter().map(stats).collect()
    }
}

fn stats(pool: &Pool) -> PoolStats {
    let Pool { db, waits, name, .. } = pool;
    let (max, open, idle) = match db.get_database_backend() {
        DbBackend::Sqlite => {
            let pool = db.get_sqlite_connection_pool();
            (pool.options().get_max_connections(), pool.size(), pool.num_idle())
        }
        _ => {
            let pool = db.get_postgres_connection_pool();
            (pool.options().get_max_connections(), pool.size(), pool.num_idle())
        }
    };
    let counts = &waits.0;
    PoolStats {
        name,
        max,
        open,
        // Both numbers are read one after the other, and may not fit for a moment.
        idle: u32::try_from(idle).unwrap_or(u32::MAX).min(open),
        acquires: counts.acquires.load(Ordering::Relaxed),
        failures: counts.failures.load(Ordering::Relaxed),
        waited: Duration::from_nanos(counts.nanos.load(Ordering::Relaxed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_are_counted_when_they_succeed_fail_or_are_cancelled() {
        let waits = Waits::default();
        waits.measure(async { Ok::<_, ()>(()) }).await.unwrap();
        waits.measure(async { Err::<(), _>(()) }).await.unwrap_err();
        let hanging = waits.measure(std::future::pending::<Result<(), ()>>());
        assert!(tokio::time::timeout(Duration::from_millis(20), hanging).await.is_err());
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        assert_eq!((read(&waits.0.acquires), read(&waits.0.failures)), (3, 2));
        assert!(read(&waits.0.nanos) >= 20_000_000);
    }
}
