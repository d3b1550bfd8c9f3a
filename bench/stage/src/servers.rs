//! What every bench of servers needs: PostgreSQL, and a runtime like the platform's own.

use kici_testkit::postgres::{self, Cluster};
use tokio::runtime::{Builder, Runtime};

pub use kici_testkit::postgres::SERVER;

use crate::parts;

/// A PostgreSQL server: the one of [`SERVER`], else one of our own for as long as this lives.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    _cluster: Option<Cluster>,
}

impl Postgres {
    /// Starts it, and makes the template of the databases to come.
    ///
    /// # Errors
    /// There is no PostgreSQL.
    pub fn start() -> anyhow::Result<Self> {
        let given = std::env::var(SERVER).ok().filter(|url| !url.is_empty());
        runtime()?.block_on(async {
            let (url, cluster) = match given {
                Some(url) => (url, None),
                None => {
                    let cluster = Cluster::start(None).await?;
                    (cluster.url(), Some(cluster))
                }
            };
            postgres::prepare(&url).await?;
            Ok(Self { url, _cluster: cluster })
        })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// As many threads as the platform's binary has: one for each processor.
fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

/// Runs a part that serves.
///
/// # Errors
/// Those of the work.
pub fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    runtime()?.block_on(work)
}

/// Returns when whoever has started this part lets go of it.
///
/// # Errors
/// The runtime is gone.
pub async fn until_let_go() -> anyhow::Result<()> {
    Ok(tokio::task::spawn_blocking(parts::until_let_go).await?)
}
