//! The platform, with an organization and a key for its orchestrator.

use anyhow::{Context, bail};
use kici_bench_stage::parts::say;
use kici_bench_stage::servers::{block_on, until_let_go};
use kici_testkit::{Database, TestOrg, TestPlatform};
use serde::{Deserialize, Serialize};

/// Where it is, and how to get in.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) address: String,
    pub(crate) link: String,
    pub(crate) path: String,
    pub(crate) key: String,
}

pub(crate) fn run(database: &str) -> anyhow::Result<()> {
    block_on(async {
        let database = match database {
            "sqlite" => Database::sqlite().await?,
            "postgres" => Database::postgres().await?.context("no PostgreSQL")?,
            other => bail!("no database `{other}`"),
        };
        let platform = TestPlatform::start_unwatched(TestPlatform::options(&database)).await?;
        let org = TestOrg::create(&platform, "Bench").await?;
        let (_, key) = org.orchestrator_key(&platform).await?;
        say(&Open {
            address: platform.address(),
            link: platform.link_url(),
            path: format!("/webhook/{}/github", org.id),
            key,
        })?;
        until_let_go().await?;
        platform.stop().await
    })
}
