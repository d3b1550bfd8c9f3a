//! Whether the database takes writes: a row that is written again and again.

use kici_model::Timestamp;
use sea_orm::{ConnectionTrait, Statement};

use crate::{Store, StoreError};

const WRITE: &str = "UPDATE readiness SET written_at = $1 WHERE id = 1";

impl Store {
    /// Commits one row.
    ///
    /// # Errors
    /// The database does not take writes, or its file is known to be damaged.
    pub async fn probe(&self, now: Timestamp) -> Result<(), StoreError> {
        let tx = self.record().await?;
        let backend = tx.tx.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, WRITE, [now.to_utc().into()]);
        let written = tx.tx.execute_raw(statement).await?;
        if written.rows_affected() != 1 {
            return Err(StoreError::Corrupt {
                table: "readiness",
                id: "1".to_owned(),
                what: "the row is missing".to_owned(),
            });
        }
        tx.commit().await
    }

    /// Whether the last write failed for a reason that concerns every write, and none has succeeded
    /// since; or the file is damaged.
    #[must_use]
    pub fn is_write_failing(&self) -> bool {
        self.health.is_failing()
    }

    /// Whether the database file was found to be damaged. That ends with a restart only.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        self.health.is_corrupt()
    }
}
