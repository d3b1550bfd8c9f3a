//! Sessions of browsers: opaque cookies, of which only the hash is stored.

use std::str::FromStr;
use std::time::Duration;

use crate::entropy::{BASE62, Entropy, EntropyError, base62};
use crate::{Secret, SessionId, TextError, Timestamp, TokenHash};

/// How long a session works that nobody uses.
pub const IDLE: Duration = Duration::from_secs(12 * 60 * 60);
/// How long a session works at most.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// 256 bits of chance in base62.
const LENGTH: usize = 43;

/// What a browser presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionToken(Secret<Box<str>>);

impl SessionToken {
    /// A new one.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn new(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        Ok(Self(Secret::new(base62(entropy, LENGTH)?.into())))
    }

    /// The whole of it, for the cookie alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose()
    }

    /// What is stored and looked up.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.reveal())
    }
}

impl FromStr for SessionToken {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        if text.len() == LENGTH && text.bytes().all(|c| BASE62.contains(&c)) {
            Ok(Self(Secret::new(text.into())))
        } else {
            Err(TextError::new("this is no session"))
        }
    }
}

/// A session as its person finds it in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When it was last used, about.
    pub seen_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// What the browser says that it is.
    pub user_agent: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsEntropy;

    #[test]
    fn a_new_session_reads_back_as_itself_and_is_not_shown() {
        let token = SessionToken::new(&OsEntropy::default()).unwrap();
        assert_eq!(token.reveal().parse::<SessionToken>().unwrap(), token);
        assert!(!format!("{token:?}").contains(token.reveal()));
        for bad in ["", "a", &"ä".repeat(43), &"a".repeat(44), &" ".repeat(43)] {
            assert!(bad.parse::<SessionToken>().is_err(), "{bad}");
        }
    }
}
