//! `kici-platform serve`

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::notify::{self, notify};
use crate::server::Options;
use crate::{Config, Server, descriptors, telemetry};

/// Serves until SIGTERM or Ctrl-C.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    telemetry::start(&config.log.level, config.log.format)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let bounds = descriptors::bounds(config.database.connections)?;
    let mut stop = StopSignal::listen()?;
    let listener = bind(config.server.listen).await?;
    let server = Server::start(listener, Options { bounds, ..options(config) }).await?;
    let metrics = server.metrics_address().map(|address| address.to_string());
    tracing::info!(address = %server.address(), metrics, "serving");
    notify(notify::READY);
    stop.came().await;
    tracing::info!("stopping");
    notify(notify::STOPPING);
    server.stop().await
}

/// The options that a configuration means.
pub(crate) fn options(config: Config) -> Options {
    let master_keys = config.master_keys();
    Options {
        master_keys,
        connections: config.database.connections,
        public_url: config.server.public_url,
        oidc: config.oidc,
        mail: config.mail,
        trusted_proxies: config.server.trusted_proxies,
        cors_origins: config.server.cors_origins,
        rate_limits: config.limits,
        metrics_listen: config.metrics.listen,
        ..Options::new(config.database.url.expose())
    }
}

pub(crate) async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("can't listen on {address}; is something else running there?"))
}

/// Listens for somebody who asks the process to end. Made before the process says that it is ready:
/// until then a signal would end it on the spot.
pub(crate) struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("no signals")?,
            interrupt: signal(SignalKind::interrupt()).context("no signals")?,
        })
    }

    /// SIGTERM or Ctrl-C.
    pub(crate) async fn came(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
