//! The small orchestrator, over a real WebSocket: it verifies, answers, and does nothing else.

use std::time::Duration;

use anyhow::Context;
use kici_bench_stage::parts::say;
use kici_bench_stage::servers::{block_on, until_let_go};
use kici_model::Secret;
use kici_orchestrator_core::{Config, Orchestrator, Source};

use crate::{APP, SECRET};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(link: &str, key: &str) -> anyhow::Result<()> {
    block_on(async {
        let source = Source::github(APP, "Bench", Secret::new(SECRET.to_owned()));
        let config = Config::new(link, Secret::new(key.to_owned())).with_sources([source]);
        let orchestrator = Orchestrator::start(config);
        orchestrator.wait_until_registered(PATIENCE).await.context("not registered")?;
        say(&"ready")?;
        until_let_go().await?;
        orchestrator.stop().await;
        Ok(())
    })
}
