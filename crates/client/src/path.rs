//! Ids in paths. Whatever an id is made of, it stays the one segment that it stands for.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

/// Stands for an id that can't be a segment. An id with such a character in it ends up here, too.
const NOTHING: &str = "%00";
/// Everything but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An id as a segment. The generated code calls it, which has no room for an error here;
/// [`is_sound`] sees to that.
pub(crate) fn encode_path(id: &str) -> String {
    match id {
        // A URL without them is another URL, encoded or not.
        "" | "." | ".." => NOTHING.to_owned(),
        _ => utf8_percent_encode(id, RESERVED).to_string(),
    }
}

/// Whether every id in the path was one.
pub(crate) fn is_sound(url: &Url) -> bool {
    !url.path().contains(NOTHING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(id: &str) -> Url {
        let url = format!("http://localhost/orgs/{}/keys", encode_path(id));
        url.parse().unwrap()
    }

    #[test]
    fn an_id_stays_one_segment() {
        for id in ["org_a-b.c~d", "a/b", "a\\b", "..\\..\\x", "%2e%2e", "?a", "#a", " ", "ä", "..."]
        {
            let url = url(id);
            assert!(is_sound(&url), "{id}");
            assert_eq!(url.path_segments().unwrap().count(), 3, "{url}");
            assert!(url.query().is_none() && url.fragment().is_none(), "{url}");
        }
        assert_eq!(url("org_a-b.c~d").path(), "/orgs/org_a-b.c~d/keys");
    }

    #[test]
    fn what_names_nothing_is_seen() {
        for id in ["", ".", "..", "a\0b"] {
            assert!(!is_sound(&url(id)), "{id:?}");
        }
    }
}
