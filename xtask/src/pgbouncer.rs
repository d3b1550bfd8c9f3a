//! PgBouncer, which one test puts before PostgreSQL.

use std::path::Path;

use crate::debian;

const PLACES: [&str; 3] = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];

/// Installs it if that is ours to do; elsewhere its test says that it is left out.
pub(crate) fn ensure() -> anyhow::Result<()> {
    let is_there = || PLACES.iter().any(|place| Path::new(place).exists());
    let is_installed = is_there() || (debian::install(&["pgbouncer"])? && is_there());
    if !is_installed {
        eprintln!("PgBouncer is not installed: its test is left out");
    }
    Ok(())
}
