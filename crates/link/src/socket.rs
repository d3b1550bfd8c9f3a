//! A socket, as the link sees it. A stream that ends without [`Received::Closed`] has broken off.

/// What arrives.
#[derive(Debug)]
pub enum Received {
    /// A text frame.
    Text(String),
    /// Anything else that carries data, which the protocol does not have.
    Binary,
    /// The last frame, with the number that the other side gives as its reason.
    Closed(u16),
}

/// What is sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text frame.
    Text(String),
    /// A sign of life, which the other side's socket answers by itself.
    Ping,
    /// The last frame.
    Close {
        /// Why, as a number.
        code: u16,
        /// Why, for the other side's log.
        reason: String,
    },
}
