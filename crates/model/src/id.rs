//! Typed ids: one door in (`parse`), one door out (`Display`), no `From<String>`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use crate::entropy::{Entropy, EntropyError, base62, url_safe};
use crate::text::Text;
use crate::{Clock, TextError};

/// What an id names. The markers can't be named outside, so ids of two kinds never mix.
pub trait Kind: Send + Sync + 'static {
    /// Stands before the underscore.
    const PREFIX: &'static str;
    /// The longest whole id that is accepted, in characters.
    const MAX: usize = 64;
    /// What error messages call it.
    const NAME: &'static str;
}

/// A prefixed id such as `org_NXho8YmATbZa`.
pub struct Id<K> {
    text: Box<str>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    /// The whole id, prefix included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<K: Kind> Id<K> {
    fn make(body: &str) -> Self {
        Self { text: format!("{}_{body}", K::PREFIX).into(), kind: PhantomData }
    }

    /// A new id that sorts by the time it was made: 8 base62 characters of milliseconds, 12 of chance.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn new(clock: &dyn Clock, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut millis = u64::try_from(clock.now().millis()).unwrap_or(0);
        let mut head = [b'0'; 8];
        for place in head.iter_mut().rev() {
            *place = crate::entropy::BASE62
                .get(usize::try_from(millis % 62).unwrap_or(0))
                .copied()
                .unwrap_or(b'0');
            millis /= 62;
        }
        let head: String = head.iter().copied().map(char::from).collect();
        Ok(Self::make(&format!("{head}{}", base62(entropy, 12)?)))
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let good = text.len() <= K::MAX
            && text.strip_prefix(K::PREFIX).and_then(|rest| rest.strip_prefix('_')).is_some_and(
                |body| {
                    !body.is_empty()
                        && body.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
                },
            );
        if good {
            Ok(Self { text: text.into(), kind: PhantomData })
        } else {
            Err(TextError::new(format!(
                "{} is `{}_` and letters, digits, `-` or `_`, at most {} characters in all",
                K::NAME,
                K::PREFIX,
                K::MAX
            )))
        }
    }
}

impl<K: Kind> Text for Id<K> {
    const NAME: &'static str = K::NAME;
    const IS_ID: bool = true;
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), kind: PhantomData }
    }
}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $alias:ident = $marker:ident($prefix:literal, $name:literal $(, max $max:literal)?);)*) => {
        mod kinds {
            $(#[derive(Debug)] pub enum $marker {})*
        }
        $(
            impl Kind for kinds::$marker {
                const PREFIX: &'static str = $prefix;
                const NAME: &'static str = $name;
                $(const MAX: usize = $max;)?
            }
            $(#[$doc])*
            pub type $alias = Id<kinds::$marker>;
        )*
    };
}

ids! {
    /// An organisation, the tenant. At most 16 characters: orchestrators keep it in that width.
    OrgId = Org("org", "an organization id", max 16);
    /// The public alias of an organisation, used in links only.
    OrgAlias = Alias("oal", "an organization alias", max 16);
    /// A person.
    UserId = User("usr", "a user id");
    /// A role of an organisation.
    RoleId = Role("rol", "a role id");
    /// A team of an organisation.
    TeamId = Team("team", "a team id");
    /// A personal access token, an API key or an orchestrator key.
    CredentialId = Credential("key", "a key id");
    /// A service account of an organisation.
    ServiceAccountId = ServiceAccount("sva", "a service account id");
    /// An invitation.
    InviteId = Invite("inv", "an invitation id");
    /// A link to an account at a provider.
    IdentityLinkId = IdentityLink("idl", "an identity link id");
    /// A session of a browser.
    SessionId = Session("ses", "a session id");
    /// A registered webhook source.
    SourceId = Source("src", "a source id");
    /// One row of the event log.
    EventId = Event("evt", "an event id");
    /// One row of the audit log.
    AuditId = Audit("aud", "an audit id");
    /// A live connection of an orchestrator.
    ConnectionId = Connection("con", "a connection id");
}

impl OrgId {
    /// A new organisation id: `org_` and 12 characters of `A-Za-z0-9_-`.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn random(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        Ok(Self::make(&url_safe(entropy, 12)?))
    }
}

impl OrgAlias {
    /// A new alias: `oal_` and 12 characters of `A-Za-z0-9_-`.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn random(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        Ok(Self::make(&url_safe(entropy, 12)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OsEntropy, SystemClock};

    #[track_caller]
    fn check(text: &str, good: bool) {
        assert_eq!(OrgId::from_str(text).is_ok(), good, "{text}");
    }

    #[test]
    fn only_a_prefixed_bounded_plain_body_is_an_org_id() {
        check("org_NXho-8YmATbZ", true);
        check("org_a", true);
        check("org_", false);
        check("org", false);
        check("usr_NXho", false);
        check("org_a b", false);
        check("org_ä", false);
        check("org_NXho-8YmATbZZ", false);
        check("org_a\0", false);
    }

    #[test]
    fn new_ids_parse_and_sort_by_time() {
        let (clock, entropy) = (SystemClock, OsEntropy::default());
        let first = EventId::new(&clock, &entropy).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(3));
        let second = EventId::new(&clock, &entropy).unwrap();
        assert!(first < second, "{first} {second}");
        assert_eq!(first.as_str().parse::<EventId>().unwrap(), first);
        assert_eq!(first.as_str().len(), "evt_".len() + 20);
        assert_eq!(OrgId::random(&entropy).unwrap().as_str().len(), 16);
    }
}
