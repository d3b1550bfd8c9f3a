//! Routing keys: which source a delivery is for. Always used together with an organisation.

use std::fmt;
use std::str::FromStr;

use crate::{OrgId, Text, TextError};

/// The name of a webhook source on the link (`wire protocol`, identifier shapes).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoutingKey {
    /// `github:<app id>`: a GitHub App.
    GitHub {
        /// The App's id, as GitHub sends it in `X-GitHub-Hook-Installation-Target-ID`.
        app: u64,
    },
    /// `generic:<org id>:<source id>`: a generic webhook, a plain git server or a local source.
    Generic {
        /// The organisation that the source belongs to.
        org: OrgId,
        /// The orchestrator's own id of the source, mostly a UUID: 1 to 64 of `A-Za-z0-9._-`.
        source: Box<str>,
    },
}

impl FromStr for RoutingKey {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let parsed = match text.split_once(':') {
            Some(("github", app)) => number(app).map(|app| Self::GitHub { app }),
            Some(("generic", rest)) => rest.split_once(':').and_then(|(org, source)| {
                let plain = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
                let good = (1..=64).contains(&source.len()) && source.bytes().all(plain);
                Some(Self::Generic {
                    org: org.parse().ok().filter(|_| good)?,
                    source: source.into(),
                })
            }),
            _ => None,
        };
        parsed.ok_or_else(|| {
            TextError::new("a routing key is `github:<app id>` or `generic:<org id>:<source id>`")
        })
    }
}

/// Decimal without sign or leading zero, so that one number has one text.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|c| c.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

impl fmt::Display for RoutingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GitHub { app } => write!(f, "github:{app}"),
            Self::Generic { org, source } => write!(f, "generic:{org}:{source}"),
        }
    }
}
impl Text for RoutingKey {
    const NAME: &'static str = "a routing key";
}

/// A pattern of routing keys: `*` stands for any characters and `?` for one, as in `github:*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoutingPattern(Box<str>);

impl RoutingPattern {
    /// Whether `key` fits.
    #[must_use]
    pub fn matches(&self, key: &RoutingKey) -> bool {
        wildmatch::WildMatch::new(&self.0).matches(&key.to_string())
    }
}

impl FromStr for RoutingPattern {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.:*?".contains(&c);
        if (1..=256).contains(&text.len()) && text.bytes().all(is_plain) {
            // What fits nothing is a mistake: a key with it alone would serve no source.
            let begins = text.split(['*', '?']).next().unwrap_or_default();
            let is_open = begins.len() < text.len();
            let can_fit =
                |kind: &str| begins.starts_with(kind) || is_open && kind.starts_with(begins);
            if !["github:", "generic:"].into_iter().any(can_fit) {
                return Err(TextError::new(
                    "a routing pattern begins with `github:` or `generic:`, or with `*`",
                ));
            }
            Ok(Self(text.into()))
        } else {
            Err(TextError::new(
                "a routing pattern has 1 to 256 letters, digits, `-`, `_`, `.`, `:`, `*` or `?`, as \
                 in `github:*`",
            ))
        }
    }
}
impl fmt::Display for RoutingPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl Text for RoutingPattern {
    const NAME: &'static str = "a routing pattern";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, good: bool) {
        let parsed = RoutingKey::from_str(text);
        assert_eq!(parsed.is_ok(), good, "{text}");
        if let Ok(key) = parsed {
            assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn a_pattern_that_fits_nothing_is_none() {
        for good in ["*", "github:*", "g*", "g?thub:1", "generic:org_k3m9p2x7q1zz:ci-*", "*:1"] {
            assert!(RoutingPattern::from_str(good).is_ok(), "{good}");
        }
        for bad in ["gihub:1", "bad", "github", "remote:*", "", "a b"] {
            assert!(RoutingPattern::from_str(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn routing_keys() {
        check("github:884211", true);
        check("generic:org_k3m9p2x7q1zz:3f0c8a6e-0f57-4d0c-9b44-8f1f2b8f7a10", true);
        check("github:x", false);
        check("github:", false);
        check("github:-1", false);
        check("github:+1", false);
        check("github:007", false);
        check("github:99999999999999999999", false);
        check("generic:", false);
        check("generic:org_a:", false);
        check("generic:usr_a:b", false);
        check("generic:org_a:b c", false);
        check("remote:org_a", false);
        check("gitlab:1", false);
    }
}
