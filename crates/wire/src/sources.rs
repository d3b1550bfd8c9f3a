//! What an orchestrator serves (protocol §7). The first registration of a connection is the whole
//! list; later ones are deltas, and removal is always a `source.deregister`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use kici_model::sources::{Provider, Subtype};
use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::MAX_MESSAGE_ID;

/// The sources that a connection serves.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceRegister {
    /// Comes back in the ack.
    #[serde(deserialize_with = "message_id")]
    pub message_id: String,
    /// All of them at first, then what was added or changed. Those behind the first 10,000 are passed
    /// over.
    #[serde(deserialize_with = "first::<_, _, 10_000>")]
    pub sources: Vec<RegisteredSource>,
    /// One start of the orchestrator's process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// What its operator calls the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    /// One orchestrator database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Where its siblings reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The orchestrator's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredSource {
    /// The kind of provider. One that is not known costs this source alone.
    pub provider: Known<Provider>,
    /// Which deliveries are for it.
    pub routing_key: String,
    /// What its operator calls it.
    pub name: String,
    /// The kind of source. The same.
    pub subtype: Known<Subtype>,
    /// The provider's own short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
}

/// A word that this version knows, or another one, cut at 100 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known<T> {
    /// A known one.
    Word(T),
    /// Another one.
    Other(String),
}

impl<T> From<T> for Known<T> {
    fn from(word: T) -> Self {
        Self::Word(word)
    }
}

impl<T: Serialize> Serialize for Known<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Word(word) => word.serialize(serializer),
            Self::Other(text) => text.serialize(serializer),
        }
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Known<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Ok(text.parse().map_or_else(|_| Self::Other(crate::shorten(&text, 100)), Self::Word))
    }
}

/// Ids are never cut: a frame with one that is too long is no frame.
fn message_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    if id.chars().count() > MAX_MESSAGE_ID {
        return Err(D::Error::custom("`messageId` is too long"));
    }
    Ok(id)
}

/// The answer to a registration, also to an empty one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceRegisterAck {
    /// That of the registration.
    pub message_id: String,
    /// Those that are served from now on.
    pub accepted: Vec<Accepted>,
    /// Those that are not.
    pub rejected: Vec<Rejected>,
}

/// A source that is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Its routing key.
    pub routing_key: String,
    /// Where the provider posts to; `null` where the server has no public address.
    pub webhook_url: Option<String>,
}

/// A source that is not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// Its routing key, as it was sent.
    pub routing_key: String,
    /// Why.
    pub reason: String,
}

/// Sources that are gone for good.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceDeregister {
    /// Comes back in the ack.
    #[serde(deserialize_with = "message_id")]
    pub message_id: String,
    /// Their routing keys. Those behind the first 1,000 are passed over.
    #[serde(deserialize_with = "first::<_, _, 1_000>")]
    pub routing_keys: Vec<String>,
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceDeregisterAck {
    /// That of the request.
    pub message_id: String,
    /// Those that were there.
    pub removed: Vec<String>,
}

/// The first `N` of a list. The others are read and never built: a frame of 25 MiB holds millions of
/// empty texts, each of which takes eight times its place in memory.
fn first<'de, D: Deserializer<'de>, T: Deserialize<'de>, const N: usize>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct First<T, const N: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for First<T, N> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut first = Vec::new();
            while first.len() < N
                && let Some(item) = list.next_element()?
            {
                first.push(item);
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(first)
        }
    }

    deserializer.deserialize_seq(First::<T, N>(PhantomData))
}

#[cfg(test)]
mod tests {
    use crate::FromOrchestrator;

    #[test]
    fn of_a_list_that_is_too_long_the_first_are_read() {
        let keys = vec!["\"github:1\""; 2_000_000].join(",");
        let frame =
            format!(r#"{{"type":"source.deregister","routingKeys":[{keys}],"messageId":"m"}}"#);
        let FromOrchestrator::SourceDeregister(read) = FromOrchestrator::parse(&frame).unwrap()
        else {
            panic!("another frame");
        };
        assert_eq!((read.routing_keys.len(), read.message_id.as_str()), (1_000, "m"));
        let source = r#"{"provider":"github","routingKey":"","name":"","subtype":"local"}"#;
        let sources = vec![source; 20_000].join(",");
        let frame =
            format!(r#"{{"type":"source.register","messageId":"m","sources":[{sources}]}}"#);
        let FromOrchestrator::SourceRegister(read) = FromOrchestrator::parse(&frame).unwrap()
        else {
            panic!("another frame");
        };
        assert_eq!(read.sources.len(), 10_000);
        let short = r#"{"type":"source.deregister","messageId":"m","routingKeys":["a"]}"#;
        let FromOrchestrator::SourceDeregister(read) = FromOrchestrator::parse(short).unwrap()
        else {
            panic!("another frame");
        };
        assert_eq!(read.routing_keys, ["a"]);
        let bad = r#"{"type":"source.deregister","messageId":"m","routingKeys":[1]}"#;
        assert!(FromOrchestrator::parse(bad).is_err());
    }
}
