//! JSON bodies: read whole, every field looked at, all errors told at once.

mod fields;
mod strict;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use poem::http::StatusCode;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::{Map, Value};

pub(crate) use fields::Fields;
use strict::Strict;

use crate::body_budget::{BodyLease, Share};
use crate::problem::ApiError;
use crate::routes::READ_TIMEOUT;
use crate::text::ID;

/// The largest JSON body, in bytes.
const LARGEST: usize = 1024 * 1024;
/// How much of a body that is too large is read all the same, in bytes.
const LINGER: usize = 32 * 1024 * 1024;

/// A request body. The type itself is only its schema; its fields are read by [`Form::read`].
pub(crate) trait Form: Type {
    /// What it means, parsed.
    type Command: Send;
    /// Whether no body at all is none of these; the document says it.
    const IS_NEEDED: bool = true;

    /// Whether fields that nobody knows are passed over: existing clients may send more than we read.
    const IS_LENIENT: bool = false;

    /// Reads every field. `None` when one of them was refused; `fields` then knows why.
    fn read(fields: &mut Fields) -> Option<Self::Command>;
}

/// The command that a body of the form `F` means.
pub(crate) struct Body<F: Form>(pub(crate) F::Command);

/// Reads a command out of a body's bytes.
fn read<F: Form>(bytes: &[u8]) -> Result<F::Command, ApiError> {
    let value: Value = if bytes.is_empty() {
        Value::Object(Map::new())
    } else {
        serde_json::from_slice::<Strict>(bytes).map(|strict| strict.0).map_err(|error| {
            let text = format!("The body is not JSON: {error}");
            ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", text)
        })?
    };
    let Value::Object(object) = value else {
        let text = format!("The body must be a JSON object, not {}", fields::kind(&value));
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", text));
    };
    let mut fields = Fields::new(object);
    let command = F::read(&mut fields);
    debug_assert!(
        fields.ids().is_subset(&marked::<F>()),
        "{} reads {:?} as ids, and its schema marks {:?}: make their type `Txt<…Id>`",
        F::name(),
        fields.ids(),
        marked::<F>()
    );
    let errors = if F::IS_LENIENT { fields.finish_leniently() } else { fields.finish() };
    match command {
        Some(command) if errors.is_empty() => Ok(command),
        _ => Err(ApiError::fields(errors)),
    }
}

/// The names of the properties that the schema of a form marks as ids.
fn marked<F: Form>() -> BTreeSet<&'static str> {
    let mut registry = Registry::default();
    F::register(&mut registry);
    let properties = registry.schemas.into_values().flat_map(|schema| schema.properties);
    properties.filter(|(_, schema)| is_id(schema)).map(|(name, _)| name).collect()
}

/// Whether it is an id or a list of ids.
fn is_id(schema: &MetaSchemaRef) -> bool {
    let MetaSchemaRef::Inline(schema) = schema else { return false };
    schema.format == Some(ID) || schema.items.as_deref().is_some_and(is_id)
}

impl<'a, F: Form> ApiExtractor<'a> for Body<F> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        F::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content =
            vec![MetaMediaType { content_type: "application/json", schema: F::schema_ref() }];
        Some(MetaRequest { description: None, content, required: F::IS_NEEDED })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let media = request.content_type().unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        let bytes = whole(body.take()?, LARGEST).await?;
        if !bytes.is_empty() && !media.eq_ignore_ascii_case("application/json") {
            let text = "Send the body as `application/json`";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(ApiError::new(status, "unsupported_media_type", text).into());
        }
        Ok(Self(read::<F>(&bytes)?))
    }
}

/// The whole body, if it is not larger than `limit` and arrives in time.
pub(crate) async fn whole(body: poem::Body, limit: usize) -> Result<Bytes, ApiError> {
    Ok(within(body, limit, BodyLease::uncounted(), |_| ()).await?.0)
}

/// The same within the memory that `lease` takes: what has arrived is taken from it, not what was
/// announced, so that a sender who sends nothing holds nothing. Where there is not enough, `refused`
/// is called once, when that is found, with the share that is used up.
///
/// What is too large is still read for a while and thrown away: a sender whose connection is closed
/// while it writes sees a broken pipe instead of the answer.
pub(crate) async fn within(
    body: poem::Body,
    limit: usize,
    lease: BodyLease,
    refused: impl FnOnce(Share),
) -> Result<(Bytes, BodyLease), ApiError> {
    let mut reading = Reading { lease, refusal: None, whole: BytesMut::new() };
    let read = tokio::time::timeout(READ_TIMEOUT, reading.read_up_to(body, limit, refused)).await;
    let Reading { lease, refusal, whole } = reading;
    // One that was refused for want of memory was not slow through its own fault alone.
    if let (Ok(Ok(())) | Err(_), Some(share)) = (&read, refusal) {
        return Err(ApiError::busy(&format!("{}; send this again", share.reason())));
    }
    match read {
        Ok(read) => read.map(|()| (whole.freeze(), lease)),
        Err(_) => {
            let text = format!("The body did not arrive within {} s", READ_TIMEOUT.as_secs());
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", text))
        }
    }
}

/// Waits for the whole body before anything is decided: a right that is checked first and used when
/// the last byte comes could be gone by then.
pub(crate) async fn arrived(
    request: &mut Request,
    body: poem::Body,
    lease: BodyLease,
    refused: impl FnOnce(Share),
) -> Result<()> {
    let (bytes, lease) = within(body, LARGEST, lease, refused).await?;
    request.set_body(bytes);
    // Given back with the request.
    request.extensions_mut().insert(Arc::new(lease));
    Ok(())
}

/// Reads a body that nobody wants, for the same reason.
pub(crate) async fn discard(body: poem::Body) {
    drop(whole(body, 0).await);
}

/// A body of which a part has arrived.
struct Reading {
    lease: BodyLease,
    /// The share that had no more for it; nothing of it is kept then.
    refusal: Option<Share>,
    whole: BytesMut,
}

impl Reading {
    async fn read_up_to(
        &mut self,
        body: poem::Body,
        limit: usize,
        refused: impl FnOnce(Share),
    ) -> Result<(), ApiError> {
        let mut stream = pin!(body.into_bytes_stream());
        let (mut total, mut refused) = (0, Some(refused));
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| {
                let text = format!("The body could not be read: {error}");
                ApiError::new(StatusCode::BAD_REQUEST, "incomplete_body", text)
            })?;
            total += piece.len();
            if total > limit + LINGER {
                break;
            }
            if total <= limit && self.refusal.is_none() {
                self.refusal = self.lease.grow_to(total).err();
            }
            match self.refusal {
                None if total <= limit => self.whole.extend_from_slice(&piece),
                // Nothing of it will be used: what it has taken goes back, and the rest is read over.
                refusal => {
                    self.whole = BytesMut::new();
                    self.lease.release();
                    if let Some((share, refused)) = refusal.zip(refused.take()) {
                        refused(share);
                    }
                }
            }
        }
        if total > limit { Err(too_large(limit)) } else { Ok(()) }
    }
}

pub(crate) fn too_large(limit: usize) -> ApiError {
    let text = format!("The body is larger than {limit} bytes");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
}
