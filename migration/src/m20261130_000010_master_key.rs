//! By which master key the server's own keys are sealed, and which master keys are in use.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::dialect::run(manager, include_str!("m20261130_000010_master_key.sql")).await?;
        // SQLite has no `ADD COLUMN IF NOT EXISTS`, and its migrations are no transactions.
        if !manager.has_column("server_keys", "master_key_id").await? {
            let sql = "ALTER TABLE server_keys ADD COLUMN master_key_id TEXT";
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
