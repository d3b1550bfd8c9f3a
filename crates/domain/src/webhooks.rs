//! Inbound webhooks: found, relayed to the organisation's orchestrator, answered with its verdict,
//! and logged whatever became of them. The signature is not looked at here: the secret is with the
//! orchestrator.
//!
//! A delivery passes through: when no orchestrator takes it, the sender is told to try again.

mod find;
mod headers;
mod log_limits;
mod peek;
mod under_way;
mod unknown;

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use kici_model::EventId;
use kici_model::delivery::{Delivery, Outcome, Relayed, Verdict};
use kici_model::event_log::{Event, EventStatus};
use kici_model::text::DeliveryId;
use kici_rbac::{Denied, SystemTask, perm};
use kici_store::StoreError;
use kici_wire::shorten;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::digest::sha256;
use crate::ports::MayRelay;
use crate::{App, Fault, Kind, Trouble, access};

pub(crate) use log_limits::{LogLimits, write_counts};
pub(crate) use under_way::UnderWay;
use under_way::{Claim, Turn};
pub(crate) use unknown::Unknown;

pub use find::{Found, Target, find};
pub use headers::GITHUB_APP;
pub use log_limits::note_refused_body;

/// What a sender posted.
#[expect(missing_debug_implementations, reason = "headers may carry a credential")]
pub struct Incoming {
    /// Its headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Where it came from.
    pub client_ip: Option<String>,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// An accepted delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: DeliveryId,
    /// Whether an orchestrator has verified it now. A repetition gets the answer of the first delivery,
    /// and its signature is not looked at.
    pub is_verified: bool,
}

/// Why a delivery was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// A header that the provider always sends is missing or makes no sense.
    #[error("{0}")]
    Header(String),
    /// There is no such organisation, or it has no such source.
    #[error("Unknown organization or webhook source")]
    UnknownSource,
    /// The orchestrator does not know the source, or has disabled it.
    #[error("The orchestrator does not know this webhook source")]
    RejectedUnknownSource,
    /// The orchestrator says that the signature is wrong.
    #[error("The orchestrator could not verify the signature")]
    RejectedSignature,
    /// The orchestrator can't verify anything for this source.
    #[error("The orchestrator can't take deliveries of this source: it is misconfigured there")]
    RejectedMisconfigured,
    /// Another delivery was accepted under its id.
    #[error("Another delivery with the id `{0}` and another body was accepted before")]
    IdTaken(DeliveryId),
    /// Nobody took it; the sender should try again.
    #[error("No orchestrator available")]
    NoOrchestrator,
    /// The relay lacks a permission that its own matrix should have.
    #[error("Something went wrong here; the request id finds it in the log")]
    Denied(#[from] Denied),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for WebhookError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for WebhookError {
    fn kind(&self) -> Kind {
        match self {
            Self::Header(_) => Kind::Malformed,
            Self::UnknownSource | Self::RejectedUnknownSource => Kind::Missing,
            Self::RejectedSignature => Kind::Unauthenticated,
            Self::RejectedMisconfigured | Self::Denied(_) => Kind::Bug,
            Self::IdTaken(_) => Kind::Conflict,
            Self::NoOrchestrator => Kind::Busy,
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Header(_) => "invalid_header",
            Self::UnknownSource => "unknown_source",
            Self::RejectedUnknownSource => "rejected_unknown_source",
            Self::RejectedSignature => "rejected_signature",
            Self::RejectedMisconfigured => "rejected_misconfigured",
            Self::IdTaken(_) => "delivery_id_taken",
            Self::NoOrchestrator => "no_orchestrator",
            Self::Denied(_) => "internal",
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// Relays a delivery, tells what became of it, and logs it.
///
/// An id is taken once its delivery was accepted: a repetition then gets the same answer, and goes to
/// nobody. What was refused takes nothing, so that the sender can try again once the cause is mended.
/// While a delivery is on its way, another with its id waits for what becomes of it.
///
/// The log is written before `tell` where that is quick. A database that is slow must not cost the
/// sender its answer: it is told after 1 s, and the log goes on.
pub async fn deliver(
    app: &App,
    found: Found,
    incoming: Incoming,
    tell: impl FnOnce(Result<Accepted, WebhookError>) + Send,
) {
    let begun = Instant::now();
    let (wanted, before) = (found.wanted.clone(), found.before);
    let refused = |error: WebhookError| {
        app.metrics().delivered(error.code(), 0);
        Err(error)
    };
    let Relaying { grant, event, delivery } = match prepare(app, found, incoming) {
        Ok(relaying) => relaying,
        Err(error) => return tell(refused(error)),
    };
    let id = delivery.id.clone();
    let (hash, bytes) = (event.body_hash.clone(), delivery.body.len());
    let claim = match turn(app, &grant, &delivery, begun + PATIENCE).await {
        Ok(Mine::Ours(claim)) => claim,
        Ok(Mine::Taken(taken)) if taken == hash => {
            app.metrics().delivered("repeated", bytes);
            return tell(Ok(Accepted { id, is_verified: false }));
        }
        Ok(Mine::Taken(_)) => return tell(refused(WebhookError::IdTaken(id))),
        Err(error) => return tell(refused(error)),
    };
    // What is accepted must be written down: while writes fail, nothing is offered.
    if let Err(error) = app.can_write().await {
        return tell(refused(error.into()));
    }
    let relayed = app.relay.relay(&grant, delivery, begun + PATIENCE).await;
    let answer = answer(&relayed).map(|()| Accepted { id, is_verified: true });
    if let Err(WebhookError::RejectedUnknownSource) = &answer {
        let now = app.clock.now();
        app.unknown.note(before, grant.tenant(), wanted, now, unknown::REFUSED);
    }
    // What was refused is free at once; what was accepted, when the database knows it.
    let claim = answer.is_ok().then_some(claim).inspect(|claim| claim.accepted(&hash));
    let event = settle(event, relayed);
    app.metrics().delivered(event.status.as_str(), bytes);
    let Some(event) = app.log_limits.admit(grant.tenant(), event) else { return tell(answer) };
    let mut written = pin!(record(app, &grant, &event));
    let is_written = timeout(LOG_PATIENCE, &mut written).await.is_ok();
    tell(answer);
    if !is_written && timeout(LOG_END, written).await.is_err() {
        app.metrics().event_log_row_lost();
        tracing::error!(
            org = %grant.tenant(), delivery = %event.delivery_id, status = %event.status,
            "a delivery is missing in the event log: the database did not answer in time"
        );
    }
    drop(claim);
}

/// Who has the id of a delivery.
enum Mine<'a> {
    /// This delivery, until the claim is dropped.
    Ours(Claim<'a>),
    /// One that was accepted; the hash of its body.
    Taken(String),
}

/// Waits for those that are on their way under the same id, and says whose the id is then.
async fn turn<'a>(
    app: &'a App,
    grant: &MayRelay,
    delivery: &Delivery,
    end: Instant,
) -> Result<Mine<'a>, WebhookError> {
    let (source, id) = (&delivery.routing_key, &delivery.id);
    loop {
        let key = (grant.tenant().clone(), source.clone(), id.clone());
        match app.under_way.claim(key) {
            Turn::Ours(claim) => {
                let taken = quick(|| app.store.accepted_delivery(grant, source, id));
                let taken = taken.await?;
                return Ok(taken.map_or(Mine::Ours(claim), Mine::Taken));
            }
            Turn::Theirs(mut theirs) => {
                let accepted = timeout_at(end, theirs.wait_for(Option::is_some)).await;
                let Ok(ended) = accepted else { return Err(WebhookError::NoOrchestrator) };
                // Nothing is accepted any more once the other has gone.
                if let Some(taken) = ended.ok().and_then(|hash| hash.clone()) {
                    return Ok(Mine::Taken(taken));
                }
            }
        }
    }
}

/// How long a sender waits for a delivery under the same id, and for its own after that: as long as
/// for one alone.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long an answer waits for its row in the log.
const LOG_PATIENCE: Duration = Duration::from_secs(1);
/// How long the row is tried to be written after that.
const LOG_END: Duration = Duration::from_secs(10);
/// How long a delivery waits for what the database knows of it: a body, and its sender, wait with it.
const READ_PATIENCE: Duration = Duration::from_secs(1);
/// The first pause before the database is asked again, and the longest; each is twice the one before.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(20);
const RETRY_PAUSE_MAX: Duration = Duration::from_millis(320);

/// What the database says, where it does so at once; asked again where it was lost in between.
async fn quick<T, F>(read: impl Fn() -> F) -> Result<T, Trouble>
where
    F: Future<Output = Result<T, StoreError>>,
{
    match timeout(READ_PATIENCE, again(read)).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Trouble::Slow),
    }
}

/// Does something until the database is there: after a restart of it every connection is gone.
async fn again<T, F>(work: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = RETRY_PAUSE_MIN;
    loop {
        match work().await {
            Err(StoreError::Unavailable(_)) => {
                sleep(pause).await;
                pause = (pause * 2).min(RETRY_PAUSE_MAX);
            }
            done => return done,
        }
    }
}

/// A delivery on its way, and the row that will tell of it.
struct Relaying {
    grant: MayRelay,
    event: Event,
    delivery: Delivery,
}

fn prepare(app: &App, found: Found, incoming: Incoming) -> Result<Relaying, WebhookError> {
    let Found { org, routing_key, .. } = found;
    let received_at = app.clock.now();
    let access = access::task(org, SystemTask::RelayWebhooks);
    let grant = access.require::<perm::EventLogWrite>()?;
    let described = headers::describe(app, &routing_key, &incoming.headers)?;
    let body = incoming.body;
    let peeked = peek::peek(&incoming.headers, &body);
    let event = Event {
        id: EventId::new(&*app.clock, &*app.entropy).map_err(Trouble::from)?,
        routing_key: routing_key.clone(),
        delivery_id: described.id.clone(),
        event: shorten(&described.event, 100),
        action: peeked.action.map(|text| shorten(&text, 100)),
        repo: peeked.repo.map(|text| shorten(&text, 256)),
        git_ref: peeked.git_ref.map(|text| shorten(&text, 256)),
        status: EventStatus::Failed,
        reason: None,
        attempts: Vec::new(),
        body_bytes: i64::try_from(body.len()).unwrap_or(i64::MAX),
        body_hash: sha256(&[&body]),
        client_ip: incoming.client_ip.clone(),
        received_at,
        times: 1,
    };
    let delivery = Delivery {
        routing_key,
        id: described.id.clone(),
        event: event.event.clone(),
        action: event.action.clone(),
        signature_header: described.signature_header,
        headers: incoming.headers,
        client_ip: incoming.client_ip,
        body,
    };
    Ok(Relaying { grant, event, delivery })
}

/// The verdict decides; a log that can't be written must not make the sender repeat an accepted
/// delivery, nor hide a refusal.
async fn record(app: &App, grant: &MayRelay, event: &Event) {
    if let Err(error) = again(|| write(app, grant, event)).await {
        app.metrics().event_log_row_lost();
        tracing::error!(
            org = %grant.tenant(), delivery = %event.delivery_id, status = %event.status,
            error = &error as &dyn std::error::Error, "a delivery is missing in the event log"
        );
    }
}

async fn write(app: &App, grant: &MayRelay, event: &Event) -> Result<(), StoreError> {
    let mut tx = app.store.record().await?;
    tx.record_event(grant, event).await?;
    if event.status == EventStatus::Relayed {
        let Event { routing_key, delivery_id, body_hash, received_at, .. } = event;
        tx.accept_delivery(grant, routing_key, delivery_id, body_hash, *received_at).await?;
    }
    tx.commit().await
}

fn settle(event: Event, relayed: Relayed) -> Event {
    let (status, reason) = match relayed.outcome {
        Outcome::Verdict { verdict: Verdict::Accepted, .. } => (EventStatus::Relayed, None),
        Outcome::Verdict { verdict, reason } => {
            let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            (EventStatus::Rejected, Some(shorten(&format!("{verdict}{why}"), 500)))
        }
        Outcome::NobodyConnected => {
            (EventStatus::Failed, Some("no orchestrator connected".to_owned()))
        }
        Outcome::NoAnswer => {
            (EventStatus::Failed, Some("no orchestrator took it in time".to_owned()))
        }
    };
    Event { status, reason, attempts: relayed.attempts, ..event }
}

fn answer(relayed: &Relayed) -> Result<(), WebhookError> {
    match &relayed.outcome {
        Outcome::NobodyConnected | Outcome::NoAnswer => Err(WebhookError::NoOrchestrator),
        Outcome::Verdict { verdict, .. } => match verdict {
            Verdict::Accepted => Ok(()),
            Verdict::RejectedSignature => Err(WebhookError::RejectedSignature),
            Verdict::RejectedUnknownSource => Err(WebhookError::RejectedUnknownSource),
            Verdict::RejectedMisconfigured => Err(WebhookError::RejectedMisconfigured),
        },
    }
}
