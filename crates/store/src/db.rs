//! Opening a database: one set of settings for each of the two.

use std::time::Duration;

use sea_orm::sqlx::Connection as _;
use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DbBackend, DbErr, QueryResult, RuntimeErr, sqlx,
};

use crate::availability::{Availability, is_refused_login};
use crate::changes::Changes;
use crate::connection::Pool;
use crate::error::is_broken;
use crate::health::Health;
use crate::pools::Waits;
use crate::search::Searches;
use crate::{DatabaseUrl, StoreError, search};

/// How long a request waits for a connection, or for SQLite's writer, before it is told so.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection to PostgreSQL may be idle before it is asked whether it lives. Asked at
/// each use, that is a third of what a request says to the database.
const SURE: Duration = Duration::from_secs(1);

/// How old a connection to PostgreSQL gets: what the server keeps for it grows with its use, and a
/// new one finds a server that has moved. Looked at whenever one is given back.
const LIFE: Duration = Duration::from_secs(30 * 60);

/// Which of the two databases this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The embedded one.
    Sqlite,
    /// The production database.
    Postgres,
}

/// An open database. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) read: Pool,
    pub(crate) write: Pool,
    pub(crate) health: Health,
    pub(crate) changes: Changes,
    pub(crate) search: Searches,
    /// How many there can be to read with.
    connections: u32,
}

impl Store {
    /// Opens `sqlite://PATH` or `postgres://…`. The schema must be up to date already.
    ///
    /// `connections` is the most that PostgreSQL is asked for, and the number of SQLite's readers; up
    /// to two of them are for searches alone.
    ///
    /// # Errors
    /// The address is not one of these, or nobody answers there.
    pub async fn open(url: &str, connections: u32) -> Result<Self, StoreError> {
        let parsed: DatabaseUrl =
            url.parse().map_err(|error| StoreError::Other(DbErr::Custom(format!("{error}"))))?;
        let searching = Searches::share(connections);
        let (health, availability) = (Health::default(), Availability::new(&parsed));
        let is_sqlite = parsed.sqlite_path().is_some();
        let options = |connections| match is_sqlite {
            true => sqlite(url, connections),
            false => postgres(url, connections, &health),
        };
        let pool = |name, db| {
            let (health, availability) = (health.clone(), availability.clone());
            Pool { db, health, availability, waits: Waits::default(), name }
        };
        let db = Database::connect(options(connections - searching)).await?;
        let (read, write) = if is_sqlite {
            // One writer: SQLite has no more, and waiting in our queue is fairer than in its lock.
            (pool("read", db), pool("write", Database::connect(options(1)).await?))
        } else {
            let both = pool("shared", db);
            (both.clone(), both)
        };
        let search = match searching {
            0 => read.clone(),
            _ => pool("search", search::connect(options(searching), &health).await?),
        };
        let (search, changes) = (Searches::new(search), Changes::default());
        Ok(Self { read, write, search, health, changes, connections })
    }

    /// Which database this is.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self.read.get_database_backend() {
            DbBackend::Sqlite => Backend::Sqlite,
            _ => Backend::Postgres,
        }
    }

    /// All rows of a statement whose parameters are texts; asked again where the connection turns out to
    /// be gone, since after a restart of the database each one of the pool is.
    pub(crate) async fn rows(
        &self,
        sql: &'static str,
        texts: &[Option<&str>],
    ) -> Result<Vec<QueryResult>, StoreError> {
        let availability = &self.read.availability;
        let mut left = self.connections;
        loop {
            // Boxed, since a wait for a connection is a future of many KiB, and each caller would hold it.
            let asked = Box::pin(self.rows_once(sql, texts));
            match availability.unless_down(asked).await? {
                Err(error) if left > 0 && is_broken(&error) => {
                    self.health.read_failed_in_driver(&error);
                    left -= 1;
                }
                Err(error) if is_refused_login(&error) => {
                    availability.failed(&error);
                    return Err(DbErr::Conn(RuntimeErr::SqlxError(error.into())).into());
                }
                Err(error) => {
                    match &error {
                        sqlx::Error::PoolTimedOut => availability.all_in_use(),
                        error if is_broken(error) => availability.failed(error),
                        _ => {}
                    }
                    self.health.read_failed_in_driver(&error);
                    return Err(DbErr::Query(RuntimeErr::SqlxError(error.into())).into());
                }
                Ok(rows) => {
                    availability.answered();
                    return Ok(rows);
                }
            }
        }
    }

    /// It goes to the driver directly: the ORM puts everything into values of its own first, which for
    /// what every request begins with is a tenth of the work.
    async fn rows_once(
        &self,
        sql: &'static str,
        texts: &[Option<&str>],
    ) -> Result<Vec<QueryResult>, sqlx::Error> {
        match self.backend() {
            Backend::Postgres => {
                let mut query = sqlx::query(sql);
                for text in texts {
                    query = query.bind(*text);
                }
                let pool = self.read.db.get_postgres_connection_pool();
                let mut connection = self.read.waits.measure(pool.acquire()).await?;
                let rows = query.fetch_all(&mut *connection).await?;
                Ok(rows.into_iter().map(Into::into).collect())
            }
            Backend::Sqlite => {
                let mut query = sqlx::query(sql);
                for text in texts {
                    query = query.bind(*text);
                }
                let pool = self.read.db.get_sqlite_connection_pool();
                let mut connection = self.read.waits.measure(pool.acquire()).await?;
                let rows = query.fetch_all(&mut *connection).await?;
                Ok(rows.into_iter().map(Into::into).collect())
            }
        }
    }

    /// Closes all connections; SQLite folds its log back into the file.
    ///
    /// # Errors
    /// A connection broke while it was being closed.
    pub async fn close(self) -> Result<(), StoreError> {
        self.search.close().await?;
        self.read.db.close().await?;
        // On PostgreSQL both are one pool, which is closed by now; closing it again is harmless.
        Ok(self.write.db.close().await?)
    }
}

/// What both have in common. The pool's own sweeper of idle and old connections is off: a race in it
/// (sqlx 0.9.0, <https://github.com/launchbadge/sqlx/issues/3645>) can make it turn round for ever on
/// a thread of the runtime, and whoever waits for that thread waits with it.
fn pool(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .sqlx_logging(false);
    options
}

fn sqlite(url: &str, connections: u32) -> ConnectOptions {
    let mut options = pool(url, connections);
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // What is replaced, such as a secret before it was sealed, does not stay in the file.
            .pragma("secure_delete", "FAST")
            .busy_timeout(PATIENCE)
    });
    options.map_sqlx_sqlite_pool_opts(|pool| {
        pool.after_release(|connection, _| {
            Box::pin(async move {
                // After some errors (a full disk) SQLite has rolled back by itself. The driver's own
                // rollback then fails and the driver goes on counting an open transaction, so that
                // later ones become savepoints in it and are never committed. The ping comes first:
                // a rollback is only queued when a transaction is dropped.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
    });
    options
}

fn postgres(url: &str, connections: u32, health: &Health) -> ConnectOptions {
    let mut options = pool(url, connections);
    let (on_acquire, on_release) = (health.clone(), health.clone());
    options
        .connect_timeout(PATIENCE)
        .test_before_acquire_if_idle_for(SURE)
        .map_sqlx_postgres_before_acquire(move |_, connection| {
            let is_kept = on_acquire.keeps(connection.age);
            Box::pin(async move { Ok(is_kept) })
        })
        .map_sqlx_postgres_pool_opts(move |pool| recycled(pool, &on_release));
    options
}

/// The hooks of every pool of PostgreSQL.
pub(crate) fn recycled(pool: PgPoolOptions, health: &Health) -> PgPoolOptions {
    let health = health.clone();
    pool.after_release(move |connection, its| {
        let is_kept = its.age < LIFE && health.keeps(its.age);
        Box::pin(async move { Ok(is_kept && !connection.is_in_transaction()) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_sweeps_the_connections() {
        for url in ["sqlite::memory:", "postgres://127.0.0.1/nobody"] {
            let mut options = pool(url, 2);
            options.connect_lazy(true);
            let db = Database::connect(options).await.unwrap();
            let times = if url.starts_with("sqlite") {
                let pool = db.get_sqlite_connection_pool();
                (pool.options().get_idle_timeout(), pool.options().get_max_lifetime())
            } else {
                let pool = db.get_postgres_connection_pool();
                (pool.options().get_idle_timeout(), pool.options().get_max_lifetime())
            };
            assert_eq!(times, (None, None), "{url}");
        }
    }
}
