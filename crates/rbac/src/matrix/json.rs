//! The form on the wire and in the database: `{"runs":"write", …}`, resources at `none` left out.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Matrix;

impl Serialize for Matrix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.held())
    }
}

impl<'de> Deserialize<'de> for Matrix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Matrix;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of resources and levels")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Matrix, A::Error> {
        let mut entries = Vec::<(Cow<'_, str>, Cow<'_, str>)>::new();
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            // serde's own message would not say at which resource the value is no text.
            let value =
                map.next_value().map_err(|error| A::Error::custom(format!("`{key}`: {error}")))?;
            entries.push((key, value));
        }
        let pairs = entries.iter().map(|(key, value)| (key.as_ref(), value.as_ref()));
        Matrix::parse(pairs).map_err(|errors| {
            let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
            A::Error::custom(texts.join("; "))
        })
    }
}
