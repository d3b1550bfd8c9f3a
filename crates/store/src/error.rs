//! What can go wrong between a statement and its rows.

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

/// Why the store could not do what it was asked. Absence is no error: it is an `Option`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique name or key is taken, or something it refers to is not there.
    #[error("conflict with what is stored")]
    Conflict(#[source] DbErr),
    /// The database can't be reached, is too busy, or can't write at the moment. Nothing was changed;
    /// trying again later can help.
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
    /// Anything else: a mistake in a statement, a damaged file.
    #[error("the database refused a statement")]
    Other(#[source] DbErr),
}

/// Why a statement failed, where the reason lies with the database and not with the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection is gone, or PostgreSQL ends it because it stops or starts.
    Lost,
    /// No connection, memory or other resource was left.
    Exhausted,
    /// PostgreSQL accepts no writes in this session (25006), as after a failover.
    ReadOnly,
    /// The file or its disk: full, not writable, or broken.
    Storage,
    /// A lock or a statement took too long.
    Timeout,
    /// PostgreSQL ended the transaction in favor of another one (40001, 40P01).
    Contention,
    /// The file is damaged.
    Corrupt,
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            Some(
                SqlErr::UniqueConstraintViolation(_) | SqlErr::ForeignKeyConstraintViolation(_),
            ) => Self::Conflict(error),
            _ => match failure(&error) {
                Some(Failure::Corrupt) | None => Self::Other(error),
                Some(_) => Self::Unavailable(error),
            },
        }
    }
}

impl StoreError {
    /// The outcome of a commit that failed. Where the database itself has reported an error, nothing
    /// was changed; but a file that could not be synchronized may hold the change all the same.
    pub(crate) fn of_commit(error: DbErr) -> Self {
        let database_error = sqlx_error(&error).and_then(sqlx::Error::as_database_error);
        let is_kept_out = failure(&error) != Some(Failure::Lost)
            && database_error.is_some_and(|error| !is_sync_error(error));
        if is_kept_out { error.into() } else { Self::Uncertain(error) }
    }

    /// Whether PostgreSQL ended the transaction in favor of another one. Nothing was changed, and the
    /// same transaction can succeed at once.
    #[must_use]
    pub fn is_contention(&self) -> bool {
        matches!(self, Self::Unavailable(error) if failure(error) == Some(Failure::Contention))
    }
}

pub(crate) fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// The reason of a failure, where it lies with the database.
pub(crate) fn failure(error: &DbErr) -> Option<Failure> {
    match error {
        DbErr::ConnectionAcquire(_) => Some(Failure::Exhausted),
        _ => match sqlx_error(error).map(failure_in_driver) {
            Some(Some(failure)) => Some(failure),
            _ if matches!(error, DbErr::Conn(_)) => Some(Failure::Lost),
            _ => None,
        },
    }
}

/// The same of an error that did not pass through the ORM.
pub(crate) fn failure_in_driver(error: &sqlx::Error) -> Option<Failure> {
    match error {
        sqlx::Error::PoolTimedOut => Some(Failure::Exhausted),
        sqlx::Error::Io(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => Some(Failure::Lost),
        sqlx::Error::Database(error) => {
            let code = error.code()?;
            if error.try_downcast_ref::<SqliteError>().is_some() {
                sqlite(&code)
            } else {
                postgres(&code)
            }
        }
        _ => None,
    }
}

/// By SQLSTATE (PostgreSQL, Appendix A).
fn postgres(code: &str) -> Option<Failure> {
    match code {
        "25006" => Some(Failure::ReadOnly),
        "53100" | "58030" => Some(Failure::Storage),
        "57014" | "55P03" => Some(Failure::Timeout),
        "40001" | "40P01" => Some(Failure::Contention),
        "25P03" => Some(Failure::Lost),
        _ if code.starts_with("08") || code.starts_with("57P0") => Some(Failure::Lost),
        _ if code.starts_with("53") => Some(Failure::Exhausted),
        _ => None,
    }
}

/// By result code (<https://www.sqlite.org/rescode.html>); the low byte of an extended one is its
/// primary code.
fn sqlite(code: &str) -> Option<Failure> {
    match code.parse::<i32>().ok()? & 0xff {
        5 | 6 => Some(Failure::Timeout),
        7 => Some(Failure::Exhausted),
        8 | 10 | 13 | 14 => Some(Failure::Storage),
        11 | 26 => Some(Failure::Corrupt),
        _ => None,
    }
}

/// `SQLITE_IOERR_FSYNC` and `SQLITE_IOERR_DIR_FSYNC`: what was written before may be on the disk.
fn is_sync_error(error: &dyn DatabaseError) -> bool {
    error.try_downcast_ref::<SqliteError>().is_some()
        && error.code().is_some_and(|code| matches!(&*code, "1034" | "1290"))
}

/// Whether the connection is gone.
pub(crate) fn is_broken(error: &sqlx::Error) -> bool {
    failure_in_driver(error) == Some(Failure::Lost)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_reason() {
        for (code, want) in [
            ("08006", Some(Failure::Lost)),
            ("57P01", Some(Failure::Lost)),
            ("57P03", Some(Failure::Lost)),
            ("25P03", Some(Failure::Lost)),
            ("53100", Some(Failure::Storage)),
            ("53300", Some(Failure::Exhausted)),
            ("57014", Some(Failure::Timeout)),
            ("55P03", Some(Failure::Timeout)),
            ("25006", Some(Failure::ReadOnly)),
            ("40001", Some(Failure::Contention)),
            ("40P01", Some(Failure::Contention)),
            ("23505", None),
            ("25P02", None),
        ] {
            assert_eq!(postgres(code), want, "{code}");
        }
        for (code, want) in [
            ("5", Some(Failure::Timeout)),
            ("517", Some(Failure::Timeout)),
            ("6", Some(Failure::Timeout)),
            ("8", Some(Failure::Storage)),
            ("1032", Some(Failure::Storage)),
            ("10", Some(Failure::Storage)),
            ("778", Some(Failure::Storage)),
            ("13", Some(Failure::Storage)),
            ("14", Some(Failure::Storage)),
            ("11", Some(Failure::Corrupt)),
            ("26", Some(Failure::Corrupt)),
            ("1", None),
            ("19", None),
            ("no number", None),
        ] {
            assert_eq!(sqlite(code), want, "{code}");
        }
    }
}
