//! What the statements of this process have shown about the database: whether the last write failed,
//! and which connections must not be used again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::{DbErr, sqlx};

use crate::error::{self, Failure};

/// How often a failure is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Shared by all pools of a store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// The last write failed for a reason that concerns every write.
    is_failing: AtomicBool,
    /// The last write was refused because the session is read-only (PostgreSQL's 25006).
    is_read_only: AtomicBool,
    /// The file is damaged. It stays so until the server is started again.
    is_corrupt: AtomicBool,
    /// When a failure was last logged.
    logged: Mutex<Option<Instant>>,
    /// Connections that were opened before this moment are closed instead of used.
    oldest: Mutex<Option<Instant>>,
}

impl Health {
    /// Whether writes can be expected to fail: the last one did, and none has succeeded since.
    pub(crate) fn is_failing(&self) -> bool {
        self.0.is_failing.load(Ordering::Acquire) || self.is_corrupt()
    }

    pub(crate) fn is_corrupt(&self) -> bool {
        self.0.is_corrupt.load(Ordering::Acquire)
    }

    /// Learns from a statement of a write transaction that failed.
    pub(crate) fn write_failed(&self, error: &DbErr) {
        match error::failure(error) {
            Some(Failure::ReadOnly) => {
                self.0.is_read_only.store(true, Ordering::Release);
                self.fails(error);
            }
            Some(Failure::Lost) => {
                self.connection_lost();
                self.fails(error);
            }
            Some(Failure::Storage | Failure::Exhausted) => self.fails(error),
            Some(Failure::Corrupt) => {
                self.0.is_corrupt.store(true, Ordering::Release);
                self.fails(error);
            }
            Some(Failure::Contention | Failure::Timeout) | None => {}
        }
    }

    fn fails(&self, error: &DbErr) {
        self.0.is_failing.store(true, Ordering::Release);
        let mut logged = self.0.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            *logged = Some(Instant::now());
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the database takes no writes"
            );
        }
    }

    /// Learns from a read that failed. A read that finds the file damaged or its disk broken says the
    /// same about the writes.
    pub(crate) fn read_failed(&self, error: &DbErr) {
        match error::failure(error) {
            Some(Failure::Storage | Failure::Corrupt) => self.write_failed(error),
            Some(Failure::Lost) => self.connection_lost(),
            _ => {}
        }
    }

    /// The same of an error that did not pass through the ORM.
    pub(crate) fn read_failed_in_driver(&self, error: &sqlx::Error) {
        match error::failure_in_driver(error) {
            Some(Failure::Corrupt) => self.0.is_corrupt.store(true, Ordering::Release),
            Some(Failure::Lost) => self.connection_lost(),
            _ => {}
        }
    }

    /// Where one connection is gone, those that were opened before this moment mostly are as well.
    pub(crate) fn connection_lost(&self) {
        *self.oldest() = Some(Instant::now());
    }

    /// A write was committed. Connections that were opened while the server was read-only may still
    /// be: they are closed at their next use.
    pub(crate) fn write_committed(&self) {
        if self.0.is_failing.load(Ordering::Acquire) {
            if self.0.is_read_only.swap(false, Ordering::AcqRel) {
                self.connection_lost();
            }
            self.0.is_failing.store(false, Ordering::Release);
            tracing::info!("the database takes writes again");
        }
    }

    /// Whether a connection of this age may be used again.
    pub(crate) fn keeps(&self, age: Duration) -> bool {
        if self.0.is_read_only.load(Ordering::Acquire) {
            return false;
        }
        self.oldest().is_none_or(|oldest| age <= oldest.elapsed())
    }

    fn oldest(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.oldest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
