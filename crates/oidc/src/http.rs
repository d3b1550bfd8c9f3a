//! Asking the provider: a bounded answer, in a bounded time, from where it was asked for.

use std::error::Error;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use kici_domain::metrics::{ProviderEndpoint, ProviderMetrics, ProviderOutcome};
use kici_domain::ports::IdentityError;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

/// How long an answer may take, the connection included.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer, in bytes.
const LARGEST: usize = 1024 * 1024;
/// How many questions may be under way: anybody's token, or code, can be the reason for one.
const AT_ONCE: usize = 32;
/// How long a question waits until others have their answers.
const QUEUE: Duration = Duration::from_secs(2);

/// What went wrong, for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("`{0}` can't be asked")]
    Failed(Url, #[source] Box<dyn Error + Send + Sync>),
    #[error("`{0}` answered {1}")]
    Status(Url, StatusCode),
    #[error("`{0}` answered with more than {LARGEST} bytes")]
    TooLarge(Url),
    /// What is wrong with it is not told: the words for that quote what they found.
    #[error("`{0}` answered with something else than was asked for")]
    Unreadable(Url),
    #[error("too many questions to the identity provider are under way")]
    Busy,
    #[error("the provider calls itself `{found}`, the configuration `{wanted}`")]
    OtherIssuer { found: String, wanted: String },
    #[error("the provider names no {0}, or one that may not be asked")]
    NoEndpoint(&'static str),
}

impl From<HttpError> for IdentityError {
    fn from(error: HttpError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

/// A client for one provider.
#[derive(Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
    room: Semaphore,
    pub(crate) metrics: ProviderMetrics,
}

impl Http {
    /// A redirection is not followed: it would take a secret, or a question, elsewhere.
    pub(crate) fn new(issuer: &Url) -> Result<Self, reqwest::Error> {
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .user_agent(concat!("kici-platform/", env!("CARGO_PKG_VERSION")));
        let builder =
            if crate::is_loopback(issuer) { builder.no_proxy() } else { builder.https_only(true) };
        let (client, room) = (builder.build()?, Semaphore::new(AT_ONCE));
        Ok(Self { client, room, metrics: ProviderMetrics::default() })
    }

    /// A document that the provider has published. It waits for nobody: [`Keys`](crate::keys::Keys)
    /// asks for one at a time, and what strangers ask must not keep everybody's keys away.
    pub(crate) async fn document<T: DeserializeOwned>(
        &self,
        endpoint: ProviderEndpoint,
        url: &Url,
    ) -> Result<T, HttpError> {
        self.get(endpoint, url, self.client.get(url.clone())).await
    }

    /// What it says of the person of a token.
    pub(crate) async fn profile<T: DeserializeOwned>(
        &self,
        url: &Url,
        token: &str,
    ) -> Result<T, HttpError> {
        let mut request = self.client.get(url.clone());
        if let Ok(mut value) = HeaderValue::try_from(format!("Bearer {token}")) {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let _room = self.room(ProviderEndpoint::Userinfo).await?;
        self.get(ProviderEndpoint::Userinfo, url, request).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        endpoint: ProviderEndpoint,
        url: &Url,
        request: RequestBuilder,
    ) -> Result<T, HttpError> {
        match self.send(endpoint, url, request.header(ACCEPT, "application/json")).await? {
            (StatusCode::OK, bytes) => json(url, &bytes),
            (status, _) => Err(HttpError::Status(url.clone(), status)),
        }
    }

    /// The answer to a form, with its status.
    pub(crate) async fn post(
        &self,
        endpoint: ProviderEndpoint,
        url: &Url,
        form: String,
        basic: Option<HeaderValue>,
    ) -> Result<(StatusCode, Vec<u8>), HttpError> {
        let mut request = self
            .client
            .post(url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        if let Some(basic) = basic {
            request = request.header(AUTHORIZATION, basic);
        }
        let _room = self.room(endpoint).await?;
        self.send(endpoint, url, request).await
    }

    /// Room for one more question.
    async fn room(&self, endpoint: ProviderEndpoint) -> Result<SemaphorePermit<'_>, HttpError> {
        let room = tokio::time::timeout(QUEUE, self.room.acquire()).await;
        room.ok().and_then(Result::ok).ok_or_else(|| {
            self.metrics.requested(endpoint, ProviderOutcome::Busy, QUEUE);
            HttpError::Busy
        })
    }

    async fn send(
        &self,
        endpoint: ProviderEndpoint,
        url: &Url,
        request: RequestBuilder,
    ) -> Result<(StatusCode, Vec<u8>), HttpError> {
        let begun = Instant::now();
        let answer = send(url, request).await;
        let outcome = match &answer {
            Ok((status, _)) if !is_failure(endpoint, *status) => ProviderOutcome::Answered,
            _ => ProviderOutcome::Failed,
        };
        self.metrics.requested(endpoint, outcome, begun.elapsed());
        answer
    }
}

/// Whether a status says that the provider could not answer, or not to this server; others are its
/// answer, which may be a no.
fn is_failure(endpoint: ProviderEndpoint, status: StatusCode) -> bool {
    let is_down = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    match endpoint {
        ProviderEndpoint::Discovery | ProviderEndpoint::Keys | ProviderEndpoint::Introspection => {
            status != StatusCode::OK
        }
        // 401: it does not know this server (`invalid_client`). A bad code is 400 or 403.
        ProviderEndpoint::Token => is_down || status == StatusCode::UNAUTHORIZED,
        // It may refuse the token of a person.
        ProviderEndpoint::Userinfo => is_down,
    }
}

async fn send(url: &Url, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), HttpError> {
    let failed =
        |error: reqwest::Error| HttpError::Failed(url.clone(), Box::new(error.without_url()));
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    Ok((status, whole(url, response).await?))
}

async fn whole(url: &Url, response: Response) -> Result<Vec<u8>, HttpError> {
    let mut bytes = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let failed =
            |error: reqwest::Error| HttpError::Failed(url.clone(), Box::new(error.without_url()));
        let piece = piece.map_err(failed)?;
        if bytes.len() + piece.len() > LARGEST {
            return Err(HttpError::TooLarge(url.clone()));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

pub(crate) fn json<T: DeserializeOwned>(url: &Url, bytes: &[u8]) -> Result<T, HttpError> {
    serde_json::from_slice(bytes).map_err(|_| HttpError::Unreadable(url.clone()))
}
