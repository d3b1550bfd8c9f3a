//! Bounds on the rows that unverified deliveries leave in the event log. What is beyond them is counted
//! here, and written by [`write_counts`] into one row for each source and hour: no write for each
//! delivery.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kici_model::event_log::{Event, EventStatus};
use kici_model::{EventId, OrgId, RoutingKey, Timestamp};
use kici_rbac::{SystemTask, perm};
use kici_store::StoreError;
use kici_wire::shorten;

use super::{Found, headers};
use crate::digest::event_id;
use crate::{App, Trouble, access};

/// How many rejected deliveries of one source have a row of their own in one hour.
const REJECTED_ROWS_MAX: u32 = 300;
/// The same for those that no orchestrator took. They may be good, and their rows tell what to send
/// again; but nobody has verified them.
const FAILED_ROWS_MAX: u32 = 10_000;
/// How many rows of one organization may wait to be written; deliveries of others are not counted then.
const WAITING_MAX: usize = 1_000;

const MINUTE: i64 = 60 * 1_000_000;
const HOUR: i64 = 60 * MINUTE;

/// The rows of the present hour, and the counts that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct LogLimits(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rows: HashMap<(OrgId, RoutingKey, EventStatus), Rows>,
    waiting: HashMap<OrgId, HashMap<EventId, Event>>,
}

#[derive(Debug, Clone, Copy)]
struct Rows {
    hour: i64,
    count: u32,
}

impl LogLimits {
    /// Gives the event back if it gets a row of its own; else counts it.
    pub(super) fn admit(&self, org: &OrgId, event: Event) -> Option<Event> {
        let max = match event.status {
            EventStatus::Relayed => return Some(event),
            EventStatus::Rejected => REJECTED_ROWS_MAX,
            EventStatus::Failed => FAILED_ROWS_MAX,
        };
        let hour = event.received_at.micros() / HOUR;
        let key = (org.clone(), event.routing_key.clone(), event.status);
        let mut state = self.state();
        let rows = state.rows.entry(key).or_insert(Rows { hour, count: 0 });
        if rows.hour != hour {
            *rows = Rows { hour, count: 0 };
        }
        if rows.count < max {
            rows.count += 1;
            return Some(event);
        }
        let id = event_id(&format!("{org} {} {} {hour}", event.routing_key, event.status));
        let first = event.reason.as_deref().unwrap_or_default();
        let reason = format!(
            "this row counts the deliveries beyond the first {max} that were {} in this hour; the first: {first}",
            event.status
        );
        state.count(org, Event { reason: Some(shorten(&reason, 500)), ..without_body(event) }, id);
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is to be written, and drops the counts of past hours.
    fn take(&self, now: Timestamp) -> HashMap<OrgId, HashMap<EventId, Event>> {
        let hour = now.micros() / HOUR;
        let mut state = self.state();
        state.rows.retain(|_, rows| rows.hour >= hour);
        std::mem::take(&mut state.waiting)
    }
}

impl State {
    /// Counts `event` to the row `id`, which has the fields of the first one.
    fn count(&mut self, org: &OrgId, event: Event, id: Option<EventId>) {
        let Some(id) = id else { return };
        let waiting = self.waiting.entry(org.clone()).or_default();
        let is_full = waiting.len() >= WAITING_MAX;
        match waiting.get_mut(&id) {
            Some(row) => row.times += event.times,
            None if is_full => {}
            None => drop(waiting.insert(id.clone(), Event { id, ..event })),
        }
    }
}

/// A row that stands for several deliveries has no body: each may have another one.
fn without_body(event: Event) -> Event {
    Event { attempts: Vec::new(), body_bytes: 0, body_hash: String::new(), ..event }
}

/// Counts a delivery whose body was refused for want of memory, into one row for each source and minute.
/// One without the headers that its provider always sends is not counted.
pub fn note_refused_body(
    app: &App,
    found: &Found,
    headers: &BTreeMap<String, String>,
    client_ip: Option<&str>,
    reason: &str,
) {
    let Found { org, routing_key, .. } = found;
    let Ok(described) = headers::describe(app, routing_key, headers) else { return };
    let received_at = app.clock.now();
    let minute = received_at.micros() / MINUTE;
    let Some(id) = event_id(&format!("{org} {routing_key} refused bodies {minute}")) else {
        return;
    };
    let event = Event {
        id: id.clone(),
        routing_key: routing_key.clone(),
        delivery_id: described.id,
        event: shorten(&described.event, 100),
        action: None,
        repo: None,
        git_ref: None,
        status: EventStatus::Failed,
        reason: Some(shorten(reason, 500)),
        attempts: Vec::new(),
        body_bytes: 0,
        body_hash: String::new(),
        client_ip: client_ip.map(ToOwned::to_owned),
        received_at,
        times: 1,
    };
    app.log_limits.state().count(org, event, Some(id));
}

/// Writes what was counted since the last time, one transaction for each organization.
pub(crate) async fn write_counts(app: &App) -> Result<(), Trouble> {
    let mut result = Ok(());
    for (org, events) in app.log_limits.take(app.clock.now()) {
        match write(app, &org, &events).await {
            Ok(()) => {}
            // The organization is gone, and its log with it.
            Err(Trouble::Store(StoreError::Conflict(_))) => {}
            Err(trouble) => {
                let mut state = app.log_limits.state();
                for (id, event) in events {
                    state.count(&org, event, Some(id));
                }
                result = Err(trouble);
            }
        }
    }
    result
}

async fn write(app: &App, org: &OrgId, events: &HashMap<EventId, Event>) -> Result<(), Trouble> {
    let access = access::task(org.clone(), SystemTask::RelayWebhooks);
    let Ok(grant) = access.require::<perm::EventLogWrite>() else { return Ok(()) };
    let mut tx = app.store.record().await?;
    for event in events.values() {
        tx.count_events(&grant, event).await?;
    }
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kici_model::{Clock, OsEntropy, SystemClock};

    use super::*;

    fn event(n: u32, status: EventStatus, received_at: Timestamp) -> Event {
        Event {
            id: format!("evt_{n}").parse().unwrap(),
            routing_key: "github:1".parse().unwrap(),
            delivery_id: n.to_string().parse().unwrap(),
            event: "push".to_owned(),
            action: None,
            repo: None,
            git_ref: None,
            status,
            reason: Some("rejected_signature".to_owned()),
            attempts: Vec::new(),
            body_bytes: 2,
            body_hash: "44".to_owned(),
            client_ip: None,
            received_at,
            times: 1,
        }
    }

    #[test]
    fn rejected_deliveries_have_so_many_rows_an_hour_and_are_counted_beyond() {
        let (limits, now) = (LogLimits::default(), SystemClock.now());
        let org = OrgId::random(&OsEntropy::default()).unwrap();
        let rows = |status, now, count| {
            (0..count).filter(|n| limits.admit(&org, event(*n, status, now)).is_some()).count()
        };
        assert_eq!(rows(EventStatus::Rejected, now, 2_000), 300);
        assert_eq!(rows(EventStatus::Failed, now, 10_001), 10_000);
        assert_eq!(rows(EventStatus::Relayed, now, 20_000), 20_000);
        let waiting = limits.take(now).remove(&org).unwrap();
        let mut counts: Vec<_> =
            waiting.values().map(|event| (event.delivery_id.to_string(), event.times)).collect();
        counts.sort();
        assert_eq!(counts, [("10000".to_owned(), 1), ("300".to_owned(), 1_700)]);
        assert!(limits.take(now).is_empty());
        // The same row goes on until the hour ends.
        assert_eq!(rows(EventStatus::Rejected, now, 5), 0);
        let again = limits.take(now).remove(&org).unwrap();
        assert!(again.keys().all(|id| waiting.contains_key(id)), "{again:?}");
        let later = now + Duration::from_secs(60 * 60);
        assert_eq!(rows(EventStatus::Rejected, later, 400), 300);
        let later = limits.take(later).remove(&org).unwrap();
        assert!(later.keys().all(|id| !waiting.contains_key(id)), "{later:?}");
    }
}
