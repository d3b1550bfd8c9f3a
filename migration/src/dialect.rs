//! The one word that the two databases spell differently.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// Runs `sql`, statement by statement, with `TIMESTAMPTZ` as SQLite needs it.
///
/// SQLite has no type for moments; under this name they are read back as what they are.
pub(crate) async fn run(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => sql.replace("TIMESTAMPTZ", "timestamp_with_timezone_text"),
        _ => sql.to_owned(),
    };
    db.execute_unprepared(&sql).await?;
    Ok(())
}
