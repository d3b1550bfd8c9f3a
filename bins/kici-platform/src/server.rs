//! The server: everything put together, started and stopped in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ipnet::IpNet;
use kici_api::Platform;
use kici_domain::{App, Settings};
use kici_link::{Hub, Limits};
use kici_model::{Clock, Entropy, OsEntropy, SystemClock};
use kici_store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::acceptor::Acceptor;

/// How long requests under way may take to end once the server stops.
const DRAIN: Duration = Duration::from_secs(30);
/// How long a connection may stay open without a byte.
const IDLE: Duration = Duration::from_secs(75);

/// What a server is made from.
#[derive(Debug)]
pub struct Options {
    /// The database; brought up to date on start.
    pub database_url: String,
    /// The most connections to it.
    pub connections: u32,
    /// Where providers reach the server; `None` is its own address.
    pub public_url: Option<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether to answer on this machine alone.
    pub is_local: bool,
    /// The link's limits.
    pub limits: Limits,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// The usual options over the database at `database_url`.
    #[must_use]
    pub fn new(database_url: impl Into<String>) -> Self {
        Self {
            database_url: database_url.into(),
            connections: 16,
            public_url: None,
            trusted_proxies: Vec::new(),
            is_local: false,
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    app: Arc<App>,
    stop: CancellationToken,
    http: JoinHandle<std::io::Result<()>>,
    hub: Arc<Hub>,
    deliveries: TaskTracker,
    store: Store,
}

impl Server {
    /// Brings the database up to date and serves on `listener`.
    ///
    /// # Errors
    /// The database can't be reached or brought up to date.
    pub async fn start(listener: TcpListener, options: Options) -> anyhow::Result<Self> {
        let address = listener.local_addr().context("the listener has no address")?;
        let (store, hub, app) = assemble(&options, Some(address)).await?;
        let platform = Platform {
            app: app.clone(),
            hub: hub.clone(),
            trusted_proxies: options.trusted_proxies.into(),
            only_host: options.is_local.then(|| "localhost".into()),
            deliveries: TaskTracker::new(),
        };
        let deliveries = platform.deliveries.clone();
        let stop = CancellationToken::new();
        let signal = stop.clone().cancelled_owned();
        let server = poem::Server::new_with_acceptor(Acceptor { listener, address });
        let http = tokio::spawn(server.idle_timeout(IDLE).run_with_graceful_shutdown(
            kici_api::routes(platform),
            signal,
            Some(DRAIN),
        ));
        Ok(Self { address, app, stop, http, hub, deliveries, store })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The application behind it.
    #[must_use]
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Stops: takes no new request, ends those under way, and then the links with 1001.
    ///
    /// # Errors
    /// Something broke on the way down; everything was stopped all the same.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        let served = self.http.await;
        // Deliveries whose sender has hung up are no requests any more, but still under way.
        self.deliveries.close();
        self.deliveries.wait().await;
        self.hub.leave().await;
        self.store.close().await.context("the database was not closed in order")?;
        served.context("the server's task broke")?.context("the server broke")
    }
}

/// The application alone, for commands that work on the database without serving.
pub(crate) async fn app(options: &Options) -> anyhow::Result<Arc<App>> {
    Ok(assemble(options, None).await?.2)
}

async fn assemble(
    options: &Options,
    address: Option<SocketAddr>,
) -> anyhow::Result<(Store, Arc<Hub>, Arc<App>)> {
    let url = &options.database_url;
    kici_migration::migrate(url).await.context("the database was not brought up to date")?;
    let store = Store::open(url, options.connections).await.context("no database")?;
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::default());
    let clock = options.clock.clone();
    let hub = Arc::new(Hub::new(options.limits.clone(), clock.clone(), entropy.clone()));
    let own = address.map(|address| format!("http://{address}"));
    let settings = Settings { public_url: options.public_url.clone().or(own) };
    let app = App::new(store.clone(), clock, entropy, hub.clone(), settings).await?;
    Ok((store, hub, Arc::new(app)))
}
