//! The verdict on a delivery: is its source known and enabled, is it from whom it claims to be, is
//! its body what it says. Nothing here knows a connection, and no secret leaves this file.

use std::borrow::Cow;

use data_encoding::HEXLOWER_PERMISSIVE;
use kici_model::Secret;
use kici_model::delivery::Verdict;
use kici_wire::{WebhookRelayStart, shorten};
use ring::hmac;
use serde::de::IgnoredAny;

use crate::Source;

const GITHUB_HEADER: &str = "x-hub-signature-256";
const HMAC_HEADER: &str = "x-signature-256";
const BEARER_HEADER: &str = "authorization";

/// How a source knows its sender.
#[derive(Debug, Clone)]
pub enum Verification {
    /// HMAC-SHA256 over the body, as GitHub signs. Several secrets while one replaces another.
    GitHub {
        /// Any of them may have been used.
        secrets: Vec<Secret<String>>,
    },
    /// HMAC-SHA256 over the body, `sha256=<hex>` or bare hex.
    HmacSha256 {
        /// Carries the signature, in any case of letters.
        header: String,
        /// Any of them may have been used.
        secrets: Vec<Secret<String>>,
    },
    /// A fixed token, with or without `Bearer ` before it.
    Bearer {
        /// Carries the token, in any case of letters.
        header: String,
        /// What it has to be.
        token: Secret<String>,
    },
    /// The sender's address has to be one of these, character for character.
    IpAllowlist(Vec<String>),
    /// Everybody may send.
    None,
}

impl Verification {
    /// HMAC-SHA256 in the usual header, `x-signature-256`.
    #[must_use]
    pub fn hmac(secret: Secret<String>) -> Self {
        Self::HmacSha256 { header: HMAC_HEADER.to_owned(), secrets: vec![secret] }
    }

    /// A token in the usual header, `authorization`.
    #[must_use]
    pub fn bearer(token: Secret<String>) -> Self {
        Self::Bearer { header: BEARER_HEADER.to_owned(), token }
    }

    fn check(&self, start: &WebhookRelayStart, body: &[u8]) -> Result<(), Rejection> {
        match self {
            Self::GitHub { secrets } => {
                let header = start.signature_header_name.as_deref().unwrap_or(GITHUB_HEADER);
                let value = start.signature_header.as_deref().or_else(|| named(start, header));
                let form = |value| strip_scheme(value, "sha256=");
                signed(secrets, &shorten(header, 100), value, form, body)
            }
            Self::HmacSha256 { header, secrets } => {
                let form = |value| Some(strip_scheme(value, "sha256=").unwrap_or(value));
                signed(secrets, header, named(start, header), form, body)
            }
            Self::Bearer { header, token } => bearer(header, token, named(start, header)),
            Self::IpAllowlist(addresses) => listed(addresses, start.client_ip.as_deref()),
            Self::None => Ok(()),
        }
    }
}

/// Why a delivery is not accepted, for the ack. The reason never holds what the sender presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) verdict: Verdict,
    pub(crate) reason: String,
}

fn rejected(verdict: Verdict, reason: impl Into<String>) -> Rejection {
    Rejection { verdict, reason: reason.into() }
}

/// Judges a delivery; `source` is what is known under its routing key.
pub(crate) fn check(
    source: Option<&Source>,
    start: &WebhookRelayStart,
    body: &[u8],
) -> Result<(), Rejection> {
    let is_ours = ["github:", "generic:"].iter().any(|kind| start.routing_key.starts_with(kind));
    let source = source.filter(|source| is_ours && source.is_enabled).ok_or_else(|| {
        rejected(Verdict::RejectedUnknownSource, "no enabled source has this routing key")
    })?;
    source.verification.check(start, body)?;
    well_formed(start, body)
}

fn signed<'a>(
    secrets: &[Secret<String>],
    header: &str,
    value: Option<&'a str>,
    form: impl Fn(&'a str) -> Option<&'a str>,
    body: &[u8],
) -> Result<(), Rejection> {
    let mut keys = secrets.iter().map(Secret::expose).filter(|secret| !secret.is_empty());
    let first = keys.next().ok_or_else(|| {
        rejected(Verdict::RejectedMisconfigured, "the source has no webhook secret")
    })?;
    let value = value.ok_or_else(|| missing(header))?;
    let signature = form(value)
        .and_then(|hex| HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok())
        .ok_or_else(|| {
            let reason = format!("`{header}` does not hold an HMAC-SHA256 in hex");
            rejected(Verdict::RejectedSignature, reason)
        })?;
    if std::iter::once(first).chain(keys).any(|secret| is_signed_with(secret, &signature, body)) {
        return Ok(());
    }
    let reason = format!("no secret of the source matches the signature in `{header}`");
    Err(rejected(Verdict::RejectedSignature, reason))
}

/// In constant time.
fn is_signed_with(secret: &str, signature: &[u8], body: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, body, signature).is_ok()
}

fn bearer(header: &str, token: &Secret<String>, value: Option<&str>) -> Result<(), Rejection> {
    let token = token.expose();
    if token.is_empty() {
        return Err(rejected(Verdict::RejectedMisconfigured, "the source has no token"));
    }
    let value = value.ok_or_else(|| missing(header))?;
    let presented = strip_scheme(value, "bearer ").unwrap_or(value);
    // Two MACs under one key are compared instead of the tokens: that takes constant time, and
    // tells nothing of the token's length either.
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
    let expected = hmac::sign(&key, token.as_bytes());
    hmac::verify(&key, presented.as_bytes(), expected.as_ref()).map_err(|_| {
        rejected(Verdict::RejectedSignature, format!("the token in `{header}` is another one"))
    })
}

fn listed(addresses: &[String], client: Option<&str>) -> Result<(), Rejection> {
    if addresses.is_empty() {
        return Err(rejected(Verdict::RejectedMisconfigured, "the list of addresses is empty"));
    }
    if client.is_some_and(|client| addresses.iter().any(|address| address == client)) {
        return Ok(());
    }
    Err(rejected(Verdict::RejectedSignature, "the sender's address is not on the list"))
}

/// A body that claims to be JSON has to be it; what else it may be is not looked into.
fn well_formed(start: &WebhookRelayStart, body: &[u8]) -> Result<(), Rejection> {
    let Some(kind) = start.headers.get("content-type") else { return Ok(()) };
    let claims_json = kind.is_empty() || kind.to_ascii_lowercase().contains("application/json");
    if claims_json && !is_json(body) {
        let reason = "the body is not JSON, though `content-type` says so";
        return Err(rejected(Verdict::RejectedMisconfigured, reason));
    }
    Ok(())
}

/// [`IgnoredAny`] passes over the inside of strings, so their encoding is checked first.
fn is_json(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn missing(header: &str) -> Rejection {
    rejected(Verdict::RejectedSignature, format!("the header `{header}` is missing"))
}

/// The header of that name; the platform sends names in lower case.
fn named<'a>(start: &'a WebhookRelayStart, header: &str) -> Option<&'a str> {
    let name: Cow<'_, str> = if header.bytes().any(|c| c.is_ascii_uppercase()) {
        header.to_ascii_lowercase().into()
    } else {
        header.into()
    };
    start.headers.get(name.as_ref()).map(String::as_str)
}

/// What stands after `scheme`, which is in lower case here and in any case there.
fn strip_scheme<'a>(value: &'a str, scheme: &str) -> Option<&'a str> {
    let (head, rest) = value.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

#[cfg(test)]
mod tests;
