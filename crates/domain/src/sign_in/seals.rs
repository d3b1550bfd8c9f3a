//! A sign-in under way is kept by the browser that began it, sealed, and by nobody else: strangers
//! may begin as many as they like.

use data_encoding::BASE64URL_NOPAD;
use kici_model::{Entropy, EntropyError, Secret, Timestamp};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

/// What is sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sealed {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    pub(super) return_to: String,
    /// In microseconds.
    pub(super) until: i64,
}

/// Seals and opens.
pub(crate) struct Seals {
    key: Option<LessSafeKey>,
}

impl std::fmt::Debug for Seals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seals")
    }
}

impl Seals {
    pub(crate) fn new(secret: &Secret<String>) -> Self {
        // Of exactly the length that a key has, whatever the secret looks like.
        let digest = ring::digest::digest(&ring::digest::SHA256, secret.expose().as_bytes());
        let key = UnboundKey::new(&AES_256_GCM, digest.as_ref()).ok().map(LessSafeKey::new);
        Self { key }
    }

    /// `content`, for the browser to keep.
    pub(super) fn seal(
        &self,
        content: &Sealed,
        entropy: &dyn Entropy,
    ) -> Result<String, EntropyError> {
        let key = self.key.as_ref().ok_or(EntropyError)?;
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce)?;
        let mut bytes = serde_json::to_vec(content).map_err(|_| EntropyError)?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes)
            .map_err(|_| EntropyError)?;
        Ok(BASE64URL_NOPAD.encode(&[&nonce, bytes.as_slice()].concat()))
    }

    /// What was sealed here, unchanged and not too long ago.
    pub(super) fn open(&self, text: &str, now: Timestamp) -> Option<Sealed> {
        let mut bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.key.as_ref()?.open_in_place(nonce, Aad::empty(), sealed).ok()?;
        let content: Sealed = serde_json::from_slice(opened).ok()?;
        (now.micros() < content.until).then_some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kici_model::OsEntropy;

    #[test]
    fn only_what_was_sealed_here_opens_unchanged_and_in_time() {
        let seals = Seals::new(&Secret::new("key".to_owned()));
        let text = || "x".to_owned();
        let content = Sealed {
            state: text(),
            nonce: text(),
            verifier: "secret".to_owned(),
            return_to: "/docs".to_owned(),
            until: 1_000,
        };
        let at = |micros| Timestamp::from_micros(micros).unwrap();
        let sealed = seals.seal(&content, &OsEntropy::default()).unwrap();
        assert!(!sealed.contains("secret"));
        assert!(seals.open(&sealed, at(999)) == Some(content));
        assert!(seals.open(&sealed, at(1_000)).is_none());
        assert!(Seals::new(&Secret::new("other".to_owned())).open(&sealed, at(0)).is_none());
        for place in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(seals.open(&changed, at(0)).is_none(), "{place}");
        }
        for bad in ["", "A", "%%%", "AAAA"] {
            assert!(seals.open(bad, at(0)).is_none(), "{bad}");
        }
    }
}
