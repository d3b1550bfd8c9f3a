//! Runs again what lost to another transaction.

use kici_store::Attempt;

use crate::{Fault, Kind, Trouble};

/// How often it is run again.
const RETRIES: u32 = 2;

/// The result of `work`, which is one transaction of a machine. It is run again, twice at most, where
/// PostgreSQL ended it in favor of another one and no commit was sent. Requests over HTTP are run again
/// as a whole instead.
pub(crate) async fn retry_contention<T, F>(work: impl Fn() -> F) -> Result<T, Trouble>
where
    F: Future<Output = Result<T, Trouble>>,
{
    for _ in 0..RETRIES {
        let attempt = Attempt::default();
        match attempt.run(work()).await {
            Err(lost) if lost.kind() == Kind::Contention && !attempt.has_recorded() => {
                tracing::info!("run again: the database ended the transaction in favor of another");
            }
            done => return done,
        }
    }
    work().await
}
