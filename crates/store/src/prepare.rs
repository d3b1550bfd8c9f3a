//! What is checked before a database is opened: that it can be used, and that it is ours.

use std::time::Duration;

use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};

use crate::DatabaseUrl;
use crate::availability::cause;
use crate::check::{DatabaseRefused, check};
use crate::sqlite_file;
use crate::url::Target;

/// How long PostgreSQL has to take the first connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a database can't be used: a sentence with the file or host, and what to do. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnusableDatabase(pub(crate) String);

impl DatabaseUrl {
    /// Checks the database before anything is written to it, and creates a SQLite file that is missing,
    /// for its owner alone. Call it before the migrations.
    ///
    /// # Errors
    /// Returns [`UnusableDatabase`] if the file or server can't be used, or the file is not ours.
    pub async fn prepare(&self) -> Result<(), UnusableDatabase> {
        self.check_files()?;
        match &self.target {
            Target::Sqlite { path, .. } => {
                sqlite_file::create(path)?;
                sqlite_file::check_contents(path).await
            }
            Target::Postgres { options, .. } => {
                let connected = tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await;
                let Ok(connected) = connected else {
                    return Err(self.unreachable(&sqlx::Error::PoolTimedOut));
                };
                let mut connection = connected.map_err(|error| self.unreachable(&error))?;
                let checked = check(options, &mut connection).await;
                // That it can't be closed in order changes nothing.
                drop(connection.close().await);
                checked.map_err(|refused| match refused {
                    DatabaseRefused::Driver(error) => self.unreachable(&error),
                    refused => self.unusable(&refused.to_string()),
                })
            }
        }
    }

    /// Checks what can be said without opening the database: files, folders and their permissions.
    ///
    /// # Errors
    /// Returns [`UnusableDatabase`] with the file and, if permissions are the reason, the user.
    pub fn check_files(&self) -> Result<(), UnusableDatabase> {
        match &self.target {
            Target::Sqlite { path, is_created } => sqlite_file::check(path, *is_created),
            Target::Postgres { files, .. } => {
                for (parameter, path) in files {
                    if let Err(error) = std::fs::File::open(path) {
                        let path = path.display();
                        let text = format!("`{parameter}` of `database.url`: `{path}`: {error}");
                        return Err(UnusableDatabase(text));
                    }
                }
                Ok(())
            }
        }
    }

    /// Sentences for the operator about what works but is unsafe.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let of_files = self.sqlite_path().map(sqlite_file::warnings).unwrap_or_default();
        self.tls_warning().into_iter().chain(of_files).collect()
    }

    fn unreachable(&self, error: &sqlx::Error) -> UnusableDatabase {
        self.unusable(&cause(error).1)
    }

    fn unusable(&self, cause: &str) -> UnusableDatabase {
        UnusableDatabase(format!("the database at `{}` can't be used: {cause}", self.place()))
    }
}
