//! Searches: lists with a filter that no index answers as a whole. They run on connections of their own,
//! one at a time for each organization, and read a bounded number of rows.

mod statement;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use kici_model::OrgId;
use kici_model::page::{Limit, Position, SearchPage};
use sea_orm::sqlx::Executor;
use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, EntityTrait, QueryResult,
    QuerySelect, RuntimeErr, Statement,
};
use tokio::sync::Semaphore;

use crate::connection::Pool;
use crate::health::Health;
use crate::{Store, StoreError, db};

pub(crate) use statement::Filtered;

/// The most connections for searches.
const CONNECTIONS_MAX: u32 = 2;

/// How long a search waits for another one of its organization.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// For each connection to PostgreSQL. A search reads at most some 20,000 rows by an index in their
/// order; without these settings the planner may prefer to read and sort the whole table, since an index
/// looks expensive to it where an organization's rows lie far apart. `SET`, since PgBouncer refuses
/// `options` at the start of a connection.
const SETTINGS: &str = "
SET statement_timeout = '5s';
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET max_parallel_workers_per_gather = 0;
SET jit = off";

/// Why a search has no result.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Other searches of the organization took all the time there was to wait.
    #[error("another search of the organization is running")]
    Busy,
    /// The database has canceled the search for taking too long.
    #[error("the search took too long")]
    TimedOut,
    /// The database fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DbErr> for SearchError {
    fn from(error: DbErr) -> Self {
        let code = match &error {
            DbErr::Query(RuntimeErr::SqlxError(error)) => {
                error.as_database_error().and_then(|error| error.code())
            }
            _ => None,
        };
        // PostgreSQL's `query_canceled`.
        if code.as_deref() == Some("57014") { Self::TimedOut } else { Self::Store(error.into()) }
    }
}

/// The connections for searches, and which organizations use or wait for them.
#[derive(Debug, Clone)]
pub(crate) struct Searches {
    pub(crate) pool: Pool,
    running: Arc<Mutex<HashMap<OrgId, Weak<Semaphore>>>>,
    wait_max: Duration,
}

impl Searches {
    /// How many of `connections` are for searches alone: none of one, which both have to share.
    pub(crate) fn share(connections: u32) -> u32 {
        (connections / 2).min(CONNECTIONS_MAX)
    }

    /// Runs searches on the connections of `pool`.
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool, running: Arc::default(), wait_max: WAIT_MAX }
    }

    pub(crate) async fn close(self) -> Result<(), StoreError> {
        Ok(self.pool.db.close().await?)
    }

    /// The rows that a search of `org` finds, once no other search of `org` is running.
    pub(crate) async fn rows(
        &self,
        org: &OrgId,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, SearchError> {
        let permit = tokio::time::timeout(self.wait_max, self.permit_of(org).acquire_owned());
        let Ok(Ok(permit)) = permit.await else { return Err(SearchError::Busy) };
        let pool = self.pool.clone();
        // Dropping a request does not stop its statement. In a task of its own it holds the permit until
        // it has ended, so that requests that were dropped do not add up.
        let search = tokio::spawn(async move {
            let _permit = permit;
            pool.query_all_raw(statement).await
        });
        match search.await {
            Ok(rows) => Ok(rows?),
            Err(error) => Err(StoreError::Other(DbErr::Custom(error.to_string())).into()),
        }
    }

    /// The one permit for a search of `org`.
    fn permit_of(&self, org: &OrgId) -> Arc<Semaphore> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, permit| permit.strong_count() > 0);
        running.get(org).and_then(Weak::upgrade).unwrap_or_else(|| {
            let permit = Arc::new(Semaphore::new(1));
            running.insert(org.clone(), Arc::downgrade(&permit));
            permit
        })
    }
}

/// Opens connections for searches alone.
pub(crate) async fn connect(
    mut options: ConnectOptions,
    health: &Health,
) -> Result<DatabaseConnection, DbErr> {
    let health = health.clone();
    options
        .connect_lazy(true)
        .map_sqlx_postgres_pool_opts(move |pool| with_settings(db::recycled(pool, &health)));
    Database::connect(options).await
}

fn with_settings(pool: PgPoolOptions) -> PgPoolOptions {
    pool.after_connect(|connection, _| {
        Box::pin(async move {
            connection.execute(SETTINGS).await?;
            Ok(())
        })
    })
}

impl Store {
    /// A page of a list of `org`, newest first, beginning after `after`: as any other list where an
    /// index answers the filter, as a search where none does.
    pub(crate) async fn newest_matching<E: EntityTrait>(
        &self,
        org: &OrgId,
        list: Filtered<E>,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<SearchPage<E::Model, Position>, SearchError> {
        if list.matching.is_empty() {
            let rows = list.read(after).limit(limit.get() + 1).all(&self.read).await?;
            return Ok(SearchPage { page: list.cut(rows, limit), is_partial: false });
        }
        let statement = list.statement(self.search.pool.get_database_backend(), after, limit);
        let rows = self.search.rows(org, statement).await?;
        Ok(list.page(&rows, limit)?)
    }
}
