//! How much is held on a resource: five levels, each of which implies all below it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How much somebody holds on a resource. Ordered: a check passes when the held level is at least
/// the required one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing.
    #[default]
    None,
    /// See it.
    Read,
    /// See raw webhook bodies too. Means something for [`EventLog`](crate::Resource::EventLog)
    /// only; elsewhere it is as good as [`Read`](Self::Read).
    ReadPayload,
    /// Create and change it.
    Write,
    /// Everything, deletion included.
    Admin,
}

impl Level {
    /// All five, lowest first.
    pub const ALL: [Self; 5] =
        [Self::None, Self::Read, Self::ReadPayload, Self::Write, Self::Admin];

    /// The name on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::ReadPayload => "read_payload",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown level `{text}`, expected one of {}", Level::ALL.map(Level::as_str).join(", "))]
pub struct ParseLevelError {
    text: String,
}

impl FromStr for Level {
    type Err = ParseLevelError;

    fn from_str(text: &str) -> Result<Self, ParseLevelError> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| ParseLevelError { text: text.to_owned() })
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize(deserializer, "the name of a level")
    }
}
