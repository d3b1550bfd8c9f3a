//! Signed tokens (RFC 7515, 7519): taken apart, and their signature checked. By hand, over ring: the
//! crates for it want a provider of cryptography that is not ours (ADR 10).

use data_encoding::BASE64URL_NOPAD;
use kici_domain::ports::IdentityError;
use kici_model::Timestamp;
use serde::Deserialize;
use std::sync::Arc;

use crate::claims::Claims;
use crate::http::Http;
use crate::jwk::Algorithm;
use crate::keys::Keys;
use crate::refused;

/// The longest token that is looked at, in bytes.
pub(crate) const LONGEST: usize = 16 * 1024;

/// A token that was taken apart and not believed yet.
pub(crate) struct Jwt<'a> {
    header: Header,
    signed: &'a [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde_json::Value>,
}

/// Whether a text has the form of one: three parts.
pub(crate) fn is_jwt(text: &str) -> bool {
    text.bytes().filter(|c| *c == b'.').count() == 2
}

impl<'a> Jwt<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, IdentityError> {
        let broken = || IdentityError::Refused("it is incomplete, or no token at all");
        if text.len() > LONGEST {
            return refused("it is longer than 16 KiB");
        }
        let (signed, signature) = text.rsplit_once('.').ok_or_else(broken)?;
        let (header, payload) = signed.split_once('.').ok_or_else(broken)?;
        let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| broken());
        Ok(Self {
            header: serde_json::from_slice(&decode(header)?).map_err(|_| broken())?,
            payload: decode(payload)?,
            signature: decode(signature)?,
            signed: signed.as_bytes(),
        })
    }

    /// Its media type in lower case, without `application/`.
    pub(crate) fn typ(&self) -> Option<String> {
        let typ = self.header.typ.as_ref()?.to_ascii_lowercase();
        Some(typ.strip_prefix("application/").unwrap_or(&typ).to_owned())
    }

    /// Its claims, once a key of the provider has signed them.
    pub(crate) async fn verify(
        self,
        http: &Arc<Http>,
        keys: &Arc<Keys>,
        now: Timestamp,
    ) -> Result<Claims, IdentityError> {
        let Some(algorithm) = Algorithm::parse(&self.header.alg) else {
            return refused("it is not signed with RS256, ES256 or EdDSA");
        };
        if self.header.crit.is_some() {
            return refused("it asks for an extension that is not known here");
        }
        let candidates = keys.for_token(http, self.header.kid.as_deref(), algorithm, now).await?;
        if candidates.is_empty() {
            return refused("the provider has no such key");
        }
        if !candidates.iter().any(|key| key.verifies(self.signed, &self.signature)) {
            return refused("its signature is wrong");
        }
        serde_json::from_slice(&self.payload)
            .map_err(|_| IdentityError::Refused("its claims can't be read"))
    }
}
