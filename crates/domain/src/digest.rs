//! One digest for everything that is told apart by its content.

use data_encoding::HEXLOWER;
use kici_model::{AuditId, EventId};

/// The SHA-256 of all the parts together, in lower-case hexadecimal.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    HEXLOWER.encode(context.finish().as_ref())
}

/// The id of an entry that several may write, and that stands in the log once: the same for the same
/// text.
pub(crate) fn audit_id(text: &str) -> Option<AuditId> {
    let hash: String = sha256(&[text.as_bytes()]).chars().take(32).collect();
    format!("aud_{hash}").parse().ok()
}

/// The same for a row of the event log.
pub(crate) fn event_id(text: &str) -> Option<EventId> {
    let hash: String = sha256(&[text.as_bytes()]).chars().take(32).collect();
    format!("evt_{hash}").parse().ok()
}
