//! The demo's identity provider. It speaks OpenID Connect as a real one does, so that the same code
//! runs everywhere, but whoever comes is whoever they say: it is for this machine alone.

mod authorize;
mod device;
mod discovery;
mod grants;
mod pages;
mod token;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use data_encoding::BASE64URL_NOPAD;
use kici_model::{Clock, OsEntropy, Secret, entropy};
use kici_oidc::LinkClaim;
use poem::endpoint::BoxEndpoint;
use poem::http::{StatusCode, header};
use poem::{EndpointExt, Request, Response, Route, get, post};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use grants::Grants;

/// Where it is.
pub(crate) const PATH: &str = "/dev/oidc";
/// The client that is this server.
const SERVER: &str = "kici-platform";
/// The client that is KiCI's command line.
const CLI: &str = "kici-cli";
/// The largest form, in bytes.
const FORM: usize = 16 * 1024;
/// How long a token works, in seconds.
const TOKEN_LIFE: i64 = 10 * 60;

/// Somebody whom one can be.
#[derive(Debug, Clone)]
pub struct Person {
    subject: String,
    email: String,
    name: String,
    is_verified: bool,
    github: Option<(String, u64)>,
}

impl Person {
    /// Somebody with a verified address.
    #[must_use]
    pub fn new(subject: &str, email: &str, name: &str) -> Self {
        let [subject, email, name] = [subject, email, name].map(ToOwned::to_owned);
        Self { subject, email, name, is_verified: true, github: None }
    }

    /// The same with an address that nobody has verified.
    #[must_use]
    pub fn unverified(self) -> Self {
        Self { is_verified: false, ..self }
    }

    /// The same with an account at GitHub.
    #[must_use]
    pub fn at_github(self, login: &str, id: u64) -> Self {
        Self { github: Some((login.to_owned(), id)), ..self }
    }
}

/// The issuer.
pub struct Issuer {
    url: String,
    /// Where this server takes browsers back.
    callback: String,
    people: Vec<Person>,
    /// By which claims it tells accounts at other providers.
    links: Vec<LinkClaim>,
    secret: Secret<String>,
    kid: String,
    key: EcdsaKeyPair,
    random: SystemRandom,
    clock: Arc<dyn Clock>,
    grants: Mutex<Grants>,
}

/// Hides its key, and the codes that are under way.
impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Issuer {
    /// An issuer of the server at `address`, with a key of its own.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn new(
        address: SocketAddr,
        people: Vec<Person>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random);
        let pkcs8 = pkcs8.ok().context("no key")?;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random);
        Ok(Self {
            url: format!("http://{address}{PATH}"),
            callback: format!("http://{address}/auth/callback"),
            people,
            links: vec!["github=github_login:github_id".parse()?],
            secret: Secret::new(draw()?),
            kid: draw()?,
            key: key.ok().context("no key")?,
            random,
            clock,
            grants: Mutex::default(),
        })
    }

    /// Its address, and its name in its tokens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How this server lets people sign in with it.
    #[must_use]
    pub fn config(&self) -> kici_oidc::Config {
        kici_oidc::Config {
            issuer: self.url.clone(),
            client_id: SERVER.to_owned(),
            client_secret: Some(self.secret.clone()),
            audiences: vec![SERVER.to_owned()],
            introspection: false,
            link_claims: self.links.clone(),
        }
    }

    /// All of it, below [`PATH`].
    pub(crate) fn into_endpoint(self) -> BoxEndpoint<'static> {
        Route::new()
            .at("/.well-known/openid-configuration", get(discovery::metadata))
            .at("/jwks", get(discovery::jwks))
            .at("/authorize", get(authorize::ask).post(authorize::answer))
            .at("/device_authorization", post(device::begin))
            .at("/device", get(device::ask).post(device::answer))
            .at("/token", post(token::give))
            .data(Arc::new(self))
            .map_to_response()
            .boxed()
    }

    fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds since 1970.
    fn now(&self) -> i64 {
        self.clock.now().millis() / 1_000
    }

    fn person(&self, subject: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.subject == subject)
    }

    /// The public half of the key.
    fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = point.split_at_checked(32).unwrap_or_default();
        let [x, y] = [x, y].map(|half| BASE64URL_NOPAD.encode(half));
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid, "x": x, "y": y})
    }

    fn sign(&self, typ: &str, claims: &Value) -> Result<String, Refusal> {
        let header = json!({"alg": "ES256", "kid": self.kid, "typ": typ});
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.key.sign(&self.random, signed.as_bytes());
        let signature = signature.map_err(|_| Refusal::server("the token was not signed"))?;
        Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref())))
    }
}

/// Why there is nothing to give (RFC 6749, 5.2).
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error: &'static str,
    why: &'static str,
}

impl Refusal {
    const fn new(error: &'static str, why: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, why }
    }

    const fn server(why: &'static str) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, error: "temporarily_unavailable", why }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        let body = json!({"error": refusal.error, "error_description": refusal.why});
        answer(refusal.status, &body)
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .content_type("application/json")
        .header(header::CACHE_CONTROL, "no-store")
        .body(body.to_string())
}

/// 43 characters that nobody guesses.
fn draw() -> anyhow::Result<String> {
    Ok(entropy::base62(&OsEntropy::default(), 43)?)
}

fn draw_or_refuse() -> Result<String, Refusal> {
    draw().map_err(|_| Refusal::server("no randomness"))
}

/// The fields of a form.
async fn form<T: DeserializeOwned>(request: &Request, body: poem::Body) -> Result<T, Refusal> {
    let bad = Refusal::new("invalid_request", "the form can't be read");
    if !request.content_type().is_some_and(|t| t.starts_with("application/x-www-form-urlencoded")) {
        return Err(bad);
    }
    let Ok(bytes) = body.into_bytes_limit(FORM).await else { return Err(bad) };
    fields(&bytes).ok_or(bad)
}

/// The fields of a form or a query; `None` where one is there twice.
fn fields<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut object = serde_json::Map::new();
    for (name, value) in url::form_urlencoded::parse(bytes) {
        if object.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
            return None;
        }
    }
    serde_json::from_value(Value::Object(object)).ok()
}

/// Whether a page of another site has sent a form: it could make somebody be somebody.
fn is_cross_site(request: &Request, issuer: &Issuer) -> bool {
    let site = request.header("sec-fetch-site");
    let origin = request.header(header::ORIGIN);
    match (site, origin) {
        (Some(site), _) => site != "same-origin" && site != "none",
        (None, Some(origin)) => !issuer.url.starts_with(&format!("{origin}/")),
        (None, None) => false,
    }
}
