//! Cursors: where a page ended, signed, so that nobody pages where they choose.

use data_encoding::BASE64URL_NOPAD;
use kici_model::page::{Page, Position};
use kici_model::{OrgId, Timestamp};
use ring::hmac;

use crate::{App, Fault, Kind};

/// The cursor was not made by this server for this list.
#[derive(Debug, thiserror::Error)]
#[error("`cursor` is not one that this list gave out; leave it out to begin at the start")]
pub struct InvalidCursor;

impl Fault for InvalidCursor {
    fn kind(&self) -> Kind {
        Kind::Malformed
    }

    fn code(&self) -> &'static str {
        "invalid_cursor"
    }
}

impl App {
    /// Where the page begins that `cursor` asks for.
    pub(crate) fn after(
        &self,
        org: &OrgId,
        list: &str,
        cursor: Option<&str>,
    ) -> Result<Option<Position>, InvalidCursor> {
        let read = |cursor| self.cursors.decode(org, list, cursor).ok_or(InvalidCursor);
        cursor.map(read).transpose()
    }

    /// The page, with the cursor of the next.
    pub(crate) fn page<T>(
        &self,
        org: &OrgId,
        list: &str,
        page: Page<T, Position>,
    ) -> Page<T, String> {
        let next = page.next.map(|position| self.cursors.encode(org, list, &position));
        Page { items: page.items, next }
    }
}

/// Enough of the signature: a cursor grants nothing that the request does not.
const TAG: usize = 16;

/// Makes and checks cursors.
#[derive(Debug)]
pub(crate) struct Cursors {
    key: hmac::Key,
}

impl Cursors {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// The cursor for `position` in `list` of `org`.
    pub(crate) fn encode(&self, org: &OrgId, list: &str, position: &Position) -> String {
        let mut bytes = position.at.micros().to_be_bytes().to_vec();
        bytes.extend_from_slice(position.id.as_bytes());
        let tag = self.tag(org, list, &bytes);
        bytes.extend(tag.as_ref().iter().take(TAG));
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// The position that `cursor` was made from; `None` when it was not made here, for this list.
    pub(crate) fn decode(&self, org: &OrgId, list: &str, cursor: &str) -> Option<Position> {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (signed, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        let wanted = self.tag(org, list, signed);
        let differences =
            wanted.as_ref().iter().zip(tag).fold(0, |seen, (ours, theirs)| seen | (ours ^ theirs));
        if differences != 0 {
            return None;
        }
        let (at, id) = signed.split_first_chunk::<8>()?;
        Some(Position {
            at: Timestamp::from_micros(i64::from_be_bytes(*at))?,
            id: std::str::from_utf8(id).ok()?.to_owned(),
        })
    }

    fn tag(&self, org: &OrgId, list: &str, signed: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [org.as_str().as_bytes(), b"\0", list.as_bytes(), b"\0", signed] {
            context.update(part);
        }
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_works_for_its_own_list_and_only_unchanged() {
        let cursors = Cursors::new(b"key");
        let org: OrgId = "org_a".parse().unwrap();
        let position = Position {
            at: Timestamp::from_micros(1_795_312_376_417_001).unwrap(),
            id: "evt_0abc".to_owned(),
        };
        let cursor = cursors.encode(&org, "event-log", &position);
        assert_eq!(cursors.decode(&org, "event-log", &cursor), Some(position));
        assert_eq!(cursors.decode(&org, "audit", &cursor), None);
        assert_eq!(cursors.decode(&"org_b".parse().unwrap(), "event-log", &cursor), None);
        assert_eq!(Cursors::new(b"other").decode(&org, "event-log", &cursor), None);
        for at in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last character may carry bits that no byte needs; those are refused as such.
            assert_eq!(cursors.decode(&org, "event-log", &changed), None, "{at}");
        }
        for bad in ["", "A", "%%%", "AAAA"] {
            assert_eq!(cursors.decode(&org, "event-log", bad), None);
        }
    }
}
