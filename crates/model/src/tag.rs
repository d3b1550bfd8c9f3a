//! Short texts that stand for a state, so that whoever changes something can say which one they have
//! seen.

/// Stands for `content`: 32 hexadecimal characters, the same for the same content alone.
pub(crate) fn of(content: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, content.as_bytes());
    data_encoding::HEXLOWER.encode(digest.as_ref()).chars().take(32).collect()
}
