//! What all kinds of keys have in common.

use std::time::Duration;

use kici_model::{CredentialId, Timestamp, Token, TokenKind};

use crate::{App, Trouble};

/// The longest that a rotated key can work beside its successor, in days.
pub const MOST_OVERLAP: u32 = 30;

/// A key that was just made: the only time that its token is known.
#[derive(Debug)]
pub struct Made {
    /// Its id.
    pub id: CredentialId,
    /// To be shown once.
    pub token: Token,
}

impl Made {
    /// A new id and token, not stored yet.
    pub(crate) fn draw(app: &App, kind: TokenKind) -> Result<Self, Trouble> {
        let id = CredentialId::new(&*app.clock, &*app.entropy)?;
        Ok(Self { id, token: Token::new(kind, &*app.entropy)? })
    }
}

/// So many days.
pub(crate) fn days(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 24 * 60 * 60)
}

/// How many days a key was given, so that its successor gets as many: at least one.
pub(crate) fn days_between(from: Timestamp, to: Timestamp) -> u32 {
    let days = (to.micros() - from.micros()) / (24 * 60 * 60 * 1_000_000);
    u32::try_from(days.max(1)).unwrap_or(u32::MAX)
}
