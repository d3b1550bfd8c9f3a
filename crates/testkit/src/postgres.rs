//! A database of its own for each test, on a throw-away PostgreSQL or on a server of somebody's
//! own: cloned from a template, so that migrations run once.
//!
//! PostgreSQL 15 or newer. Without [`SERVER`] in the environment there is no PostgreSQL to test on;
//! whether that is an error is for the caller to say.

mod cluster;
mod home;
mod process;
mod tools;

use std::fmt::Display;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use kici_model::{OsEntropy, entropy};
use tokio::sync::OnceCell;
use tokio::time::sleep;

pub use cluster::Cluster;
pub use process::signal;

/// The environment variable with the URL of the server's `postgres` database.
pub const SERVER: &str = "KICI_TEST_PG_URL";
/// What every database is cloned from.
const TEMPLATE: &str = "kici_template";
/// Begins the name of every database that is made for a test.
const PREFIX: &str = "kici_test_";
/// How often something is tried while another connection is in the way, and the pause between.
const ATTEMPTS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Makes an empty, migrated database and gives its URL; `None` where there is no server.
///
/// # Errors
/// There is a server, but it does not do what it should.
pub async fn fresh_database() -> anyhow::Result<Option<String>> {
    let Some(server) = std::env::var(SERVER).ok().filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{PREFIX}{}_{count}_{}", std::process::id(), random()?);
    clone_template(&server, &name).await.with_context(|| format!("can't make `{name}`"))?;
    let url = database(&server, &name);
    // The template of a server that lives longer than a test run may lack the newest migrations.
    kici_migration::migrate(&url).await.with_context(|| format!("can't migrate `{name}`"))?;
    Ok(Some(url))
}

/// Drops a database that [`fresh_database`] has made, with whatever is still connected to it.
///
/// # Errors
/// It is another one, or the server does not drop it.
pub async fn drop_database(url: &str) -> anyhow::Result<()> {
    let (server, name) = (database(url, "postgres"), name(url));
    if !name.starts_with(PREFIX) {
        bail!("`{name}` was not made for a test");
    }
    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    kici_migration::execute(&server, &sql).await.with_context(|| format!("can't drop `{name}`"))
}

/// Makes the template if there is none. Several processes may do so at once: each migrates a draft
/// of its own, and the first to rename it wins, so nobody ever sees a template that is half done.
///
/// # Errors
/// The server can't be reached, or a migration fails.
pub async fn prepare(server: &str) -> anyhow::Result<()> {
    let draft = format!("kici_draft_{}", random()?);
    kici_migration::execute(server, &format!("CREATE DATABASE {draft}")).await?;
    let done = migrate_and_rename(server, &draft).await;
    if !matches!(done, Ok(true)) {
        kici_migration::execute(server, &format!("DROP DATABASE {draft} WITH (FORCE)")).await?;
    }
    done.map(drop)
}

/// Whether the draft is the template now; not if there was one already.
async fn migrate_and_rename(server: &str, draft: &str) -> anyhow::Result<bool> {
    kici_migration::migrate(&database(server, draft))
        .await
        .context("can't migrate the template")?;
    let sql = format!("ALTER DATABASE {draft} RENAME TO {TEMPLATE}");
    for _ in 0..ATTEMPTS {
        match kici_migration::execute(server, &sql).await {
            Ok(()) => return Ok(true),
            Err(error) if says(&error, "already exists") => return Ok(false),
            // The migration's own connection may take a moment to go away.
            Err(error) if says(&error, "being accessed") => sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
    bail!("`{draft}` is never free to be renamed")
}

async fn clone_template(server: &str, name: &str) -> anyhow::Result<()> {
    // Of all tests in this process that find no template, one makes it and the others wait.
    static PREPARED: OnceCell<()> = OnceCell::const_new();
    let sql = format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy");
    for _ in 0..ATTEMPTS {
        match kici_migration::execute(server, &sql).await {
            Ok(()) => return Ok(()),
            Err(error) if says(&error, "does not exist") => {
                PREPARED.get_or_try_init(|| prepare(server)).await?;
            }
            Err(error) if says(&error, "being accessed") => sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
    bail!("`{TEMPLATE}` is never free to be cloned")
}

/// The server's own words are all there is: no SQLSTATE comes through [`kici_migration::execute`].
fn says(error: &impl Display, words: &str) -> bool {
    error.to_string().contains(words)
}

/// Lower-case hex: part of a name that needs no quotes.
fn random() -> anyhow::Result<String> {
    let uuid = entropy::uuid(&OsEntropy::default())?;
    Ok(uuid.chars().filter(char::is_ascii_hexdigit).take(12).collect())
}

/// The URL of another database on the same server.
fn database(url: &str, name: &str) -> String {
    let (address, options) = match url.split_once('?') {
        Some((address, options)) => (address, format!("?{options}")),
        None => (url, String::new()),
    };
    let (scheme, rest) = address.split_once("://").unwrap_or(("postgres", address));
    let host = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{host}/{name}{options}")
}

/// The name of the database that `url` leads to.
fn name(url: &str) -> &str {
    let address = url.split('?').next().unwrap_or_default();
    address.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_a_url_changes() {
        for (url, want) in [
            ("postgres://u:p@h:1/postgres", "postgres://u:p@h:1/x"),
            ("postgresql://h", "postgresql://h/x"),
            ("postgres://h/a?sslmode=disable", "postgres://h/x?sslmode=disable"),
        ] {
            assert_eq!(database(url, "x"), want);
            assert_eq!(name(&database(url, "x")), "x");
        }
    }

    #[tokio::test]
    async fn only_databases_of_tests_are_dropped() {
        let error = drop_database("postgres://127.0.0.1:1/precious").await.unwrap_err();
        assert_eq!(error.to_string(), "`precious` was not made for a test");
    }
}
