//! The id of a request: taken from the caller or drawn, in the log, the answer and the audit.

use std::sync::Arc;
use std::time::Instant;

use kici_domain::App;
use kici_model::text::RequestId;
use kici_model::{OsEntropy, TextError};
use poem::http::HeaderValue;
use poem::{Endpoint, IntoResponse, Request, Response, Result};
use poem_openapi::OperationId;
use tracing::Instrument;

use crate::problem::ApiError;

const HEADER: &str = "x-request-id";

/// Gives the request its id, logs it with what became of it in one line, and counts it.
pub(crate) async fn assign<E: Endpoint>(
    app: Arc<App>,
    next: Arc<E>,
    mut request: Request,
) -> Result<Response> {
    let id = given(&request).map_or_else(drawn, Ok)?;
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
    let (status, after) = (response.status().as_u16(), begun.elapsed());
    let operation = response.data::<OperationId>().map_or("", |id| id.0);
    app.metrics().answered(operation, status, after);
    let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(%method, path, status, millis, "answered"));
    Ok(response)
}

fn given(request: &Request) -> Option<RequestId> {
    request.header(HEADER)?.parse().ok()
}

fn drawn() -> Result<RequestId> {
    let drawn = kici_model::entropy::uuid(&OsEntropy::default()).map_err(|e| e.to_string());
    let id = drawn.and_then(|id| id.parse().map_err(|error: TextError| error.to_string()));
    Ok(id.map_err(|error| ApiError::bug(&error))?)
}

/// The id that [`assign`] gave to a request.
pub(crate) fn of(request: &Request) -> Result<&RequestId> {
    let id = request.extensions().get();
    Ok(id.ok_or_else(|| ApiError::bug("a request without an id"))?)
}
