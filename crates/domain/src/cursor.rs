//! Cursors: where a page ended, signed, so that nobody pages where they choose.

use data_encoding::BASE64URL_NOPAD;
use kici_model::Timestamp;
use kici_model::page::{Page, Position, SearchPage};
use kici_store::{SearchError, StoreError};
use ring::hmac;

use crate::{App, Fault, Kind, Trouble};

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

/// Why there is no such page of a list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The cursor was not made by this server for this list.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
    /// Other searches of the organization took all the time there was to wait.
    #[error("Other searches of this organization are running; try again in a moment")]
    SearchBusy,
    /// The search took too long.
    #[error("The search took too long; narrow it by time, or try again in a moment")]
    SearchTimedOut,
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<SearchError> for ListError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Busy => Self::SearchBusy,
            SearchError::TimedOut => Self::SearchTimedOut,
            SearchError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ListError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for ListError {
    fn kind(&self) -> Kind {
        match self {
            Self::Cursor(error) => error.kind(),
            Self::SearchBusy | Self::SearchTimedOut => Kind::Busy,
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Cursor(error) => error.code(),
            Self::SearchBusy | Self::SearchTimedOut => "unavailable",
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// Where a page ends.
pub(crate) trait Place: Sized {
    fn write(&self) -> Vec<u8>;
    fn read(bytes: &[u8]) -> Option<Self>;
}

impl Place for Position {
    fn write(&self) -> Vec<u8> {
        let mut bytes = self.at.micros().to_be_bytes().to_vec();
        bytes.extend_from_slice(self.id.as_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (at, id) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            at: Timestamp::from_micros(i64::from_be_bytes(*at))?,
            id: std::str::from_utf8(id).ok()?.to_owned(),
        })
    }
}

/// The name of the last item, by which the list is ordered.
impl Place for String {
    fn write(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok()
    }
}

impl App {
    /// Where the page begins that `cursor` asks for; `owner` is whose list it is.
    pub(crate) fn after<P: Place>(
        &self,
        owner: &str,
        list: &str,
        cursor: Option<&str>,
    ) -> Result<Option<P>, InvalidCursor> {
        let read = |cursor| self.cursors.decode(owner, list, cursor).ok_or(InvalidCursor);
        cursor.map(read).transpose()
    }

    /// The page, with the cursor of the next.
    pub(crate) fn page<T, P: Place>(
        &self,
        owner: &str,
        list: &str,
        page: Page<T, P>,
    ) -> Page<T, String> {
        let next = page.next.map(|place| self.cursors.encode(owner, list, &place));
        Page { items: page.items, next }
    }

    /// The same of a search.
    pub(crate) fn search_page<T, P: Place>(
        &self,
        owner: &str,
        list: &str,
        found: SearchPage<T, P>,
    ) -> SearchPage<T, String> {
        SearchPage { page: self.page(owner, list, found.page), is_partial: found.is_partial }
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

    /// The cursor for `place` in `list` of `owner`.
    pub(crate) fn encode(&self, owner: &str, list: &str, place: &impl Place) -> String {
        let mut bytes = place.write();
        let tag = self.tag(owner, list, &bytes);
        bytes.extend(tag.as_ref().iter().take(TAG));
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// The place that `cursor` was made from; `None` when it was not made here, for this list.
    pub(crate) fn decode<P: Place>(&self, owner: &str, list: &str, cursor: &str) -> Option<P> {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (signed, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        let wanted = self.tag(owner, list, signed);
        let differences =
            wanted.as_ref().iter().zip(tag).fold(0, |seen, (ours, theirs)| seen | (ours ^ theirs));
        if differences != 0 {
            return None;
        }
        P::read(signed)
    }

    fn tag(&self, owner: &str, list: &str, signed: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [owner.as_bytes(), b"\0", list.as_bytes(), b"\0", signed] {
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
        let position = Position {
            at: Timestamp::from_micros(1_795_312_376_417_001).unwrap(),
            id: "evt_0abc".to_owned(),
        };
        let cursor = cursors.encode("org_a", "event-log", &position);
        assert_eq!(cursors.decode("org_a", "event-log", &cursor), Some(position));
        let none: [Option<Position>; 2] = [None, None];
        assert_eq!(
            [
                cursors.decode("org_a", "audit", &cursor),
                cursors.decode("org_b", "event-log", &cursor)
            ],
            none
        );
        assert_eq!(Cursors::new(b"other").decode::<Position>("org_a", "event-log", &cursor), None);
        for at in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last character may carry bits that no byte needs; those are refused as such.
            assert_eq!(cursors.decode::<Position>("org_a", "event-log", &changed), None, "{at}");
        }
        for bad in ["", "A", "%%%", "AAAA"] {
            assert_eq!(cursors.decode::<String>("org_a", "event-log", bad), None, "{bad}");
        }
    }
}
