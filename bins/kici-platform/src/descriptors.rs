//! The limit of open files, which bounds the connections.

use anyhow::bail;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http::{Bounds, CONNECTIONS_MAX};

/// The most connections to the listener of `/metrics`, `/ready` and `/health`, where it is on: they
/// work also while all other connections are in use.
pub(crate) const OPERATOR_CONNECTIONS_MAX: usize = 64;
/// Files that one connection to the database takes: SQLite has three of each.
const FILES_PER_DATABASE_CONNECTION: usize = 3;
/// What else is open: listeners, logs, requests to the identity provider and the mail server, links
/// that are being closed.
const OTHER_FILES: usize = 128;
/// The fewest connections that are worth serving.
const CONNECTIONS_MIN: usize = 64;
/// What some systems allow at most where they set no limit, such as macOS.
const FILES_MAX_FALLBACK: u64 = 10_240;

/// Raises the limit of open files as far as the process may, and returns the bounds of the connections
/// that it leaves room for.
///
/// # Errors
/// Fails if it leaves room for too few, and says how to raise it.
pub(crate) fn bounds(database_connections: u32) -> anyhow::Result<Bounds> {
    let files = raise();
    let reserve = reserve(database_connections);
    let connections = files.saturating_sub(reserve).min(CONNECTIONS_MAX);
    if connections < CONNECTIONS_MIN {
        bail!(
            "the process may open {files} files, and needs {}: {reserve} for the database and itself, \
             {CONNECTIONS_MIN} for connections; raise the hard limit (systemd: `LimitNOFILE=16384`, \
             shell: `ulimit -Hn`)",
            reserve + CONNECTIONS_MIN
        );
    }
    if connections < CONNECTIONS_MAX {
        tracing::warn!(
            files,
            connections,
            "the limit of open files leaves room for fewer than {CONNECTIONS_MAX} connections; raise \
             the hard limit to {} (systemd: `LimitNOFILE=16384`)",
            reserve + CONNECTIONS_MAX
        );
    }
    Ok(Bounds::of(connections))
}

/// How many files are set aside for what is no connection to the main listener.
fn reserve(database_connections: u32) -> usize {
    let database = usize::try_from(database_connections).unwrap_or(usize::MAX);
    let database = database.saturating_mul(FILES_PER_DATABASE_CONNECTION);
    database.saturating_add(OPERATOR_CONNECTIONS_MAX + OTHER_FILES)
}

/// Raises the soft limit to the hard one, and returns it.
fn raise() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if let Err(error) = raised {
        let current = maximum.map_or(FILES_MAX_FALLBACK, |most| most.min(FILES_MAX_FALLBACK));
        // A soft limit that is higher already stays.
        if getrlimit(Resource::Nofile).current.is_some_and(|now| now < current)
            && setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum }).is_err()
        {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files).unwrap_or(usize::MAX)
}
