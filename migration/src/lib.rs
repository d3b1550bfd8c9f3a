//! Frozen migrations: what is here has run somewhere and is never edited again.
//!
//! They are plain SQL, one text for both databases. Expand first, contract a release later: nodes
//! of the old release that are still running go on with the new schema. They don't start again on
//! it, since a program refuses a database that knows migrations which it does not.

mod dialect;
mod m20261122_000001_tenancy;
mod m20261122_000002_webhooks;
mod m20261126_000003_deliveries;
mod m20261126_000004_tenancy;
mod m20261126_000005_identities;
mod m20261126_000006_successors;
mod m20261126_000007_ci_trust;
mod m20261130_000008_event_log_search;
mod m20261130_000009_event_counts;
mod m20261130_000010_master_key;
mod m20261130_000011_readiness;

use std::time::Duration;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm_migration::sea_orm::sqlx::{self, ConnectOptions as _, Connection};
use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, RuntimeErr,
};

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_tenancy::Migration),
            Box::new(m20261122_000002_webhooks::Migration),
            Box::new(m20261126_000003_deliveries::Migration),
            Box::new(m20261126_000004_tenancy::Migration),
            Box::new(m20261126_000005_identities::Migration),
            Box::new(m20261126_000006_successors::Migration),
            Box::new(m20261126_000007_ci_trust::Migration),
            Box::new(m20261130_000008_event_log_search::Migration),
            Box::new(m20261130_000009_event_counts::Migration),
            Box::new(m20261130_000010_master_key::Migration),
            Box::new(m20261130_000011_readiness::Migration),
        ]
    }
}

/// How long PostgreSQL has to take a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// One number for everybody who migrates: nodes that start together wait for each other.
const LOCK: i64 = 0x6b69_6369;

/// Brings the database at `url` up to date. Safe to call on every start and from several nodes.
///
/// # Errors
/// The database can't be reached, or a migration fails; PostgreSQL then rolls it back.
pub async fn migrate(url: &str) -> Result<(), DbErr> {
    let db = connect(url).await?;
    let is_shared = db.get_database_backend() == DbBackend::Postgres;
    if is_shared {
        db.execute_unprepared(&format!("SELECT pg_advisory_lock({LOCK})")).await?;
    }
    let done = Migrator::up(&db, None).await;
    if is_shared {
        db.execute_unprepared(&format!("SELECT pg_advisory_unlock({LOCK})")).await?;
    }
    db.close().await?;
    done
}

/// Runs one statement on the database at `url`, as tests do to make and drop databases.
///
/// # Errors
/// The database can't be reached, or refuses the statement.
pub async fn execute(url: &str, sql: &str) -> Result<(), DbErr> {
    let db = connect(url).await?;
    let done = db.execute_unprepared(sql).await.map(|_| ());
    db.close().await?;
    done
}

/// One connection, which nothing sweeps away: see `pool` in the store.
async fn connect(url: &str) -> Result<DatabaseConnection, DbErr> {
    if !url.starts_with("sqlite:") {
        knock(url).await?;
    }
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).idle_timeout(None).max_lifetime(None).sqlx_logging(false);
    Database::connect(options).await
}

/// A pool goes on trying for half a minute, and then says no more than that. This says what is wrong.
async fn knock(url: &str) -> Result<(), DbErr> {
    let failed = |error: sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(error.into()));
    let options: PgConnectOptions = url.parse().map_err(failed)?;
    match tokio::time::timeout(PATIENCE, options.connect()).await {
        Ok(connected) => connected.map_err(failed)?.close().await.map_err(failed),
        Err(_) => Err(DbErr::Custom(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}
