//! One digest for everything that is told apart by its content.

use data_encoding::HEXLOWER;

/// The SHA-256 of all the parts together, in lower-case hexadecimal.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    HEXLOWER.encode(context.finish().as_ref())
}
