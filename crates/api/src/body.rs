//! JSON bodies: read whole, every field looked at, all errors told at once.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use kici_model::Text;
use kici_rbac::{Matrix, RepoPattern};
use poem::http::StatusCode;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{ApiError, FieldError};
use crate::routes::READ_TIMEOUT;

/// The largest JSON body, in bytes.
const LARGEST: usize = 1024 * 1024;
/// The most patterns that a role may have.
const PATTERNS: usize = 100;
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

    /// A permission matrix; `None` inside when it is left out.
    #[expect(clippy::option_option, reason = "refused, left out and given are three things")]
    pub(crate) fn matrix(&mut self, name: &'static str) -> Option<Option<Matrix>> {
        self.read.insert(name);
        let object = match self.object.get(name) {
            None | Some(Value::Null) => return Some(None),
            Some(Value::Object(object)) => object.clone(),
            Some(other) => {
                let message =
                    format!("must be an object from resource to level, not {}", kind(other));
                self.refuse(name, message);
                return None;
            }
        };
        let mut entries = Vec::new();
        let before = self.errors.len();
        for (resource, level) in &object {
            match level.as_str() {
                Some(level) => entries.push((resource.as_str(), level)),
                None => self
                    .refuse(&format!("{name}.{}", short(resource)), "must be a level".to_owned()),
            }
        }
        match Matrix::parse(entries) {
            Ok(matrix) if self.errors.len() == before => Some(Some(matrix)),
            Ok(_) => None,
            Err(errors) => {
                for error in errors {
                    let path = format!("{name}.{}", short(error.key()));
                    self.refuse(&path, error.problem().to_string());
                }
                None
            }
        }
    }

    /// A permission matrix that must be there.
    pub(crate) fn required_matrix(&mut self, name: &'static str) -> Option<Matrix> {
        let found = self.matrix(name)?;
        if found.is_none() {
            self.refuse(name, "is missing: an object from resource to level is needed".to_owned());
        }
        found
    }

    /// One of a few words; `default` when it is left out.
    pub(crate) fn choice(
        &mut self,
        name: &'static str,
        default: &'static str,
        words: &[&'static str],
    ) -> Option<&'static str> {
        self.read.insert(name);
        let given = match self.object.get(name) {
            None | Some(Value::Null) => return Some(default),
            Some(given) => given.as_str(),
        };
        let found = words.iter().find(|word| given == Some(**word)).copied();
        if found.is_none() {
            self.refuse(name, format!("must be one of `{}`", words.join("`, `")));
        }
        found
    }

    /// Repository patterns: 1 to 100 of them; `None` inside when they are left out.
    #[expect(clippy::option_option, reason = "refused, left out and given are three things")]
    pub(crate) fn patterns(&mut self, name: &'static str) -> Option<Option<Vec<RepoPattern>>> {
        self.read.insert(name);
        let items = match self.object.get(name) {
            None | Some(Value::Null) => return Some(None),
            Some(Value::Array(items)) if (1..=PATTERNS).contains(&items.len()) => items.clone(),
            Some(_) => {
                self.refuse(name, format!("must be an array of 1 to {PATTERNS} patterns"));
                return None;
            }
        };
        let mut patterns = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let path = format!("{name}[{at}]");
            match item.as_str().map(RepoPattern::parse) {
                Some(Ok(pattern)) => patterns.push(pattern),
                Some(Err(error)) => self.errors.push(FieldError {
                    path,
                    message: error.reason().to_owned(),
                    position: u32::try_from(error.position()).ok(),
                }),
                None => self.refuse(&path, "must be a string".to_owned()),
            }
        }
        (patterns.len() == items.len()).then_some(Some(patterns))
    }

    /// A whole number within `range`; `None` inside when it is left out.
    #[expect(clippy::option_option, reason = "refused, left out and given are three things")]
    pub(crate) fn number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<Option<u32>> {
        self.read.insert(name);
        let value = match self.object.get(name) {
            None | Some(Value::Null) => return Some(None),
            Some(value) => value.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        let value = value.filter(|number| range.contains(number));
        if value.is_none() {
            let (low, high) = (range.start(), range.end());
            self.refuse(name, format!("must be a whole number from {low} to {high}"));
        }
        value.map(Some)
    }

    /// `true` or `false`; `false` when it is left out.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.read.insert(name);
        let value = match self.object.get(name) {
            None | Some(Value::Null) => return Some(false),
            Some(value) => value.as_bool(),
        };
        if value.is_none() {
            self.refuse(name, "must be `true` or `false`".to_owned());
        }
        value
    }

    /// A word of the permission language that must be there.
    pub(crate) fn required_word<T: FromStr<Err: Display>>(
        &mut self,
        name: &'static str,
    ) -> Option<T> {
        self.read.insert(name);
        let given = self.object.get(name).and_then(Value::as_str);
        let Some(given) = given else {
            self.refuse(name, "must be a string".to_owned());
            return None;
        };
        match given.parse() {
            Ok(word) => Some(word),
            Err(error) => {
                self.refuse(name, error.to_string());
                None
            }
        }
    }

    /// Whether a field is there at all, `null` included.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// An object whose own fields are read by `read`.
    pub(crate) fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.read.insert(name);
        let Some(Value::Object(object)) = self.object.get(name) else {
            self.refuse(name, "must be an object".to_owned());
            return None;
        };
        let mut inner = Self::new(object.clone());
        let value = read(&mut inner);
        let errors = inner.finish().into_iter();
        self.errors.extend(
            errors.map(|error| FieldError { path: format!("{name}.{}", error.path), ..error }),
        );
        value
    }

    /// Refuses the whole of a field, for a reason that lies between fields.
    pub(crate) fn refuse(&mut self, name: &str, message: String) {
        self.errors.push(FieldError { path: name.to_owned(), message, position: None });
    }

    fn finish(mut self) -> Vec<FieldError> {
        let known = self.read.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let unknown: Vec<_> = self
            .object
            .keys()
            .filter(|name| !self.read.contains(name.as_str()))
            .map(|name| short(name))
            .collect();
        for name in unknown {
            self.refuse(&name, format!("is not known here; there are {known}"));
        }
        self.errors
    }
}

/// What a caller sent, fit for an answer.
fn short(text: &str) -> String {
    kici_domain::shorten(text, 100)
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
pub(crate) async fn whole(body: poem::Body, limit: usize) -> Result<Bytes, ApiError> {
    let unbounded = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    Ok(within(body, limit, &unbounded).await?.0)
}

/// The same within a memory that all bodies share, counted in KiB: what has arrived is taken from
/// it, not what was announced, so that a sender who sends nothing holds nothing.
///
/// What is too large is still read for a while and thrown away: a sender whose connection is closed
/// while it writes sees a broken pipe instead of the answer.
pub(crate) async fn within(
    body: poem::Body,
    limit: usize,
    memory: &Arc<Semaphore>,
) -> Result<(Bytes, OwnedSemaphorePermit), ApiError> {
    match tokio::time::timeout(READ_TIMEOUT, read_up_to(body, limit, memory)).await {
        Ok(read) => read,
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

async fn read_up_to(
    body: poem::Body,
    limit: usize,
    memory: &Arc<Semaphore>,
) -> Result<(Bytes, OwnedSemaphorePermit), ApiError> {
    let mut stream = pin!(body.into_bytes_stream());
    let (mut whole, mut total) = (BytesMut::new(), 0);
    let mut room = more(memory, 0)?;
    let mut is_full = false;
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| {
            let text = format!("The body could not be read: {error}");
            ApiError::new(StatusCode::BAD_REQUEST, "incomplete_body", text)
        })?;
        total += piece.len();
        if total > limit + LINGER {
            break;
        }
        let wanted = total.min(limit).div_ceil(1024).saturating_sub(room.num_permits());
        match more(memory, wanted) {
            Ok(granted) if total <= limit && !is_full => {
                room.merge(granted);
                whole.extend_from_slice(&piece);
            }
            // Nothing of it will be used: what it has taken goes back, and the rest is passed over.
            other => {
                is_full |= other.is_err();
                whole = BytesMut::new();
                room = more(memory, 0)?;
            }
        }
    }
    match () {
        () if total > limit => Err(too_large(limit)),
        () if is_full => Err(ApiError::busy(
            "The server holds as many bodies as it can; send the delivery again",
        )),
        () => Ok((whole.freeze(), room)),
    }
}

fn more(memory: &Arc<Semaphore>, kib: usize) -> Result<OwnedSemaphorePermit, ApiError> {
    let kib = u32::try_from(kib).unwrap_or(u32::MAX);
    let granted = memory.clone().try_acquire_many_owned(kib);
    granted.map_err(|_| ApiError::busy("The server holds as many bodies as it can"))
}

pub(crate) fn too_large(limit: usize) -> ApiError {
    let text = format!("The body is larger than {limit} bytes");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
}
