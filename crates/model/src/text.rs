//! Text that was parsed once: the trait that every such type shares, and the names people choose.

use std::fmt;
use std::str::FromStr;

/// A type with one textual form, as it stands in paths, JSON and the database.
pub trait Text: FromStr<Err = TextError> + fmt::Display + Send + Sync + 'static {
    /// What error messages and the API document call it.
    const NAME: &'static str;
    /// Whether it names something that belongs to somebody. The API document marks these, and tests
    /// try the ones of others at each mark.
    const IS_ID: bool = false;
}

/// Why a text was refused: a sentence that says what would work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TextError(String);

impl TextError {
    /// `message` says what would have been accepted.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Trims `text` and checks that it has 1 to `max` characters, none of them a control character.
fn line(name: &str, text: &str, max: usize) -> Result<Box<str>, TextError> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 {
        return Err(TextError::new(format!("{name} must not be empty")));
    }
    if length > max {
        return Err(TextError::new(format!("{name} has {length} characters, at most {max} work")));
    }
    if text.chars().any(char::is_control) {
        return Err(TextError::new(format!("{name} must not contain control characters")));
    }
    if text.chars().any(is_invisible) || has_stray_joiner(text) {
        return Err(TextError::new(format!("{name} must not contain invisible characters")));
    }
    Ok(text.into())
}

/// What is not seen, or turns round what is: two names must not look the same. Of all spaces there is
/// one.
fn is_invisible(c: char) -> bool {
    c.is_whitespace() && c != ' '
        || matches!(c,
        '\u{34f}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180d}' | '\u{180f}' |
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Letters of some scripts, Arabic the first of them, and pictures are put together with joiners, and a
/// selector says how a picture looks. Elsewhere they are not seen.
fn has_stray_joiner(text: &str) -> bool {
    let is_selector = |c: char| matches!(c, '\u{fe00}'..='\u{fe0f}');
    let is_joiner = |c: char| matches!(c, '\u{200c}' | '\u{200d}');
    let is_bare = |c: Option<char>| c.is_none_or(|c| c < '\u{600}' || is_joiner(c));
    let is_picture = |c: Option<char>| c.is_some_and(|c| c >= '\u{2190}' && !is_selector(c));
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let is_stray = is_joiner(c) && (is_bare(before) || is_bare(rest.peek().copied()))
            || is_selector(c) && !is_picture(before);
        if is_stray {
            return true;
        }
        before = Some(c);
    }
    false
}

/// Checks that `text` has 1 to `max` printable ASCII characters and no space.
fn ascii(name: &str, text: &str, max: usize) -> Result<Box<str>, TextError> {
    if (1..=max).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic()) {
        Ok(text.into())
    } else {
        Err(TextError::new(format!(
            "{name} has 1 to {max} printable ASCII characters and no spaces"
        )))
    }
}

/// Checks that `text` has 1 to `max` lower-case letters, `_` and `.`.
fn dotted(name: &str, text: &str, max: usize) -> Result<Box<str>, TextError> {
    let is_good = |c: u8| c.is_ascii_lowercase() || c == b'_' || c == b'.';
    if (1..=max).contains(&text.len()) && text.bytes().all(is_good) {
        Ok(text.into())
    } else {
        Err(TextError::new(format!("{name} has 1 to {max} lower-case letters, `_` and `.`")))
    }
}

/// Checks that `text` is a word of 1 to `max` lower-case letters, digits and `-`.
fn word(name: &str, text: &str, max: usize) -> Result<Box<str>, TextError> {
    let good = (1..=max).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        && text.starts_with(|c: char| c.is_ascii_lowercase());
    if good {
        Ok(text.into())
    } else {
        Err(TextError::new(format!(
            "{name} has 1 to {max} lower-case letters, digits and `-`, a letter at its head"
        )))
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $type:ident = $parse:ident($name:literal, $max:literal $(, is_id $is_id:literal)?);)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Box<str>);

        impl $type {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $type {
            type Err = TextError;
            fn from_str(text: &str) -> Result<Self, TextError> {
                $parse($name, text, $max).map(Self)
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl Text for $type {
            const NAME: &'static str = $name;
            $(const IS_ID: bool = $is_id;)?
        }
    )*};
}

texts! {
    /// The name of an organisation: 1 to 100 characters.
    OrgName = line("an organization name", 100);
    /// The name of a person: 1 to 100 characters.
    PersonName = line("a person's name", 100);
    /// The name of a machine, from which a key is named: 1 to 255 characters.
    MachineName = line("a machine name", 255);
    /// The name of a key: 1 to 100 characters.
    KeyName = line("a key name", 100);
    /// The name of a service account: 1 to 100 characters, unique in its organisation without regard
    /// to case.
    AccountName = line("a service account name", 100);
    /// The name of a program that acts for a person: 1 to 100 characters.
    AgentLabel = line("an agent label", 100);
    /// The name of a role: 1 to 100 characters, unique in its organisation without regard to case.
    RoleName = line("a role name", 100);
    /// The name of a team: 1 to 100 characters, unique in its organisation without regard to case.
    TeamName = line("a team name", 100);
    /// A description: 1 to 500 characters; none at all is `Option::None`.
    Description = line("a description", 500);
    /// The name of a repository, to be asked about: 1 to 256 characters.
    RepoName = ascii("a repository name", 256);
    /// The id that a sender gave to a delivery: 1 to 256 printable ASCII characters.
    DeliveryId = ascii("a delivery id", 256, is_id true);
    /// What a request calls itself, so that a repetition is seen as one: 1 to 128 characters.
    IdempotencyKey = ascii("an idempotency key", 128);
    /// Which actions are looked for in the audit log, such as `member.removed`; with a dot at its end all
    /// that begin so.
    ActionFilter = dotted("an action, or its beginning with a dot at the end,", 64);
    /// The word for a provider of accounts, such as `github`: 1 to 32 characters.
    ProviderName = word("a provider's name", 32);
    /// The name of an account at a provider: 1 to 255 characters.
    LinkedName = ascii("the name of an account", 255);
    /// The id of an account at a provider: 1 to 255 characters.
    LinkedId = ascii("the id of an account", 255);
    /// The id of a request, in its log lines, audit rows and answers: 1 to 128 characters.
    RequestId = ascii("a request id", 128);
}

/// An e-mail address, its ASCII letters in lower case: something before and after one `@`, at most 254
/// bytes, and nothing that quotes, comments or lists addresses, so that one is one mailbox's.
///
/// Whether mail arrives there is the business of verification, not of parsing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(Box<str>);

impl FromStr for Email {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let good = text.len() <= 254
            && text.split_once('@').is_some_and(|(local, host)| {
                !local.is_empty() && !host.is_empty() && !host.contains('@')
            })
            && !text
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || "<>()[]\\,;:\"".contains(c));
        if good {
            // Of ASCII alone: other letters can become one of another address.
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(TextError::new("an e-mail address looks like `ada@example.org`"))
        }
    }
}
impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl Text for Email {
    const NAME: &'static str = "an e-mail address";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_bounded_and_printable() {
        assert_eq!(OrgName::from_str("  Acme CI ").unwrap().as_str(), "Acme CI");
        for bad in ["", "   ", "a\nb", "a\u{0}b", &"x".repeat(101)] {
            assert!(OrgName::from_str(bad).is_err(), "{bad:?}");
        }
        assert!(OrgName::from_str(&"ä".repeat(100)).is_ok(), "characters count, not bytes");
        for bad in [
            "Owner\u{200b}",
            "Ow\u{200d}ner",
            "\u{202e}renwO",
            "\u{200b}",
            "a\u{ad}b",
            "ü\u{200d}",
            "é\u{200d}é",
            "Owner\u{fe0f}",
            "O\u{34f}wner",
            "a\u{a0}b",
            "a\u{3000}b",
            "👩\u{fe0f}\u{fe0f}",
        ] {
            assert!(RoleName::from_str(bad).is_err(), "{bad:?}");
        }
        for good in ["👩\u{200d}💻 devs", "می\u{200c}خواهم", "Zoë", "❤\u{fe0f} CI", "日本 チーム"]
        {
            assert!(RoleName::from_str(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn addresses_have_two_halves() {
        assert_eq!(Email::from_str("Ada@Example.org").unwrap().to_string(), "ada@example.org");
        for bad in ["", "ada", "@x", "ada@", "a@b@c", "a b@c"] {
            assert!(Email::from_str(bad).is_err(), "{bad}");
        }
        // Another writing of somebody's address, or of several people's.
        for bad in ["x<ada@b.c>", "ada@b.c,bo@d", "\"ada\"@b", "ada(x)@b", "x:ada@b", "a@[::1]"] {
            assert!(Email::from_str(bad).is_err(), "{bad}");
        }
    }
}
