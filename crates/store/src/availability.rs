//! Whether PostgreSQL can be reached, and why not.
//!
//! The pool repeats a refused connect until its timeout, and then says only that time is up. So an
//! operation that takes long asks here: one connection is tried for all that wait, and if it fails as a
//! server does that is down, they fail at once, with the cause.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};

use crate::DatabaseUrl;
use crate::error::sqlx_error;
use crate::url::Target;

/// How long an operation may take before a connection is tried.
const PROBE_AFTER: Duration = Duration::from_millis(500);
/// How long the result of a try counts.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a try may take. A busy server answers late and is not down.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often one cause is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// What is known of one PostgreSQL server; SQLite has none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Availability(Option<Arc<Server>>);

struct Server {
    place: String,
    options: PgConnectOptions,
    /// The latest try. Locked while one is under way, so that there is one at a time.
    probed: tokio::sync::Mutex<Option<Probed>>,
    /// When each cause was last logged.
    logged: Mutex<BTreeMap<Cause, Instant>>,
    /// Whether a cause was logged since the database last answered.
    is_down: AtomicBool,
}

struct Probed {
    at: Instant,
    /// Why the server is down.
    down: Option<Arc<sqlx::Error>>,
}

/// Hides the options, which hold the password.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Why a database can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    Refused,
    Socket,
    Network,
    Timeout,
    Credentials,
    Database,
    Tls,
    Starting,
    Full,
    Other,
}

impl Cause {
    /// Whether whoever waits for a connection waits in vain.
    const fn is_down(self) -> bool {
        matches!(
            self,
            Self::Refused | Self::Socket | Self::Network | Self::Timeout | Self::Starting
        )
    }
}

/// Why a connection can't be made, and a sentence for the operator.
pub(crate) fn cause(error: &sqlx::Error) -> (Cause, String) {
    match error {
        sqlx::Error::PoolTimedOut => (Cause::Timeout, "no answer in time".to_owned()),
        sqlx::Error::Tls(error) => (Cause::Tls, format!("TLS failed: {error}")),
        sqlx::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => {
                (Cause::Refused, "connection refused; is PostgreSQL running there?".to_owned())
            }
            ErrorKind::NotFound => (
                Cause::Socket,
                "there is no socket or certificate file at this path; is PostgreSQL running?"
                    .to_owned(),
            ),
            ErrorKind::TimedOut => (Cause::Timeout, error.to_string()),
            _ => (Cause::Network, error.to_string()),
        },
        sqlx::Error::Database(error) => {
            let (code, message) = (error.code().unwrap_or_default(), error.message());
            match &*code {
                "3D000" => (Cause::Database, format!("{message}; create it, or correct its name")),
                "57P03" | "57P01" | "57P02" => (Cause::Starting, message.to_owned()),
                "53300" => (Cause::Full, message.to_owned()),
                _ if code.starts_with("28") => {
                    (Cause::Credentials, format!("{message}; check user and password"))
                }
                _ => (Cause::Other, message.to_owned()),
            }
        }
        error => (Cause::Other, error.to_string()),
    }
}

/// Whether an error says that no connection could be made, for a reason that the pool doesn't repeat.
pub(crate) fn is_refused_login(error: &sqlx::Error) -> bool {
    matches!(cause(error).0, Cause::Credentials | Cause::Database | Cause::Tls | Cause::Full)
}

impl Availability {
    pub(crate) fn new(url: &DatabaseUrl) -> Self {
        Self(match &url.target {
            Target::Sqlite { .. } => None,
            Target::Postgres { options, .. } => Some(Arc::new(Server {
                place: url.place(),
                options: (**options).clone().disable_statement_logging(),
                probed: tokio::sync::Mutex::default(),
                logged: Mutex::default(),
                is_down: AtomicBool::new(false),
            })),
        })
    }

    /// The output of `operation`, dropped early if the server turns out to be down.
    ///
    /// # Errors
    /// Returns the error of the connection that was tried.
    pub(crate) async fn unless_down<T>(
        &self,
        operation: impl Future<Output = T>,
    ) -> Result<T, DbErr> {
        let Some(server) = &self.0 else { return Ok(operation.await) };
        let mut operation = pin!(operation);
        tokio::select! {
            biased;
            done = operation.as_mut() => Ok(done),
            error = server.is_found_down() => {
                Err(DbErr::Conn(RuntimeErr::SqlxError(error)))
            }
        }
    }

    /// The result of `operation`; logs why it could not have a connection.
    ///
    /// # Errors
    /// Returns that of the operation, or of the connection that was tried.
    pub(crate) async fn watch<T>(
        &self,
        operation: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let done = self.unless_down(operation).await.and_then(|done| done);
        match &done {
            Ok(_) => self.answered(),
            Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)) => self.all_in_use(),
            Err(DbErr::Conn(_)) => {
                if let Some(error) = sqlx_error_of(&done) {
                    self.failed(error);
                }
            }
            Err(_) => {}
        }
        done
    }

    /// Notes that the database has answered.
    pub(crate) fn answered(&self) {
        if let Some(server) = &self.0
            && server.is_down.load(Ordering::Relaxed)
            && server.is_down.swap(false, Ordering::Relaxed)
        {
            tracing::info!(database = server.place, "the database can be reached again");
        }
    }

    /// Notes why no connection could be made.
    pub(crate) fn failed(&self, error: &sqlx::Error) {
        if let Some(server) = &self.0 {
            let (cause, text) = cause(error);
            server.log(cause, &text);
        }
    }

    /// Notes that no connection of the pool was free in time.
    pub(crate) fn all_in_use(&self) {
        if let Some(server) = &self.0 {
            server
                .log(Cause::Full, "all connections of `database.connections` were in use for 10 s");
        }
    }
}

fn sqlx_error_of<T>(done: &Result<T, DbErr>) -> Option<&sqlx::Error> {
    done.as_ref().err().and_then(sqlx_error)
}

impl Server {
    /// Ends when a try has shown that the server is down.
    async fn is_found_down(&self) -> Arc<sqlx::Error> {
        tokio::time::sleep(PROBE_AFTER).await;
        loop {
            if let Some(error) = self.probe().await {
                return error;
            }
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }

    /// Why the server is down, by a connection of its own if none was tried lately.
    async fn probe(&self) -> Option<Arc<sqlx::Error>> {
        let mut probed = self.probed.lock().await;
        if let Some(last) = probed.as_ref().filter(|last| last.at.elapsed() < PROBE_INTERVAL) {
            return last.down.clone();
        }
        let error = match tokio::time::timeout(PROBE_TIMEOUT, self.options.connect()).await {
            Ok(Ok(connection)) => {
                drop(connection.close().await);
                None
            }
            Ok(Err(error)) => Some(error),
            Err(_) => Some(sqlx::Error::PoolTimedOut),
        };
        let down = error.and_then(|error| {
            let (cause, text) = cause(&error);
            self.log(cause, &text);
            cause.is_down().then(|| Arc::new(error))
        });
        *probed = Some(Probed { at: Instant::now(), down: down.clone() });
        down
    }

    fn log(&self, cause: Cause, text: &str) {
        let now = Instant::now();
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < LOG_INTERVAL;
        if logged.get(&cause).is_some_and(is_recent) {
            return;
        }
        logged.insert(cause, now);
        drop(logged);
        self.is_down.store(true, Ordering::Relaxed);
        tracing::error!(database = self.place, cause = text, "the database can't be used");
    }
}
