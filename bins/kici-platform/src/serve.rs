//! `kici-platform serve`

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::server::Options;
use crate::{Config, Server, telemetry};

/// Serves until SIGTERM or Ctrl-C.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    telemetry::start(&config.log.level, config.log.format)?;
    let listener = bind(config.server.listen).await?;
    let server = Server::start(listener, options(config)).await?;
    tracing::info!(address = %server.address(), "serving");
    stop_signal().await?;
    tracing::info!("stopping");
    server.stop().await
}

/// The options that a configuration means.
pub(crate) fn options(config: Config) -> Options {
    Options {
        connections: config.database.connections,
        public_url: config.server.public_url,
        trusted_proxies: config.server.trusted_proxies,
        ..Options::new(config.database.url)
    }
}

pub(crate) async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("can't listen on {address}; is something else running there?"))
}

/// Waits until somebody asks the process to end.
pub(crate) async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("no signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no signals")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
