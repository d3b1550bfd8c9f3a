//! What can go wrong between a statement and its rows.

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

/// Why the store could not do what it was asked. Absence is no error: it is an `Option`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique name or key is taken, or something it refers to is not there.
    #[error("conflict with what is stored")]
    Conflict(#[source] DbErr),
    /// The database can't be reached or is too busy; trying again may help.
    #[error("the database is not available")]
    Unavailable(#[source] DbErr),
    /// A row holds what this program does not write.
    #[error("corrupt row `{id}` in `{table}`: {what}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
        /// What is wrong with it.
        what: String,
    },
    /// The connection broke while a change was committed: it may be made, and it may not.
    #[error("the database was lost while a change was committed")]
    Uncertain(#[source] DbErr),
    /// Anything else: a mistake in a statement, a full disk.
    #[error("the database refused a statement")]
    Other(#[source] DbErr),
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            Some(
                SqlErr::UniqueConstraintViolation(_) | SqlErr::ForeignKeyConstraintViolation(_),
            ) => Self::Conflict(error),
            _ if matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_))
                || sqlx_error(&error).is_some_and(is_lost) =>
            {
                Self::Unavailable(error)
            }
            _ => Self::Other(error),
        }
    }
}

impl StoreError {
    /// What became of a commit that failed. Where the database has said so itself, nothing was changed.
    pub(crate) fn of_commit(error: DbErr) -> Self {
        let has_said = sqlx_error(&error)
            .is_some_and(|error| error.as_database_error().is_some() && !is_lost(error));
        if has_said { error.into() } else { Self::Uncertain(error) }
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// Whether the database can't be reached.
fn is_lost(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) || is_broken(error)
}

/// Whether the connection is gone, or PostgreSQL ends it: it is stopped, or starts (57P01 to 57P03).
pub(crate) fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P0"))
        }
        _ => false,
    }
}

/// Turns what a parser says of a stored value into [`StoreError::Corrupt`].
pub(crate) trait OrCorrupt<T> {
    fn or_corrupt(self, table: &'static str, id: &str) -> Result<T, StoreError>;
}

impl<T, E: std::fmt::Display> OrCorrupt<T> for Result<T, E> {
    fn or_corrupt(self, table: &'static str, id: &str) -> Result<T, StoreError> {
        self.map_err(|what| StoreError::Corrupt {
            table,
            id: id.to_owned(),
            what: what.to_string(),
        })
    }
}
