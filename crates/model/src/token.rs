//! Bearer tokens: `kici_<kind>_`, 43 base62 characters of chance and 6 of checksum.
//!
//! A mistyped or foreign token is refused here, before any database is asked. Only the SHA-256 of
//! a token is ever stored; its first 16 characters are kept to show.

use std::fmt;
use std::str::FromStr;

use crate::entropy::{BASE62, Entropy, EntropyError, base62};
use crate::{Secret, Text, TextError};

const RANDOM: usize = 43;
const CHECKSUM: usize = 6;
/// How many characters of a token are kept to show.
pub const SHOWN: usize = 16;

/// What a token opens, told by its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// `kici_pat_`: a person, in all their organisations.
    Personal,
    /// `kici_sk_`: an API key of one organisation.
    ApiKey,
    /// `kici_sa_`: a service account of one organisation.
    ServiceAccount,
    /// `kici_ok_`: the WebSocket link of an orchestrator, nothing else.
    Orchestrator,
}

impl TokenKind {
    /// All kinds.
    pub const ALL: [Self; 4] =
        [Self::Personal, Self::ApiKey, Self::ServiceAccount, Self::Orchestrator];

    /// What a token of this kind begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Personal => "kici_pat_",
            Self::ApiKey => "kici_sk_",
            Self::ServiceAccount => "kici_sa_",
            Self::Orchestrator => "kici_ok_",
        }
    }

    /// The name of this kind in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Personal => "pat",
            Self::ApiKey => "api_key",
            Self::ServiceAccount => "service_account",
            Self::Orchestrator => "orchestrator",
        }
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl FromStr for TokenKind {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| TextError::new("unknown kind of credential"))
    }
}
impl Text for TokenKind {
    const NAME: &'static str = "a kind of credential";
}

/// A token whose form and checksum are right. Whether it opens anything is the database's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    kind: TokenKind,
    text: Secret<Box<str>>,
}

impl Token {
    /// A new token with 256 bits of chance.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn new(kind: TokenKind, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let body = format!("{}{}", kind.prefix(), base62(entropy, RANDOM)?);
        let text = format!("{body}{}", checksum(&body));
        Ok(Self { kind, text: Secret::new(text.into()) })
    }

    /// What it opens.
    #[must_use]
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The whole token: to be shown once, when it is made, and never stored.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.text.expose()
    }

    /// What is stored and looked up.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.reveal())
    }

    /// The first [`SHOWN`] characters, by which people recognise a key.
    #[must_use]
    pub fn shown(&self) -> String {
        self.reveal().chars().take(SHOWN).collect()
    }
}

impl FromStr for Token {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let (kind, rest) = TokenKind::ALL
            .into_iter()
            .find_map(|kind| text.strip_prefix(kind.prefix()).map(|rest| (kind, rest)))
            .ok_or_else(|| {
                TextError::new(
                    "a token begins with `kici_pat_`, `kici_sk_`, `kici_sa_` or `kici_ok_`",
                )
            })?;
        let whole = rest.len() == RANDOM + CHECKSUM && rest.bytes().all(|c| BASE62.contains(&c));
        let (body, sum) =
            text.split_at_checked(text.len() - CHECKSUM.min(rest.len())).unwrap_or_default();
        if !whole || checksum(body) != sum {
            return Err(TextError::new(
                "the token is incomplete or mistyped: its checksum does not match",
            ));
        }
        Ok(Self { kind, text: Secret::new(text.into()) })
    }
}

/// CRC-32 (IEEE) of `body` in base62, most significant digit first.
fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for place in digits.iter_mut().rev() {
        *place = BASE62.get(usize::try_from(rest % 62).unwrap_or(0)).copied().unwrap_or(b'0');
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

/// The SHA-256 of a token, in lower-case hexadecimal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenHash(Box<str>);

impl TokenHash {
    pub(crate) fn of(text: &str) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        Self(data_encoding::HEXLOWER.encode(digest.as_ref()).into())
    }

    /// The 64 characters that are stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "tokens are ASCII")]
mod tests {
    use super::*;
    use crate::OsEntropy;

    #[test]
    fn a_new_token_reads_back_as_itself() {
        for kind in TokenKind::ALL {
            let token = Token::new(kind, &OsEntropy::default()).unwrap();
            let text = token.reveal();
            assert_eq!(text.len(), kind.prefix().len() + 49, "{text}");
            assert_eq!(text.parse::<Token>().unwrap(), token);
            assert_eq!(token.hash().as_str().len(), 64);
            assert_eq!(token.shown(), text[..16]);
            assert!(!format!("{token:?}").contains(&text[9..]));
        }
    }

    #[test]
    fn one_wrong_character_anywhere_is_seen_without_a_database() {
        let text = Token::new(TokenKind::Personal, &OsEntropy::default()).unwrap();
        let text = text.reveal();
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let typo = String::from_utf8(bytes).unwrap();
            assert!(typo.parse::<Token>().is_err(), "{at}");
        }
        for bad in ["", "kici_pat_", "kici_pat_ä", "kici_xx_abc", &text[1..], &text[..57]] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
