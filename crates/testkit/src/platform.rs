//! The platform in process: the real server on a real port.

use std::net::SocketAddr;
use std::sync::{Arc, Once};

use anyhow::Context;
use kici_api::RateLimits;
use kici_domain::App;
use kici_model::MasterKeys;
use kici_platform::{Issuer, MasterKeySource, Options, Person, Server};
use tokio::net::TcpListener;

use crate::tap::Tap;
use crate::{Database, secrets};

/// The master key of every platform in process.
pub const MASTER_KEY: &str =
    "kici_mk_7465737474657374746573747465737474657374746573747465737474657374";

/// A running platform. Its end fails the test where the server has told a secret twice, or to its
/// log.
#[derive(Debug)]
pub struct TestPlatform {
    server: Server,
    http: reqwest::Client,
    /// Where it is, the tap before it if it has one.
    address: SocketAddr,
    _tap: Option<Tap>,
}

impl TestPlatform {
    /// Starts over `database`, which outlives it.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(database: &Database) -> anyhow::Result<Self> {
        Self::start_with(Self::options(database)).await
    }

    /// The options of [`start`](Self::start): the usual ones, but without rate limits, and with a
    /// master key that is the same for all tests and needs no file.
    #[must_use]
    pub fn options(database: &Database) -> Options {
        Self::options_for(database.url())
    }

    /// The same over the database at `url`.
    #[must_use]
    pub fn options_for(url: &str) -> Options {
        let options = Options::new(url);
        let keys = MASTER_KEY.parse().ok().and_then(|key| MasterKeys::new([key]));
        let master_keys = keys.map_or_else(|| options.master_keys.clone(), MasterKeySource::Given);
        Options { rate_limits: RateLimits::none(), master_keys, ..options }
    }

    /// Starts with `options`.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_with(options: Options) -> anyhow::Result<Self> {
        Self::start_at("127.0.0.1:0", options).await
    }

    /// Starts with an identity provider of its own, that of `dev`, which knows `people`.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_with_issuer(options: Options, people: Vec<Person>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port")?;
        let issuer = Issuer::new(listener.local_addr()?, people, options.clock.clone())?;
        let oidc = Some(issuer.config());
        Self::start_on(listener, Options { oidc, issuer: Some(issuer), ..options }).await
    }

    /// Starts on an address of its own, such as that of one that was stopped.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_at(address: &str, options: Options) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.context("no port")?;
        Self::start_on(listener, options).await
    }

    /// Starts with nothing that watches it: no tap, no log.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_unwatched(options: Options) -> anyhow::Result<Self> {
        let http = http_client()?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port")?;
        let server = Server::start(listener, options).await?;
        Ok(Self { address: server.address(), server, http, _tap: None })
    }

    async fn start_on(listener: TcpListener, options: Options) -> anyhow::Result<Self> {
        secrets::read_log();
        // The first, since it makes the crypto provider that the server's own client asks for.
        let http = http_client()?;
        let address = listener.local_addr()?;
        let behind = TcpListener::bind("127.0.0.1:0").await.context("no port")?;
        let public_url = options.public_url.or_else(|| Some(format!("http://{address}")));
        let server = Server::start(behind, Options { public_url, ..options }).await?;
        let tap = Tap::start(listener, server.address());
        Ok(Self { server, http, address, _tap: Some(tap) })
    }

    /// The address of `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where the metrics are, where they are served.
    #[must_use]
    pub fn metrics_url(&self) -> Option<String> {
        Some(format!("http://{}/metrics", self.server.metrics_address()?))
    }

    /// Where orchestrators connect, without the tap.
    #[must_use]
    pub fn link_url(&self) -> String {
        format!("ws://{}/ws", self.server.address())
    }

    /// `127.0.0.1:PORT`, without the tap: of whoever speaks as no client of ours does.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// The application behind it.
    #[must_use]
    pub fn app(&self) -> &Arc<App> {
        self.server.app()
    }

    /// A client for it.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// Something broke on the way down.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.server.stop().await
    }
}

/// A client that goes to this machine directly, and follows no redirection.
///
/// # Errors
/// It can't be made.
pub fn http_client() -> anyhow::Result<reqwest::Client> {
    // It asks for a crypto provider even where it opens no TLS.
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let builder = reqwest::Client::builder().no_proxy();
    builder.redirect(reqwest::redirect::Policy::none()).build().context("no HTTP client")
}
