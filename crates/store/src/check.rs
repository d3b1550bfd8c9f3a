//! What a PostgreSQL server must offer before anything is done on it.

use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _, Executor as _, Row as _};

/// The bound on each step: connecting, and each question.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a database can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseRefused {
    /// Its texts are not UTF-8.
    #[error(
        "the database stores texts as {0}, and UTF8 is needed: create it with \
         `CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0`"
    )]
    Encoding(String),
    /// Its transactions would see what others did at another moment than this program expects.
    #[error(
        "`default_transaction_isolation` is `{0}` in this database or for this user, and \
         `read committed` is needed: `ALTER DATABASE name SET default_transaction_isolation = \
         'read committed'`"
    )]
    Isolation(String),
    /// A pooler hands each transaction to another connection.
    #[error(
        "there is a pooler such as PgBouncer in transaction or statement mode before the database, and each \
         transaction may run on another connection: set `pool_mode = session`, or connect to \
         PostgreSQL directly"
    )]
    TransactionPooling,
    /// A second connection is not answered while the first is in use.
    #[error(
        "the database, or a pooler before it, gives no second connection within {} s: allow more \
         connections",
        STEP_TIMEOUT.as_secs()
    )]
    OneConnection,
    /// The database does not answer.
    #[error(transparent)]
    Driver(#[from] sqlx::Error),
}

/// Checks the server behind a connection: encoding, isolation level, pooler.
///
/// # Errors
/// The database can't be used, or does not answer.
pub(crate) async fn check(
    options: &PgConnectOptions,
    first: &mut PgConnection,
) -> Result<(), DatabaseRefused> {
    let encoding = ask(first, "SHOW server_encoding").await?;
    if encoding != "UTF8" {
        return Err(DatabaseRefused::Encoding(encoding));
    }
    let isolation = ask(first, "SHOW default_transaction_isolation").await?;
    if isolation != "read committed" {
        return Err(DatabaseRefused::Isolation(isolation));
    }
    match is_pooled_by_transaction(options, first).await? {
        true => Err(DatabaseRefused::TransactionPooling),
        false => Ok(()),
    }
}

/// While `first` keeps a server process busy with a transaction, a second connection gets another one.
/// Once the first is free, a pooler in transaction mode gives its process to the second, which it was
/// not connected to before.
async fn is_pooled_by_transaction(
    options: &PgConnectOptions,
    first: &mut PgConnection,
) -> Result<bool, DatabaseRefused> {
    // In statement mode PgBouncer refuses this one already.
    if let Err(sqlx::Error::Database(_)) = run(first, "BEGIN").await {
        return Ok(true);
    }
    ask(first, BACKEND).await?;
    let second = tokio::time::timeout(STEP_TIMEOUT, async {
        let mut second = connect(options).await?;
        let process = ask_once(&mut second, BACKEND).await?;
        Ok::<_, sqlx::Error>((second, process))
    });
    let Ok(second) = second.await else { return Err(DatabaseRefused::OneConnection) };
    let (mut second, before) = second?;
    run(first, "COMMIT").await?;
    run(&mut second, "BEGIN").await?;
    let after = ask(&mut second, BACKEND).await?;
    run(&mut second, "COMMIT").await?;
    drop(answered(second.close()).await);
    Ok(before != after)
}

const BACKEND: &str = "SELECT pg_backend_pid()::text";

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    options.connect().await
}

async fn run(connection: &mut PgConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    answered(async { connection.execute(sqlx::raw_sql(sql)).await.map(drop) }).await
}

async fn ask(connection: &mut PgConnection, sql: &'static str) -> Result<String, sqlx::Error> {
    answered(ask_once(connection, sql)).await
}

/// In one message: a pooler in transaction mode could answer a second one from another connection.
async fn ask_once(connection: &mut PgConnection, sql: &'static str) -> Result<String, sqlx::Error> {
    let row = connection.fetch_one(sqlx::raw_sql(sql)).await?;
    row.try_get(0)
}

async fn answered<T>(step: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(STEP_TIMEOUT, step).await {
        Ok(answer) => answer,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}
