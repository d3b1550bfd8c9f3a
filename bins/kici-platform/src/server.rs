//! The server: everything put together, started and stopped in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use ipnet::IpNet;
use kici_api::{Origin, Platform, RateLimits};
use kici_domain::ports::{IdentityProvider, Mailer};
use kici_domain::{App, Settings};
use kici_link::{Hub, Limits};
use kici_model::{Clock, Entropy, OsEntropy, SystemClock};
use kici_store::{DatabaseUrl, Store};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::descriptors::OPERATOR_CONNECTIONS_MAX;
use crate::dev::Issuer;
use crate::http::Bounds;
use crate::master_key::{self, MasterKeySource};
use crate::{dev, http};

/// What a server is made from.
pub struct Options {
    /// The database; brought up to date on start.
    pub database_url: String,
    /// Where the master keys are that seal the secrets in it.
    pub master_keys: MasterKeySource,
    /// The most connections to it.
    pub connections: u32,
    /// Where providers reach the server; `None` is its own address.
    pub public_url: Option<String>,
    /// How people sign in; `None` where nobody can.
    pub oidc: Option<kici_oidc::Config>,
    /// Who takes our mails; `None` where none are sent.
    pub mail: Option<kici_mail::Config>,
    /// An issuer of our own, whoever comes being whoever they say: for this machine alone.
    pub issuer: Option<Issuer>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call the API with tokens.
    pub cors_origins: Vec<Origin>,
    /// Whether to answer on this machine alone.
    pub is_local: bool,
    /// Where `/metrics` is served; `None` is nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// How often anybody may ask.
    pub rate_limits: RateLimits,
    /// The bounds of connections to the server; its trusted proxies are those above.
    pub bounds: Bounds,
    /// The link's limits.
    pub limits: Limits,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Hides the address of the database, which may hold a password.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

impl Options {
    /// The usual options over the database at `database_url`.
    #[must_use]
    pub fn new(database_url: impl Into<String>) -> Self {
        let database_url = database_url.into();
        Self {
            master_keys: MasterKeySource::beside(&database_url, None),
            database_url,
            connections: 16,
            public_url: None,
            oidc: None,
            mail: None,
            issuer: None,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            is_local: false,
            metrics_listen: None,
            rate_limits: RateLimits::default(),
            bounds: Bounds::default(),
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    app: Arc<App>,
    stop: CancellationToken,
    http: JoinHandle<()>,
    metrics: Option<JoinHandle<()>>,
    hub: Arc<Hub>,
    tasks: TaskTracker,
    store: Store,
}

impl Server {
    /// Brings the database up to date and serves on `listener`.
    ///
    /// # Errors
    /// The database can't be reached or brought up to date, or something else listens where the
    /// metrics should.
    pub async fn start(listener: TcpListener, mut options: Options) -> anyhow::Result<Self> {
        let address = listener.local_addr().context("the listener has no address")?;
        let metrics = match options.metrics_listen {
            Some(at) => Some(crate::serve::bind(at).await?),
            None => None,
        };
        let metrics_address = metrics.as_ref().map(TcpListener::local_addr).transpose()?;
        // A link makes room for links only: as many connections as that must be left for others.
        let most = options.limits.unauthenticated.min(options.bounds.connections.div_ceil(8));
        options.limits.unauthenticated = most;
        let (store, hub, app) = assemble(&options, Some(address)).await?;
        if options.issuer.is_some() && !address.ip().is_loopback() {
            bail!("an issuer that believes everybody is for this machine alone");
        }
        // Pages elsewhere could reach such an issuer by a name of theirs, and be anybody.
        let is_local = options.is_local || options.issuer.is_some();
        let issuer = options.issuer.map(|issuer| (dev::issuer::PATH, issuer.into_endpoint()));
        let mut platform =
            Platform::new(app.clone(), hub.clone()).with_rate_limits(options.rate_limits);
        platform.trusted_proxies = options.trusted_proxies.into();
        platform.cors_origins = options.cors_origins.into();
        let bounds = Bounds { trusted_proxies: platform.trusted_proxies.clone(), ..options.bounds };
        platform.only_host = is_local.then(|| address.ip().to_string().into());
        let tasks = platform.tasks.clone();
        let stop = CancellationToken::new();
        let routes = kici_api::routes(platform.clone(), issuer);
        let http = tokio::spawn(http::serve(listener, routes, bounds, stop.clone()));
        let metrics = metrics.map(|listener| {
            let bounds = Bounds::of(OPERATOR_CONNECTIONS_MAX);
            let routes = kici_api::metrics(app.clone());
            tokio::spawn(http::serve(listener, routes, bounds, stop.clone()))
        });
        tokio::spawn(write_notes(platform.clone(), stop.clone()));
        tokio::spawn(look_for_ends(app.clone(), stop.clone()));
        Ok(Self { address, metrics_address, app, stop, http, metrics, hub, tasks, store })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `/metrics` is served.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// The application behind it.
    #[must_use]
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Stops: takes no new request, ends those under way, and then the links with 1001. Each step has
    /// an end, whatever the database and the peers do.
    ///
    /// # Errors
    /// Something broke on the way down; everything was stopped all the same.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        let served = self.http.await;
        // Deliveries whose sender has hung up are no requests any more, but still under way.
        self.tasks.close();
        in_time("deliveries", 15, self.tasks.wait()).await;
        in_time("links", 25, self.hub.leave()).await;
        if let Some(Err(trouble)) = in_time("notes", 5, self.app.write_notes()).await {
            tracing::warn!(error = &trouble as &dyn std::error::Error, "last notes not written");
        }
        if let Some(metrics) = self.metrics {
            in_time("metrics", 5, metrics).await;
        }
        // A connection that still waits for the database waits for ever.
        if let Some(closed) = in_time("the database", 10, self.store.close()).await {
            closed.context("the database was not closed in order")?;
        }
        served.context("the server's task broke")
    }
}

/// What comes of a step of stopping, unless it takes too long. With the 30 s that requests have, all of
/// them take 90 s at most.
async fn in_time<T>(what: &str, seconds: u64, step: impl Future<Output = T>) -> Option<T> {
    let ended = tokio::time::timeout(Duration::from_secs(seconds), step).await.ok();
    if ended.is_none() {
        tracing::warn!(what, "stopped without waiting any longer");
    }
    ended
}

/// How often what is noted beside the requests is written.
const NOTES: Duration = Duration::from_secs(5);

async fn write_notes(platform: Platform, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(NOTES)).await.is_some() {
        platform.forget();
        if let Err(trouble) = kici_domain::idempotency::forget(&platform.app).await {
            tracing::warn!(error = &trouble as &dyn std::error::Error, "old answers not forgotten");
        }
        if let Err(trouble) = platform.app.write_notes().await {
            tracing::warn!(error = &trouble as &dyn std::error::Error, "notes not written");
        }
    }
}

/// How often keys are looked for that end soon, and sessions that are over.
const HOUR: Duration = Duration::from_secs(60 * 60);

async fn look_for_ends(app: Arc<App>, stop: CancellationToken) {
    let mut pause = Duration::from_secs(60);
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        if let Err(trouble) = kici_domain::sessions::forget(&app).await {
            tracing::warn!(
                error = &trouble as &dyn std::error::Error,
                "old sessions not forgotten"
            );
        }
        if let Err(trouble) = app.warn_of_expiry().await {
            tracing::warn!(error = &trouble as &dyn std::error::Error, "not warned of keys' ends");
        }
        pause = HOUR;
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
    let url: DatabaseUrl = options.database_url.parse().context("the database can't be used")?;
    url.prepare().await?;
    let place = url.place();
    kici_migration::migrate(url.expose())
        .await
        .with_context(|| format!("the database at `{place}` was not brought up to date"))?;
    let store = Store::open(url.expose(), options.connections)
        .await
        .with_context(|| format!("the database at `{place}` can't be used"))?;
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::default());
    let clock = options.clock.clone();
    let hub = Arc::new(Hub::new(options.limits.clone(), clock.clone(), entropy.clone()));
    // Where others reach a server is for its operator to say; on one machine there is nothing to say.
    let own = address.filter(|_| options.is_local);
    let own = own.map(|address| format!("http://{address}"));
    let settings = Settings { public_url: options.public_url.clone().or(own) };
    let identity =
        options.oidc.clone().map(|config| provider(config, clock.clone())).transpose()?;
    let mailer = options.mail.clone().map(mailer).transpose()?;
    let keys = &options.master_keys;
    let keys = master_key::open(keys, &store, &*clock, &*entropy, options.is_local).await?;
    let app = App::new(store.clone(), clock, entropy, hub.clone(), identity, settings, keys);
    let app = match mailer {
        Some(mailer) => app.with_mailer(mailer),
        None => app,
    };
    Ok((store, hub, Arc::new(app)))
}

fn provider(
    config: kici_oidc::Config,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn IdentityProvider>> {
    let provider = kici_oidc::Provider::new(config, clock);
    Ok(Arc::new(provider.context("the identity provider can't be used")?))
}

fn mailer(config: kici_mail::Config) -> anyhow::Result<Arc<dyn Mailer>> {
    let smtp = kici_mail::Smtp::new(config).context("the mail server can't be used")?;
    Ok(Arc::new(smtp))
}
