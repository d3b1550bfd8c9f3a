//! The id of a request: taken from the caller or drawn, in the log, the answer and the audit.

use std::sync::Arc;
use std::time::Instant;

use kici_model::text::RequestId;
use kici_model::{Entropy, OsEntropy};
use poem::http::HeaderValue;
use poem::{Endpoint, IntoResponse, Request, Response, Result};
use tracing::Instrument;

const HEADER: &str = "x-request-id";

/// Gives the request its id and logs it, with what became of it, in one line.
pub(crate) async fn assign<E: Endpoint>(next: Arc<E>, mut request: Request) -> Result<Response> {
    let id = given(&request).unwrap_or_else(drawn);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!("request", id = %id);
    request.extensions_mut().insert(id.clone());
    let begun = Instant::now();
    let mut response = match next.call(request).instrument(span.clone()).await {
        Ok(response) => response.into_response(),
        Err(error) => error.into_response(),
    };
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HEADER, value);
    }
    span.in_scope(|| {
        tracing::info!(
            %method, path, status = response.status().as_u16(),
            millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX), "answered"
        );
    });
    Ok(response)
}

fn given(request: &Request) -> Option<RequestId> {
    request.header(HEADER)?.parse().ok()
}

/// Without randomness nothing can be made anyway, but a health check should still be answered.
fn drawn() -> RequestId {
    let entropy: &dyn Entropy = &OsEntropy::default();
    let id = kici_model::entropy::uuid(entropy).unwrap_or_else(|_| "no-entropy".to_owned());
    id.parse().unwrap_or_else(|_| unreachable_id())
}

#[expect(clippy::unwrap_used, reason = "a constant that the parser takes, as its test says")]
fn unreachable_id() -> RequestId {
    "request".parse().unwrap()
}

/// The id that [`assign`] gave to a request.
pub(crate) fn of(request: &Request) -> RequestId {
    request.extensions().get().cloned().unwrap_or_else(drawn)
}
