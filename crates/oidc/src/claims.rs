//! What a token says, and whether it says it to us and now.

use std::fmt;
use std::time::Duration;

use kici_domain::ports::IdentityError;
use kici_model::Timestamp;
use kici_model::identities::{Identity, IdentityKey, Subject};
use kici_model::text::{Email, PersonName, ProviderName};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::{Config, LinkClaim, refused};

/// How far two clocks may be apart.
const SKEW: Duration = Duration::from_secs(60);

/// The claims that are looked at. One that stands there twice makes the whole unreadable.
#[derive(Default, Deserialize)]
#[serde(default, remote = "Self")]
pub(crate) struct Claims {
    pub(crate) iss: Option<String>,
    sub: Option<String>,
    #[serde(deserialize_with = "one_or_many")]
    aud: Vec<String>,
    azp: Option<String>,
    client_id: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    pub(crate) nonce: Option<String>,
    at_hash: Option<String>,
    c_hash: Option<String>,
    /// Keycloak's: `Bearer`, `ID`, `Refresh`, …
    typ: Option<String>,
    cnf: Option<Value>,
    scope: Option<Value>,
    /// Some call it so.
    scp: Option<Value>,
    /// Only logout tokens and their like have it.
    events: Option<Value>,
    /// Auth0's: `client-credentials`, …
    gty: Option<Value>,
    pub(crate) active: Option<bool>,
    token_type: Option<String>,
    email: Option<String>,
    email_verified: Option<Value>,
    name: Option<String>,
    preferred_username: Option<String>,
    /// All of them, for those that the configuration names.
    #[serde(skip)]
    all: Value,
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Value::Object(Once::deserialize(deserializer)?.0);
        let claims = Self::deserialize(&all).map_err(D::Error::custom)?;
        Ok(Self { all, ..claims })
    }
}

/// An object that has no key twice.
struct Once(Map<String, Value>);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self(Map::new()))
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Self, A::Error> {
        while let Some((key, value)) = entries.next_entry()? {
            if self.0.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands there twice"));
            }
        }
        Ok(self)
    }
}

impl Claims {
    /// Refuses what another issuer says, or what is not said now.
    pub(crate) fn check_issuer(&self, issuer: &str) -> Result<(), IdentityError> {
        match &self.iss {
            Some(iss) if iss == issuer => Ok(()),
            _ => refused("it is of another issuer"),
        }
    }

    /// Until when it may be relied on, the skew included.
    pub(crate) fn check_time(&self, now: Timestamp) -> Result<Timestamp, IdentityError> {
        let Some(exp) = self.exp.and_then(moment) else {
            return refused("it does not say when it ends");
        };
        let end = exp + SKEW;
        if end <= now {
            return refused("it has expired");
        }
        for begin in [self.nbf, self.iat].into_iter().flatten() {
            match moment(begin) {
                Some(begin) if begin <= now + SKEW => {}
                _ => return refused("it is not valid yet"),
            }
        }
        Ok(end)
    }

    /// Refuses what was made for somebody else: for whom a token is, or to whom it was given, is one
    /// of `audiences`.
    pub(crate) fn check_audience(&self, audiences: &[String]) -> Result<(), IdentityError> {
        let is_ours = |name: &String| audiences.contains(name);
        if self.aud.iter().any(is_ours) || self.azp.as_ref().is_some_and(is_ours) {
            Ok(())
        } else {
            refused("it was made for another audience")
        }
    }

    /// The same for the answer about an opaque token, where `client_id` stands for `azp`.
    pub(crate) fn check_client(&self, audiences: &[String]) -> Result<(), IdentityError> {
        match &self.client_id {
            Some(client) if audiences.contains(client) => Ok(()),
            _ => self.check_audience(audiences),
        }
    }

    /// Refuses a signed token that is not marked as an access token: by its own type (RFC 9068), by
    /// Keycloak's, or by a scope, which no ID token has. What an ID token may have besides can be
    /// left out, and its audience is the same.
    pub(crate) fn check_marked(&self, is_typed: bool) -> Result<(), IdentityError> {
        let is_marked = is_typed
            || self.typ.as_deref().is_some_and(is_bearer)
            || self.scope.is_some()
            || self.scp.is_some();
        if is_marked {
            self.check_access_token()
        } else {
            refused("nothing in it says that it is an access token, such as `scope`")
        }
    }

    /// Refuses what tells a client who somebody is, or was, but lets nobody in; what is bound to a
    /// key that nobody has shown; and what a program got for itself: it is no person.
    fn check_access_token(&self) -> Result<(), IdentityError> {
        if self.nonce.is_some() || self.at_hash.is_some() || self.c_hash.is_some() {
            return refused("it is an ID token; an access token is needed");
        }
        if self.events.is_some() || self.typ.as_deref().is_some_and(|typ| !is_bearer(typ)) {
            return refused("it is no access token");
        }
        let mut clients = self.client_id.iter().chain(&self.azp);
        if self.gty.as_ref().is_some_and(|gty| gty == "client-credentials")
            || clients.any(|client| self.sub.as_ref() == Some(client))
        {
            return refused("it is a program's own, and no person's");
        }
        if self.cnf.is_some() {
            return refused("it is bound to a key of its sender, which is not supported");
        }
        Ok(())
    }

    /// Refuses what is no access token by the provider's own word: a refresh token is active too.
    pub(crate) fn check_bearer(&self) -> Result<(), IdentityError> {
        let mut words = self.token_type.iter().chain(&self.typ);
        if words.any(|word| is_bearer(word)) {
            self.check_access_token()
        } else {
            refused("it is no access token")
        }
    }

    /// Refuses an ID token that was made for another client.
    pub(crate) fn check_id_token(&self, client_id: &str) -> Result<(), IdentityError> {
        let is_for_us = self.aud.iter().any(|name| name == client_id);
        let is_given_to_us = match &self.azp {
            Some(azp) => azp == client_id,
            None => self.aud.len() == 1,
        };
        if is_for_us && is_given_to_us {
            Ok(())
        } else {
            refused("it was made for another audience")
        }
    }

    /// Whom the claims are about.
    pub(crate) fn identity(
        &self,
        config: &Config,
        expires_at: Timestamp,
    ) -> Result<Identity, IdentityError> {
        let Some(Ok(subject)) = self.sub.as_ref().map(|sub| sub.parse::<Subject>()) else {
            return refused("it does not say whose it is");
        };
        let identity = Identity {
            key: IdentityKey { issuer: config.issuer.as_str().into(), subject },
            email: None,
            is_email_verified: false,
            name: None,
            accounts: Vec::new(),
            has_all_accounts: false,
            expires_at,
        };
        Ok(self.complete(identity, &config.link_claims))
    }

    /// Whether the claims are about somebody.
    pub(crate) fn is_of(&self, identity: &Identity) -> bool {
        self.sub.as_deref() == Some(identity.key.subject.as_str())
    }

    /// `identity` with what it lacks and these claims tell, if they are about the same person.
    pub(crate) fn complete(&self, identity: Identity, links: &[LinkClaim]) -> Identity {
        if !self.is_of(&identity) {
            return identity;
        }
        let told = links.iter().filter_map(|link| link.account(&self.all));
        let told = told.filter(|account| !has_account(&identity, &account.provider));
        let accounts = identity.accounts.iter().cloned().chain(told).collect();
        let identity = Identity { accounts, ..identity };
        if identity.email.is_some() {
            return identity;
        }
        let name = [&self.name, &self.preferred_username];
        let name = name.into_iter().flatten().find_map(|name| person_name(name));
        let email = self.email.as_ref().and_then(|email| email.parse::<Email>().ok());
        Identity {
            // Letters beyond ASCII can fall together when an address is put in lower case.
            is_email_verified: email.is_some()
                && self.email.as_ref().is_some_and(|email| email.is_ascii())
                && self.is_verified(),
            email,
            name: name.or(identity.name),
            ..identity
        }
    }

    /// Some say it in words.
    fn is_verified(&self) -> bool {
        match &self.email_verified {
            Some(Value::Bool(is_verified)) => *is_verified,
            Some(Value::String(word)) => word == "true",
            _ => false,
        }
    }
}

/// Whether an account of somebody at this provider is known.
pub(crate) fn has_account(identity: &Identity, provider: &ProviderName) -> bool {
    identity.accounts.iter().any(|account| account.provider == *provider)
}

fn is_bearer(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("Bearer")
}

fn person_name(text: &str) -> Option<PersonName> {
    kici_domain::shorten(text.trim(), 100).parse().ok()
}

/// Seconds since 1970, perhaps with a fraction; `None` where that is no moment of this millennium.
fn moment(seconds: f64) -> Option<Timestamp> {
    const LAST: f64 = 32_503_680_000.0;
    if !(0.0..LAST).contains(&seconds) {
        return None;
    }
    let millis = Duration::try_from_secs_f64(seconds).ok()?.as_millis();
    Timestamp::from_micros(i64::try_from(millis).ok()?.checked_mul(1_000)?)
}

/// `aud` is a text or a list of them.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Option::<OneOrMany>::deserialize(deserializer)? {
        None => Vec::new(),
        Some(OneOrMany::One(one)) => vec![one],
        Some(OneOrMany::Many(many)) => many,
    })
}
