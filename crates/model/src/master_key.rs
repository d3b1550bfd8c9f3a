//! Master keys: 256-bit keys, kept outside of the database, that seal the secrets stored in it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

use crate::{Entropy, EntropyError, Secret};

/// Begins the text form of a master key.
pub const PREFIX: &str = "kici_mk_";
/// Bytes of a master key.
const KEY_BYTES: usize = 32;
/// Begins the id of a master key, which has this many bytes behind it.
const ID_PREFIX: &str = "mk_";
const ID_BYTES: usize = 8;

/// The text is not a master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key is `{PREFIX}` and 64 lower-case hexadecimal digits")]
pub struct InvalidMasterKey;

/// The id of a master key: `mk_` and 16 hexadecimal digits, derived from the key by a one-way
/// function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MasterKeyId(Box<str>);

impl MasterKeyId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MasterKeyId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits =
            text.strip_prefix(ID_PREFIX).and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok());
        match digits {
            Some(bytes) if bytes.len() == ID_BYTES => Ok(Self(text.into())),
            _ => Err("a master key's id is `mk_` and 16 hexadecimal digits"),
        }
    }
}

/// One master key.
///
/// Its id, its check value and the key that encrypts are each derived from it with a label of their
/// own (HMAC-SHA-256), so that none of them says anything about another.
#[derive(Clone)]
pub struct MasterKey {
    id: MasterKeyId,
    check: String,
    cipher: LessSafeKey,
}

/// Shows the id alone.
impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MasterKey").field(&self.id).finish()
    }
}

impl MasterKey {
    /// Draws a new key; returns it with its text form, which is what a key file holds.
    ///
    /// # Errors
    /// Returns [`EntropyError`] if there is no randomness.
    pub fn generate(entropy: &dyn Entropy) -> Result<(Self, Secret<String>), EntropyError> {
        let mut bytes = [0; KEY_BYTES];
        entropy.fill(&mut bytes)?;
        let text = Secret::new(format!("{PREFIX}{}", HEXLOWER.encode(&bytes)));
        Ok((Self::new(&bytes).ok_or(EntropyError)?, text))
    }

    /// `None` never happens for a key of this length; ring has no constructor that says so.
    fn new(bytes: &[u8; KEY_BYTES]) -> Option<Self> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let derive = |label: &str| hmac::sign(&root, format!("kici master key {label}").as_bytes());
        let id = derive("id");
        let id = HEXLOWER.encode(id.as_ref().get(..ID_BYTES)?);
        let cipher = UnboundKey::new(&AES_256_GCM, derive("seal v1").as_ref()).ok()?;
        Some(Self {
            id: MasterKeyId(format!("{ID_PREFIX}{id}").into()),
            check: HEXLOWER.encode(derive("check").as_ref()),
            cipher: LessSafeKey::new(cipher),
        })
    }

    /// The id, which is no secret.
    #[must_use]
    pub const fn id(&self) -> &MasterKeyId {
        &self.id
    }

    /// A value that only this key has, by which a database recognizes it; no secret either.
    #[must_use]
    pub fn check_value(&self) -> &str {
        &self.check
    }

    /// The name keeps a value from being moved to where another one belongs.
    fn associated_data(&self, name: &str) -> Vec<u8> {
        [name.as_bytes(), b"\0", self.id.as_str().as_bytes()].concat()
    }
}

impl FromStr for MasterKey {
    type Err = InvalidMasterKey;

    fn from_str(text: &str) -> Result<Self, InvalidMasterKey> {
        let hex = text.strip_prefix(PREFIX).ok_or(InvalidMasterKey)?;
        let bytes = HEXLOWER.decode(hex.as_bytes()).map_err(|_| InvalidMasterKey)?;
        let bytes = bytes.as_slice().try_into().map_err(|_| InvalidMasterKey)?;
        Self::new(bytes).ok_or(InvalidMasterKey)
    }
}

/// The configured master keys: the first one seals, all of them open. Clones share them.
#[derive(Debug, Clone)]
pub struct MasterKeys {
    first: Arc<MasterKey>,
    others: Arc<[MasterKey]>,
}

impl MasterKeys {
    /// The keys in order; `None` if there is none.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = MasterKey>) -> Option<Self> {
        let mut keys = keys.into_iter();
        Some(Self { first: keys.next()?.into(), others: keys.collect() })
    }

    /// The key that seals.
    #[must_use]
    pub fn first(&self) -> &MasterKey {
        &self.first
    }

    /// All keys, the one that seals first.
    pub fn iter(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(self.first()).chain(self.others.iter())
    }

    /// The key with this id.
    #[must_use]
    pub fn find(&self, id: &MasterKeyId) -> Option<&MasterKey> {
        self.iter().find(|key| key.id == *id)
    }

    /// Encrypts `plain` with the first key (AES-256-GCM). `name` says what it is, and is needed to
    /// open it again. The nonce is random: one key must not seal more than 2^32 values.
    ///
    /// # Errors
    /// Returns [`EntropyError`] if there is no randomness.
    pub fn seal(
        &self,
        name: &str,
        plain: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Sealed, EntropyError> {
        let key = &self.first;
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce)?;
        let mut bytes = plain.to_vec();
        let associated = Aad::from(key.associated_data(name));
        let unique = Nonce::assume_unique_for_key(nonce);
        // It fails for lengths alone that no memory has room for.
        key.cipher
            .seal_in_place_append_tag(unique, associated, &mut bytes)
            .map_err(|_| EntropyError)?;
        Ok(Sealed { key: key.id.clone(), bytes: [&nonce, bytes.as_slice()].concat() })
    }

    /// Decrypts what was sealed under the same name by any of the keys.
    ///
    /// # Errors
    /// Returns [`OpenError::NotHeld`] if the key that sealed it is not among these, and
    /// [`OpenError::Changed`] if it is not what that key sealed under this name.
    pub fn open(&self, name: &str, sealed: &Sealed) -> Result<Secret<Vec<u8>>, OpenError> {
        let key = self.find(&sealed.key).ok_or_else(|| OpenError::NotHeld(sealed.key.clone()))?;
        let mut bytes = sealed.bytes.clone();
        let (nonce, rest) = bytes.split_first_chunk_mut::<NONCE_LEN>().ok_or(OpenError::Changed)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let associated = Aad::from(key.associated_data(name));
        let opened = key.cipher.open_in_place(nonce, associated, rest);
        opened.map(|plain| Secret::new(plain.to_vec())).map_err(|_| OpenError::Changed)
    }
}

/// Why a sealed value can't be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The key that sealed it is not configured.
    #[error("it is sealed with the master key {0}, which is not configured")]
    NotHeld(MasterKeyId),
    /// It was changed, or sealed under another name.
    #[error("it is not what was sealed")]
    Changed,
}

/// A value that a master key has encrypted: the nonce, the ciphertext and its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key that opens it.
    pub key: MasterKeyId,
    /// The nonce, the ciphertext and its tag.
    pub bytes: Vec<u8>,
}

impl Sealed {
    /// The bytes as text, for a column of a table.
    #[must_use]
    pub fn to_text(&self) -> String {
        BASE64URL_NOPAD.encode(&self.bytes)
    }

    /// The value from its key's id and [`to_text`](Self::to_text).
    ///
    /// # Errors
    /// Says which of the two is not well-formed.
    pub fn from_text(key: &str, text: &str) -> Result<Self, &'static str> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| "not base64url")?;
        Ok(Self { key: key.parse()?, bytes })
    }
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "keys are ASCII")]
mod tests {
    use super::*;
    use crate::OsEntropy;

    fn key() -> (MasterKey, Secret<String>) {
        MasterKey::generate(&OsEntropy::default()).unwrap()
    }

    #[test]
    fn the_text_of_a_key_gives_the_same_key() {
        let (key, text) = key();
        let same: MasterKey = text.expose().parse().unwrap();
        assert_eq!((same.id(), same.check_value()), (key.id(), key.check_value()));
        assert_eq!(key.id().as_str().parse(), Ok(key.id().clone()));
        assert_eq!(key.id().as_str().len(), 19);
        let text = text.expose();
        let bad =
            [text.to_uppercase(), text.replace(PREFIX, ""), format!("{text}00"), String::new()];
        for bad in bad {
            assert!(bad.parse::<MasterKey>().is_err(), "{bad}");
        }
        assert!(text[..text.len() - 2].parse::<MasterKey>().is_err());
        assert!("mk_1".parse::<MasterKeyId>().is_err() && "0123".parse::<MasterKeyId>().is_err());
    }

    /// The derivation is part of the stored format: another one could open nothing that exists.
    #[test]
    fn id_and_check_value_of_a_key_never_change() {
        let key: MasterKey = format!("{PREFIX}{}", "07".repeat(32)).parse().unwrap();
        assert_eq!(key.id().as_str(), "mk_6c347182e151c7a4");
        let check = "af48dc5a81a423a271f2eea7e855b80fff901463766fa3236e634051b233a46d";
        assert_eq!(key.check_value(), check);
    }

    #[test]
    fn nothing_that_is_shown_has_anything_of_the_key_in_it() {
        let (key, text) = key();
        let secret = text.expose().strip_prefix(PREFIX).unwrap();
        let keys = MasterKeys::new([key.clone()]).unwrap();
        let shown = format!("{keys:?} {key:?} {text:?} {} {}", key.id(), key.check_value());
        for part in secret.as_bytes().chunks(8) {
            let part = std::str::from_utf8(part).unwrap();
            assert!(!shown.contains(part), "{part} {shown}");
        }
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let entropy = OsEntropy::default();
        let ((old, _), (new, _)) = (key(), key());
        let before = MasterKeys::new([old.clone()]).unwrap();
        let sealed = before.seal("cursors", b"secret", &entropy).unwrap();
        let both = MasterKeys::new([new.clone(), old.clone()]).unwrap();
        assert_eq!(both.open("cursors", &sealed).unwrap().expose(), b"secret");
        let resealed = both.seal("cursors", b"secret", &entropy).unwrap();
        assert_eq!(resealed.key, *new.id());
        assert_eq!(before.open("cursors", &resealed), Err(OpenError::NotHeld(new.id().clone())));
        assert_ne!(both.seal("cursors", b"secret", &entropy).unwrap().bytes, resealed.bytes);
    }

    #[test]
    fn a_changed_value_or_another_name_does_not_open() {
        let keys = MasterKeys::new([key().0]).unwrap();
        let sealed = keys.seal("cursors", b"secret", &OsEntropy::default()).unwrap();
        assert_eq!(Sealed::from_text(sealed.key.as_str(), &sealed.to_text()), Ok(sealed.clone()));
        assert_eq!(keys.open("sign-ins", &sealed), Err(OpenError::Changed));
        for at in 0..sealed.bytes.len() {
            let mut changed = sealed.clone();
            changed.bytes[at] ^= 1;
            assert_eq!(keys.open("cursors", &changed), Err(OpenError::Changed), "{at}");
        }
        for length in [0, NONCE_LEN, sealed.bytes.len() - 1] {
            let cut = Sealed { bytes: sealed.bytes[..length].to_vec(), ..sealed.clone() };
            assert_eq!(keys.open("cursors", &cut), Err(OpenError::Changed), "{length}");
        }
        assert!(Sealed::from_text("mk_x", "AAAA").is_err());
        assert!(Sealed::from_text(sealed.key.as_str(), "%").is_err());
    }
}
