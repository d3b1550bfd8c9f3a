//! Randomness as a parameter, and the alphabets that ids and tokens are drawn from.

use std::fmt;

/// `0-9A-Za-z`, in byte order, so that texts sort as the numbers they stand for.
pub const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const URL_SAFE: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/// A source of random bytes. Tests give a seeded one.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// The source has nothing to give; nothing may be made from what `bytes` then holds.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct EntropyError;

/// The operating system's generator.
#[derive(Debug, Clone)]
pub struct OsEntropy(ring::rand::SystemRandom);

impl Default for OsEntropy {
    fn default() -> Self {
        Self(ring::rand::SystemRandom::new())
    }
}

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        ring::rand::SecureRandom::fill(&self.0, bytes).map_err(|_| EntropyError)
    }
}

/// `count` characters of [`BASE62`], each equally likely.
///
/// # Errors
/// The source has nothing to give.
pub fn base62(entropy: &dyn Entropy, count: usize) -> Result<String, EntropyError> {
    draw(entropy, BASE62, count)
}

/// `count` characters of `A-Za-z0-9_-`, each equally likely.
pub(crate) fn url_safe(entropy: &dyn Entropy, count: usize) -> Result<String, EntropyError> {
    draw(entropy, URL_SAFE, count)
}

/// A version 4 UUID, as the link's message ids are.
///
/// # Errors
/// The source has nothing to give.
pub fn uuid(entropy: &dyn Entropy) -> Result<String, EntropyError> {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes)?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}

/// Six bits at a time; a value beyond the alphabet is thrown away, which keeps the draw even.
fn draw(entropy: &dyn Entropy, alphabet: &[u8], count: usize) -> Result<String, EntropyError> {
    let mut text = String::with_capacity(count);
    let mut bytes = [0; 64];
    while text.len() < count {
        entropy.fill(&mut bytes)?;
        let drawn = bytes.iter().filter_map(|byte| alphabet.get(usize::from(byte & 63)));
        text.extend(drawn.take(count - text.len()).map(|c| char::from(*c)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_drawn_about_equally_often() {
        let text = base62(&OsEntropy::default(), 62_000).unwrap();
        for c in BASE62 {
            let seen = text.bytes().filter(|b| b == c).count();
            assert!((700..1300).contains(&seen), "{} {seen}", char::from(*c));
        }
    }
}
