//! The platform itself, with an organization and its owner; alone, or with a thousand others.

use anyhow::Context;
use kici_bench_stage::parts::say;
use kici_bench_stage::servers::{block_on, until_let_go};
use kici_testkit::{Database, TestOrg, TestPlatform};
use serde::{Deserialize, Serialize};

use crate::crowd;

/// Where it is, and how to get in.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) address: String,
    pub(crate) database: String,
    pub(crate) org: String,
    pub(crate) token: String,
}

pub(crate) fn run(is_crowded: bool) -> anyhow::Result<()> {
    block_on(async {
        let database = Database::postgres().await?.context("no PostgreSQL")?;
        let platform = TestPlatform::start_unwatched(TestPlatform::options(&database)).await?;
        let org = TestOrg::create(&platform, "Bench").await?;
        if is_crowded {
            crowd::fill(database.url(), org.id.as_str()).await?;
        }
        say(&Open {
            address: platform.address(),
            database: database.url().to_owned(),
            org: org.id.to_string(),
            token: org.token,
        })?;
        until_let_go().await?;
        platform.stop().await
    })
}
