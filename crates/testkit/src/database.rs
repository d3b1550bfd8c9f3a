//! A database of its own for a test: empty, migrated, and gone afterwards.

use std::path::PathBuf;

use anyhow::Context;

use crate::{postgres, secrets};

/// A migrated database without any row.
#[derive(Debug)]
pub struct Database {
    url: String,
    folder: Option<PathBuf>,
}

impl Database {
    /// A SQLite file in a temporary folder, removed when this is dropped, which fails the test
    /// where a secret is in it.
    ///
    /// # Errors
    /// The folder or the file can't be made.
    pub async fn sqlite() -> anyhow::Result<Self> {
        let folder = crate::new_folder("test")?;
        let url = format!("sqlite://{}?mode=rwc", folder.join("platform.db").display());
        kici_migration::migrate(&url).await.context("SQLite was not migrated")?;
        Ok(Self { url, folder: Some(folder) })
    }

    /// A PostgreSQL database; `None` where no server is given by [`postgres::SERVER`].
    ///
    /// # Errors
    /// There is a server, but it does not do what it should.
    pub async fn postgres() -> anyhow::Result<Option<Self>> {
        let url = postgres::fresh_database().await?;
        Ok(url.map(|url| Self { url, folder: None }))
    }

    /// Its address, as the configuration has it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            secrets::check_rows(folder);
            drop(std::fs::remove_dir_all(folder));
        }
    }
}
