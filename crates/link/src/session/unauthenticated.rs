//! A connection before it has authenticated, as the one sees it who counts those.

/// What a connection asks of its owner until it has authenticated. It is dropped then, or when the
/// connection has ended.
pub trait Unauthenticated: Send + Sync {
    /// Completes when the connection has to make room for another one.
    fn evicted(&self) -> impl Future<Output = ()> + Send;

    /// Asks whether `token` may be looked up. Called once, when the first frame is complete; from then on
    /// the connection is not evicted.
    ///
    /// # Errors
    /// Returns why not, as a sentence.
    fn begin_check(&self, token: &str) -> impl Future<Output = Result<(), String>> + Send;

    /// Reports what the look-up has found.
    fn checked(&self, result: TokenCheck);
}

/// What looking a token up has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenCheck {
    /// It is a working orchestrator key.
    Valid,
    /// It is not.
    Invalid,
    /// It could not be looked up.
    Failed,
}
