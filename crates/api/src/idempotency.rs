//! `Idempotency-Key`: whoever repeats a change under the same key gets the same answer.
//!
//! The doors claim the key, once they know who asks and that they may: so a repetition is checked
//! like the first request, and only then answered from what was kept.

use std::sync::{Arc, Mutex, PoisonError};

use kici_domain::idempotency::{self, Begun, Claim};
use kici_domain::{Attempt, OUTCOME_UNKNOWN};
use kici_model::TextError;
use kici_model::audit::Actor;
use kici_model::idempotency::KeptAnswer;
use kici_model::text::IdempotencyKey;
use poem::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Body, Endpoint, IntoResponse, Request, Response, Result};
use serde_json::Value;
use tracing::Instrument;

use crate::problem::{ApiError, FieldError, Problem};
use crate::routes::Platform;

const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A request that calls itself something, and the claim once a door has made it.
#[derive(Clone)]
struct Named {
    key: Result<IdempotencyKey, TextError>,
    fingerprint: String,
    claim: Arc<Mutex<Option<Claim>>>,
}

/// Claims the key of a request, where it has one; an answer that was given before ends it here.
pub(crate) async fn claim(request: &Request, actor: &Actor) -> Result<()> {
    let Some(named) = request.extensions().get::<Named>() else { return Ok(()) };
    let platform = Platform::of(request)?;
    let key = named.key.clone().map_err(|error| {
        let (path, message) = ("Idempotency-Key".to_owned(), error.to_string());
        ApiError::fields(vec![FieldError { path, message, position: None }])
    })?;
    let begun = idempotency::begin(&platform.app, actor, key, &named.fingerprint).await;
    match begun.map_err(ApiError::from)? {
        Begun::Do(claim) => {
            *named.claim.lock().unwrap_or_else(PoisonError::into_inner) = Some(claim);
            Ok(())
        }
        Begun::Again(answer) => Err(poem::Error::from_response(again(answer))),
    }
}

/// Questions that are posted, for their bodies: they change nothing.
const QUESTIONS: [&str; 3] = ["/permissions/explain", "/permissions/batch", "/roles/simulate"];

/// What a change calls itself, where it does.
pub(crate) fn key(request: &Request) -> Option<HeaderValue> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let path = request.uri().path();
    let is_question = is_read || QUESTIONS.iter().any(|question| path.ends_with(question));
    request.headers().get(KEY).filter(|_| !is_question).cloned()
}

/// Remembers the answer to a change that calls itself `key`.
pub(crate) async fn remember<E: Endpoint + 'static>(
    next: Arc<E>,
    mut request: Request,
    key: HeaderValue,
) -> Result<Response> {
    let key = key.to_str().unwrap_or_default().parse();
    let bytes = request.take_body().into_bytes().await?;
    let what = format!("{} {}\n", request.method(), request.uri());
    let fingerprint = kici_domain::sha256(&[what.as_bytes(), &bytes]);
    request.set_body(bytes);
    let named = Named { key, fingerprint, claim: Arc::default() };
    let claim = named.claim.clone();
    request.extensions_mut().insert(named);
    let platform = Platform::of(&request)?;
    let (tasks, app) = (platform.tasks.clone(), platform.app.clone());
    let attempt = Attempt::current();
    // A task of its own: what a caller began who hangs up is done, and its answer kept.
    let done = tasks.spawn(
        async move {
            let answered = attempt.run(next.call(request)).await;
            let answered = answered.map(IntoResponse::into_response);
            let claim = claim.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(claim) = claim else { return answered };
            let (answered, kept) = match answered {
                Ok(response) if response.status().is_success() => {
                    let (response, kept) = split(response).await?;
                    (Ok(response), Some(kept))
                }
                other => (other, None),
            };
            let noted = match &kept {
                Some(kept) => idempotency::keep(&app, claim, kept).await,
                // What may be done must not be done again.
                None if is_unknown(&answered) => Ok(()),
                None => idempotency::release(&app, claim).await,
            };
            if let Err(trouble) = noted {
                tracing::error!(error = &trouble as &dyn std::error::Error, "answer not kept");
            }
            answered
        }
        .instrument(tracing::Span::current()),
    );
    done.await.map_err(|error| ApiError::bug(&error.to_string()))?
}

/// Whether nobody knows what became of a change.
fn is_unknown(answered: &Result<Response>) -> bool {
    let problem = answered.as_ref().err().and_then(poem::Error::data::<Problem>);
    problem.is_some_and(|problem| problem.code() == OUTCOME_UNKNOWN)
}

/// The response as it is, and what is kept of it.
async fn split(mut response: Response) -> Result<(Response, KeptAnswer)> {
    let bytes = response.take_body().into_bytes().await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    let id = json.pointer("/key/id").or_else(|| json.get("id")).and_then(Value::as_str);
    // `kici-admin` knows the token of a key by another name.
    let secret = json.get("token").or_else(|| json.get("key").filter(|key| key.is_string()));
    let secret_of = secret.map(|_| id.unwrap_or_default().to_owned());
    let etag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    let kept = KeptAnswer {
        status: response.status().as_u16(),
        body: Some(text).filter(|text| secret_of.is_none() && !text.is_empty()),
        etag: etag.map(ToOwned::to_owned),
        secret_of,
    };
    response.set_body(Body::from(bytes));
    Ok((response, kept))
}

fn again(answer: KeptAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = Response::builder().status(status).finish();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    if let Some(tag) = answer.etag.and_then(|tag| HeaderValue::from_str(&tag).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    if let Some(body) = answer.body {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response.set_body(body);
    }
    response
}
