//! Who people are at the identity provider that vouches for them.

use std::fmt;
use std::str::FromStr;

use crate::identity_links::Account;
use crate::text::{Email, PersonName};
use crate::{Text, TextError, Timestamp};

/// The most bytes of a subject (OpenID Connect Core, 8).
const SUBJECT: usize = 255;

/// The provider's own id of a person: 1 to 255 printable ASCII characters, compared to the letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Box<str>);

impl Subject {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Nothing is trimmed: two people whose ids differ by a space alone are two people.
impl FromStr for Subject {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        let good = (1..=SUBJECT).contains(&text.len())
            && text.bytes().all(|c| c.is_ascii_graphic() || c == b' ');
        if good {
            Ok(Self(text.into()))
        } else {
            Err(TextError::new("a subject has 1 to 255 printable ASCII characters"))
        }
    }
}
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl Text for Subject {
    const NAME: &'static str = "a subject";
}

/// What makes somebody one and the same person: an issuer, and its own id of them. An address never
/// does; addresses change hands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityKey {
    /// The issuer, as its tokens name it.
    pub issuer: Box<str>,
    /// Its id of the person.
    pub subject: Subject,
}

/// What an identity provider says of somebody who has just proved to be them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who they are.
    pub key: IdentityKey,
    /// Their address, as they or the provider have written it.
    pub email: Option<Email>,
    /// Whether the provider has made sure that the address is theirs.
    pub is_email_verified: bool,
    /// What they are called.
    pub name: Option<PersonName>,
    /// Accounts at other providers that are theirs: at most one at each.
    pub accounts: Vec<Account>,
    /// Whether these are all that they have. Otherwise nothing was said of the others.
    pub has_all_accounts: bool,
    /// Until when that may be relied on.
    pub expires_at: Timestamp,
}

impl Identity {
    /// The address, where the provider has made sure that it is theirs.
    #[must_use]
    pub fn verified_email(&self) -> Option<&Email> {
        self.email.as_ref().filter(|_| self.is_email_verified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_kept_to_the_letter() {
        for good in ["a", " a", "a ", "auth0|5f7c", &"x".repeat(255)] {
            assert_eq!(good.parse::<Subject>().unwrap().as_str(), good);
        }
        for bad in ["", "a\n", "ä", "a\0", &"x".repeat(256)] {
            assert!(bad.parse::<Subject>().is_err(), "{bad:?}");
        }
    }
}
