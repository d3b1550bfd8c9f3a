//! Runs a request again whose transaction PostgreSQL has ended in favor of another one (serialization
//! failure, deadlock). Nothing was changed then, and the same request can succeed at once.

use bytes::Bytes;
use kici_domain::Attempt;
use poem::http::{Extensions, HeaderMap, Method, Uri, Version, uri::Scheme};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Body, Request, RequestParts, Response, Result};

/// How often a request is run again.
const RETRIES: u32 = 2;

/// Marks an answer that stands for such a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contention;

/// What is left of the retries of a request, and what it is made from once more.
pub(crate) struct Retries {
    left: u32,
    attempt: Attempt,
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    extensions: Extensions,
    addresses: (LocalAddr, RemoteAddr, Scheme),
    body: Bytes,
}

impl Retries {
    /// Of a request whose body has arrived; `None` where it changes nothing.
    pub(crate) async fn of(request: &mut Request) -> Result<Option<Self>> {
        if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(None);
        }
        let body = request.take_body().into_bytes().await?;
        request.set_body(body.clone());
        Ok(Some(Self {
            left: RETRIES,
            attempt: Attempt::default(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: request.headers().clone(),
            extensions: request.extensions().clone(),
            addresses: (
                request.local_addr().clone(),
                request.remote_addr().clone(),
                request.scheme().clone(),
            ),
            body,
        }))
    }

    /// Runs `work`, and sees whether it commits.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.attempt.run(work).await
    }

    /// The request once more, where `answered` allows it.
    pub(crate) fn next(&mut self, answered: &Result<Response>) -> Option<Request> {
        let is_contention =
            answered.as_ref().is_err_and(|error| error.data::<Contention>().is_some());
        if !is_contention || self.left == 0 || self.attempt.has_committed() {
            return None;
        }
        self.left -= 1;
        tracing::info!("run again: the database ended the transaction in favor of another one");
        let (mut parts, ()) = poem::http::Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.uri = self.uri.clone();
        parts.version = self.version;
        parts.headers = self.headers.clone();
        parts.extensions = self.extensions.clone();
        let (local, remote, scheme) = self.addresses.clone();
        let parts = RequestParts::from((parts, local, remote, scheme));
        Some(Request::from_parts(parts, Body::from(self.body.clone())))
    }
}
