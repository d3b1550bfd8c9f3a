//! Signatures as senders make them, for tests and for lines to paste. Nothing here verifies.

use data_encoding::HEXLOWER;
use ring::hmac;

/// What GitHub sends as `X-Hub-Signature-256`: `sha256=` and the HMAC-SHA256 of the body in hex.
#[must_use]
pub fn github(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hex(secret, body))
}

/// The HMAC-SHA256 of the body in hex, as some senders write it.
#[must_use]
pub fn hex(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    HEXLOWER.encode(hmac::sign(&key, body).as_ref())
}

#[cfg(test)]
mod tests {
    /// The example in GitHub's documentation of webhook signatures.
    #[test]
    fn githubs_own_example_comes_out() {
        assert_eq!(
            super::github("It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
