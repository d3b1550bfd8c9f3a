//! JSON bodies: read whole, every field looked at, all errors told at once.

use std::collections::BTreeSet;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use kici_model::Text;
use poem::http::StatusCode;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::{Map, Value};

use crate::problem::{ApiError, FieldError};
use crate::routes::READ_TIMEOUT;

/// The largest JSON body, in bytes.
const LARGEST: usize = 1024 * 1024;
/// How much of a body that is too large is read all the same, in bytes.
const LINGER: usize = 32 * 1024 * 1024;

/// A request body. The type itself is only its schema; its fields are read by [`Request::read`].
pub(crate) trait Form: Type {
    /// What it means, parsed.
    type Command: Send;

    /// Reads every field. `None` when one of them was refused; `fields` then knows why.
    fn read(fields: &mut Fields) -> Option<Self::Command>;
}

/// The command that a body of the form `F` means.
pub(crate) struct Body<F: Form>(pub(crate) F::Command);

/// The fields of a JSON object, and what was wrong with them.
#[derive(Debug)]
pub(crate) struct Fields {
    object: Map<String, Value>,
    read: BTreeSet<&'static str>,
    errors: Vec<FieldError>,
}

impl Fields {
    fn new(object: Map<String, Value>) -> Self {
        Self { object, read: BTreeSet::new(), errors: Vec::new() }
    }

    /// A text that must be there.
    pub(crate) fn required<T: Text>(&mut self, name: &'static str) -> Option<T> {
        let found = self.optional(name)?;
        if found.is_none() {
            self.refuse(name, format!("is missing: {} is needed", T::NAME));
        }
        found
    }

    /// A text that may be left out or `null`; `None` when it is there and was refused.
    #[expect(clippy::option_option, reason = "refused, left out and given are three things")]
    pub(crate) fn optional<T: Text>(&mut self, name: &'static str) -> Option<Option<T>> {
        self.read.insert(name);
        match self.object.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(Value::String(text)) => match text.parse() {
                Ok(value) => Some(Some(value)),
                Err(error) => {
                    self.refuse(name, error.to_string());
                    None
                }
            },
            Some(other) => {
                let message = format!("must be a string, not {}", kind(other));
                self.refuse(name, message);
                None
            }
        }
    }

    fn refuse(&mut self, name: &str, message: String) {
        self.errors.push(FieldError { path: name.to_owned(), message });
    }

    fn finish(mut self) -> Vec<FieldError> {
        let known = self.read.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let unknown: Vec<_> = self
            .object
            .keys()
            .filter(|name| !self.read.contains(name.as_str()))
            .map(|name| kici_domain::shorten(name, 100))
            .collect();
        for name in unknown {
            self.refuse(&name, format!("is not known here; there are {known}"));
        }
        self.errors
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Reads a command out of a body's bytes.
fn read<F: Form>(bytes: &[u8]) -> Result<F::Command, ApiError> {
    let value: Value = if bytes.is_empty() {
        Value::Object(Map::new())
    } else {
        serde_json::from_slice(bytes).map_err(|error| {
            let text = format!("The body is not JSON: {error}");
            ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", text)
        })?
    };
    let Value::Object(object) = value else {
        let text = format!("The body must be a JSON object, not {}", kind(&value));
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", text));
    };
    let mut fields = Fields::new(object);
    let command = F::read(&mut fields);
    let errors = fields.finish();
    match command {
        Some(command) if errors.is_empty() => Ok(command),
        _ => Err(ApiError::fields(errors)),
    }
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
        Some(MetaRequest { description: None, content, required: true })
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
///
/// What is too large is still read for a while and thrown away: a sender whose connection is closed
/// while it writes sees a broken pipe instead of the answer.
pub(crate) async fn whole(body: poem::Body, limit: usize) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(READ_TIMEOUT, read_up_to(body, limit)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large(limit)),
        Ok(Err(error)) => {
            let text = format!("The body could not be read: {error}");
            Err(ApiError::new(StatusCode::BAD_REQUEST, "incomplete_body", text))
        }
        Err(_) => {
            let text = format!("The body did not arrive within {} s", READ_TIMEOUT.as_secs());
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", text))
        }
    }
}

/// Reads a body that nobody wants, for the same reason.
pub(crate) async fn discard(body: poem::Body) {
    drop(whole(body, 0).await);
}

async fn read_up_to(body: poem::Body, limit: usize) -> std::io::Result<Option<Bytes>> {
    let mut stream = pin!(body.into_bytes_stream());
    let (mut whole, mut total) = (BytesMut::new(), 0);
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        total += piece.len();
        if total <= limit {
            whole.extend_from_slice(&piece);
        } else if total > limit + LINGER {
            break;
        } else {
            whole = BytesMut::new();
        }
    }
    Ok((total <= limit).then(|| whole.freeze()))
}

pub(crate) fn too_large(limit: usize) -> ApiError {
    let text = format!("The body is larger than {limit} bytes");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
}
