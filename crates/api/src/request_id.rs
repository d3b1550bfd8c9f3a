//! The id of a request: taken from the caller or drawn, in the log, the answer and the audit.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kici_domain::metrics::Metrics;
use kici_model::text::RequestId;
use kici_model::{Entropy, EntropyError, TextError};
use poem::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use poem::http::{HeaderValue, Method, Uri};
use poem::{Request, Response, Result};
use poem_openapi::OperationId;
use tracing::Span;

use crate::problem::ApiError;

const HEADER: &str = "x-request-id";

/// A request that has come in: what its answer and its line in the log need of it.
pub(crate) struct Arrived {
    pub(crate) id: RequestId,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    /// Every line of the log that is written on its behalf has its id.
    pub(crate) span: Span,
    begun: Instant,
}

/// Gives a request its id.
pub(crate) fn assign(request: &mut Request) -> Result<Arrived> {
    let id = given(request).map_or_else(drawn, Ok)?;
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let span = tracing::info_span!("request", id = %id);
    request.extensions_mut().insert(id.clone());
    Ok(Arrived { id, method, uri, span, begun: Instant::now() })
}

impl Arrived {
    /// Gives the answer its id, and the headers that every answer has.
    pub(crate) fn mark(&self, response: &mut Response) {
        if let Ok(value) = HeaderValue::from_str(self.id.as_str()) {
            response.headers_mut().insert(HEADER, value);
        }
        // Answers are for who has asked, and are what they say that they are.
        let headers = response.headers_mut();
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }

    /// Marks the answer, logs in one line what became of the request, and counts it.
    pub(crate) fn answered(self, response: &mut Response, metrics: &Metrics) {
        self.mark(response);
        let (status, after) = (response.status().as_u16(), self.begun.elapsed());
        let operation = response.data::<OperationId>().map_or("", |id| id.0);
        metrics.answered(operation, status, after);
        let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let (method, path) = (&self.method, self.uri.path());
        self.span.in_scope(|| tracing::info!(%method, path, status, millis, "answered"));
    }
}

fn given(request: &Request) -> Option<RequestId> {
    request.header(HEADER)?.parse().ok()
}

/// Ids of requests have to differ; nobody gains from guessing one. So they are drawn from a hash with
/// a key of this process, and the operating system is not asked for each.
#[derive(Debug, Default)]
struct Ids {
    key: RandomState,
    count: AtomicU64,
}

impl Entropy for Ids {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for part in bytes.chunks_mut(8) {
            let hash = self.key.hash_one(self.count.fetch_add(1, Ordering::Relaxed));
            part.iter_mut().zip(hash.to_ne_bytes()).for_each(|(byte, drawn)| *byte = drawn);
        }
        Ok(())
    }
}

fn drawn() -> Result<RequestId> {
    static IDS: LazyLock<Ids> = LazyLock::new(Ids::default);
    let drawn = kici_model::entropy::uuid(&*IDS).map_err(|error| error.to_string());
    let id = drawn.and_then(|id| id.parse().map_err(|error: TextError| error.to_string()));
    Ok(id.map_err(|error| ApiError::bug(&error))?)
}

/// The id that [`assign`] gave to a request.
pub(crate) fn of(request: &Request) -> Result<&RequestId> {
    let id = request.extensions().get();
    Ok(id.ok_or_else(|| ApiError::bug("a request without an id"))?)
}
