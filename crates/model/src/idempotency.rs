//! Requests that name themselves, so that a repetition is seen as one.

use serde::{Deserialize, Serialize};

/// The answer to a request, as it is kept for whoever repeats it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// The status.
    pub status: u16,
    /// The body; none where there was none, or where it had a secret.
    pub body: Option<String>,
    /// The `ETag`.
    pub etag: Option<String>,
    /// What was made, where the answer showed a secret of it, which is not kept.
    pub secret_of: Option<String>,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Nobody had it: this is the first request.
    Now,
    /// The same request was answered before.
    Answered(KeptAnswer),
    /// The same request has no answer yet.
    UnderWay,
    /// The same request was begun long ago, and nobody knows what became of it.
    BrokenOff,
    /// Another request has it.
    ByAnother,
}
