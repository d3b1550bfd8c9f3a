//! Between the link and the handler: verifies whole deliveries, answers them, and hands each
//! accepted one on once. It runs beside the reader, since a large body takes its time.

use std::sync::Arc;

use kici_model::delivery::Verdict;
use kici_wire::{FromOrchestrator, WebhookAck, shorten};
use tokio::sync::mpsc;

use crate::handler::Parcel;
use crate::outbox::Outbox;
use crate::recent::Recent;
use crate::shared::Shared;
use crate::verify::{Rejection, check};

/// How many accepted deliveries are remembered, to hand none on twice.
const REMEMBERED: usize = 10_000;
/// The longest reason that goes into an ack, in characters.
const LONGEST_REASON: usize = 500;

/// A whole delivery and the connection that waits for the verdict.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) parcel: Parcel,
    pub(crate) outbox: Outbox,
}

/// Judges in the order of arrival until nobody can send any more. Unbounded queues are safe here:
/// each parcel holds its share of a bounded memory.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut cases: mpsc::UnboundedReceiver<Case>,
    accepted: mpsc::UnboundedSender<Parcel>,
) {
    let mut seen = Recent::new(REMEMBERED);
    while let Some(case) = cases.recv().await {
        if let Some(parcel) = judge(&shared, case, &mut seen, accepted.is_closed()) {
            // The handler is gone only if it panicked, and that was looked at before.
            let _ = accepted.send(parcel);
        }
    }
}

/// Answers the case, and gives its parcel back if it is for the handler.
fn judge(shared: &Shared, case: Case, seen: &mut Recent, is_handler_gone: bool) -> Option<Parcel> {
    let Case { parcel, outbox } = case;
    let (start, body) = (&parcel.delivery.start, &parcel.delivery.body);
    let source = shared.registry.source(&start.routing_key);
    let verdict = check(source.as_deref(), start, body);
    if verdict.is_ok() && is_handler_gone {
        tracing::error!("the handler has panicked; deliveries are left unanswered");
        return None;
    }
    // Unanswered deliveries are offered again, so they must be neither remembered nor handed on.
    outbox.send(&FromOrchestrator::WebhookAck(ack(&parcel, &verdict))).ok()?;
    if let Err(rejection) = verdict {
        tracing::info!(
            delivery = shorten(&start.delivery_id, 100),
            verdict = rejection.verdict.as_str(),
            reason = rejection.reason,
            "delivery refused"
        );
        return None;
    }
    // By the delivery's id alone, whatever the source: whoever relays makes ids distinct.
    let is_new = !seen.contains(&start.delivery_id);
    seen.insert(&start.delivery_id);
    is_new.then_some(parcel)
}

fn ack(parcel: &Parcel, verdict: &Result<(), Rejection>) -> WebhookAck {
    let start = &parcel.delivery.start;
    let (result, reason) = match verdict {
        Ok(()) => (Verdict::Accepted, None),
        Err(Rejection { verdict, reason }) => (*verdict, Some(shorten(reason, LONGEST_REASON))),
    };
    WebhookAck {
        message_id: start.message_id.clone(),
        delivery_id: start.delivery_id.clone(),
        result: Some(result.into()),
        reason,
    }
}
