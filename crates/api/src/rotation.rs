//! What the rotation of every kind of key takes.

use kici_domain::credentials::MOST_OVERLAP;
use poem_openapi::Object;

use crate::body::{Fields, Form};

/// How a key gets a new token.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Rotation {
    /// How many days the old token works beside the new one: 0 to 30; 0, if left out.
    overlap_days: Option<u32>,
}

impl Form for Rotation {
    type Command = u32;
    const IS_NEEDED: bool = false;

    fn read(fields: &mut Fields) -> Option<u32> {
        Some(fields.number("overlapDays", 0..=MOST_OVERLAP)?.unwrap_or(0))
    }
}
