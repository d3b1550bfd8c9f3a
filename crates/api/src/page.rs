//! What every list that comes in pages shares.

use std::borrow::Cow;

use kici_model::page::Limit;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseFromParameter, ParseResult, Type};

use crate::problem::{ApiError, FieldError};

/// How many items a page may have, as it was asked for: whatever stands there is refused by
/// [`limit`], which says what works.
#[derive(Debug)]
pub(crate) struct Size(String);

impl Type for Size {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "integer".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            minimum: Some(1.0),
            maximum: Some(200.0),
            ..MetaSchema::new_with_format("integer", "uint64")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromParameter for Size {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        Ok(Self(value.to_owned()))
    }
}

/// The `limit` of a request: 1 to 200, 50 if left out.
pub(crate) fn limit(given: Option<Size>) -> Result<Limit, ApiError> {
    given.map_or(Ok(Limit::DEFAULT), read)
}

/// The `limit` of a request for one of the lists that hold what people configure: 1 to 200, all of
/// these if left out, so that whoever knows no cursors misses nothing.
pub(crate) fn limit_or_most(given: Option<Size>) -> Result<Limit, ApiError> {
    given.map_or(Ok(Limit::MOST), read)
}

fn read(Size(text): Size) -> Result<Limit, ApiError> {
    text.parse().ok().and_then(Limit::new).ok_or_else(|| {
        let message = format!("must be a whole number from 1 to {}", Limit::MAX);
        ApiError::fields(vec![FieldError { path: "limit".to_owned(), message, position: None }])
    })
}

/// A filter that is there but empty limits nothing. No text of ours holds a NUL, and PostgreSQL takes
/// none: such a filter finds nothing, as any other that fits nothing.
pub(crate) fn plain(given: Option<String>) -> Option<String> {
    given.filter(|text| !text.is_empty()).map(|text| text.replace('\0', "\u{fffd}"))
}
