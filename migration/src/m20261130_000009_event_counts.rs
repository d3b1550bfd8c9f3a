//! How many deliveries a row of the event log stands for.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite has no `ADD COLUMN IF NOT EXISTS`, and its migrations are no transactions.
        if !manager.has_column("event_log", "times").await? {
            let sql = "ALTER TABLE event_log ADD COLUMN times BIGINT NOT NULL DEFAULT 1";
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
