//! Service accounts, invitations, links to providers, and what the audit log tells beside the deed.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// SQLite has no `ADD COLUMN IF NOT EXISTS`, and its migrations are no transactions.
const COLUMNS: [(&str, &str, &str); 6] = [
    ("credentials", "service_account_id", "TEXT"),
    // A JSON array of patterns of routing keys; null is all of them.
    ("credentials", "routing_patterns", "TEXT"),
    ("audit_log", "credential_id", "TEXT"),
    ("audit_log", "outcome", "TEXT NOT NULL DEFAULT 'allowed'"),
    // How often within a minute, for what was denied.
    ("audit_log", "times", "BIGINT NOT NULL DEFAULT 1"),
    // A JSON object.
    ("audit_log", "details", "TEXT"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column, definition) in COLUMNS {
            if !manager.has_column(table, column).await? {
                let sql = format!("ALTER TABLE {table} ADD COLUMN {column} {definition}");
                manager.get_connection().execute_unprepared(&sql).await?;
            }
        }
        crate::dialect::run(manager, include_str!("m20261126_000004_tenancy.sql")).await
    }
}
