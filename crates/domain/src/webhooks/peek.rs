//! The few fields of a JSON body that make the event log readable. A body that is no JSON, or has
//! other shapes there, is relayed just the same.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// What a body says of itself.
#[derive(Debug, Default)]
pub(super) struct Peeked {
    pub(super) action: Option<String>,
    pub(super) git_ref: Option<String>,
    pub(super) repo: Option<String>,
}

/// The fields as they stand in the body: nothing is built from what nobody has verified yet.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    action: Option<&'a RawValue>,
    #[serde(borrow, rename = "ref")]
    git_ref: Option<&'a RawValue>,
    #[serde(borrow)]
    repository: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Repository<'a> {
    #[serde(borrow)]
    full_name: Option<&'a RawValue>,
}

pub(super) fn peek(headers: &BTreeMap<String, String>, body: &[u8]) -> Peeked {
    let is_json = headers.get("content-type").is_none_or(|kind| kind.contains("json"));
    let fields = serde_json::from_slice::<Fields<'_>>(body).ok().filter(|_| is_json);
    let Some(fields) = fields else { return Peeked::default() };
    let repository =
        fields.repository.and_then(|raw| serde_json::from_str::<Repository<'_>>(raw.get()).ok());
    Peeked {
        action: fields.action.and_then(text),
        git_ref: fields.git_ref.and_then(text),
        repo: repository.and_then(|repository| repository.full_name).and_then(text),
    }
}

/// Any JSON value is fine here; only a string says something.
fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
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
