//! By which key one that was rotated is followed, and whose an address is by now.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite has no `ADD COLUMN IF NOT EXISTS`, and its migrations are no transactions.
        if !manager.has_column("credentials", "successor_id").await? {
            let sql = "ALTER TABLE credentials ADD COLUMN successor_id TEXT";
            manager.get_connection().execute_unprepared(sql).await?;
        }
        // Keys that end soon are looked for every hour.
        let sql = "CREATE INDEX IF NOT EXISTS credentials_by_end ON credentials (expires_at, id)";
        manager.get_connection().execute_unprepared(sql).await?;
        // Invitations go to whom an address was told of last.
        let sql = "CREATE INDEX IF NOT EXISTS identities_by_email ON identities (email)";
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
