//! The few fields of a JSON body that make the event log readable. A body that is no JSON, or has
//! other shapes there, is relayed just the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// What a body says of itself.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Peeked {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) action: Option<String>,
    #[serde(default, rename = "ref", deserialize_with = "lenient")]
    pub(super) git_ref: Option<String>,
    #[serde(default, rename = "repository", deserialize_with = "full_name")]
    pub(super) repo: Option<String>,
}

pub(super) fn peek(headers: &BTreeMap<String, String>, body: &[u8]) -> Peeked {
    let is_json = headers.get("content-type").is_none_or(|kind| kind.contains("json"));
    if is_json { serde_json::from_slice(body).unwrap_or_default() } else { Peeked::default() }
}

/// Any JSON value is fine here; only a string says something.
fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value {
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Value::deserialize(deserializer)? {
        Value::Text(text) => Some(text),
        Value::Other(_) => None,
    })
}

fn full_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    struct Repository {
        #[serde(default, deserialize_with = "lenient")]
        full_name: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value {
        Repository(Repository),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Value::deserialize(deserializer)? {
        Value::Repository(repository) => repository.full_name,
        Value::Other(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Peeked {
        peek(&BTreeMap::new(), text.as_bytes())
    }

    #[test]
    fn odd_shapes_say_nothing_and_stop_nothing() {
        let peeked =
            body(r#"{"ref":"refs/heads/main","action":7,"repository":{"full_name":"a/b"}}"#);
        assert_eq!(peeked.git_ref.as_deref(), Some("refs/heads/main"));
        assert_eq!(peeked.repo.as_deref(), Some("a/b"));
        assert_eq!(peeked.action, None);
        assert_eq!(body(r#"{"repository":"a/b","action":"x"}"#).action.as_deref(), Some("x"));
        for odd in ["", "[]", "7", "null", "{", "\u{0}", r#"{"repository":[1]}"#] {
            assert_eq!(body(odd).repo, None, "{odd:?}");
        }
        let form = BTreeMap::from([("content-type".to_owned(), "text/plain".to_owned())]);
        assert_eq!(peek(&form, br#"{"action":"x"}"#).action, None);
    }
}
