//! One authenticated connection: what it serves, what it carries, and how a delivery is offered.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kici_model::delivery::{Delivery, Verdict};
use kici_model::orchestrators::DashboardWrites;
use kici_model::{ConnectionId, CredentialId, OrgId, RoutingKey};
use kici_wire::{
    AckResult, CHUNK, Chunks, CloseCode, JoinResponse, OrchRole, WebhookAck, WebhookRelayStart,
    chunk_count, shorten,
};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};

use crate::Limits;
use crate::answers::Answers;
use crate::news::{Count, News};
use crate::outbox::Outbox;
use crate::rate::Rate;
use crate::session::Joining;

/// For how long a connection stands behind the others once a delivery was given up there. Not for ever:
/// it may have been slow, and has nothing to answer any more.
const GRUDGE: Duration = Duration::from_secs(30);

/// Of how many sources an organization is told that several clusters serve them.
const SHARED: usize = 5_000;

/// What all connections of an organization have in common.
#[derive(Debug)]
pub(crate) struct Common {
    /// How fast they are read.
    pub(crate) rate: Rate,
    /// What they are told.
    pub(crate) news: News,
    /// Whose turn it is to write: one organization must not hold every connection to the database.
    pub(crate) writes: tokio::sync::Mutex<()>,
    /// Sources of which it was told that several clusters serve them.
    shared: Mutex<BTreeSet<RoutingKey>>,
}

impl About {
    /// What tells its cluster from others.
    pub(crate) fn cluster(&self) -> Option<&str> {
        self.cluster_id.as_deref().or(self.cluster_name.as_deref())
    }
}

impl Common {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            rate: Rate::new(limits),
            news: News::default(),
            writes: tokio::sync::Mutex::default(),
            shared: Mutex::default(),
        }
    }

    /// Of these sources those that it was not told of before. So many are remembered, and told of no
    /// more: a source may be registered and removed again without end.
    pub(crate) fn newly_shared(&self, sources: Vec<RoutingKey>) -> Vec<RoutingKey> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_new =
            |source: &RoutingKey| shared.len() < SHARED && shared.insert(source.clone());
        sources.into_iter().filter(|source| is_new(source)).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) org: OrgId,
    pub(crate) key: CredentialId,
    pub(crate) outbox: Outbox,
    /// What it has in common with the others of its organization.
    pub(crate) common: Arc<Common>,
    /// Answers to registrations that were given.
    pub(crate) registrations: Count,
    /// What it has asked for itself.
    pub(crate) joining: Joining,
    /// What its cluster says of those who want to come in.
    pub(crate) joins: Answers<JoinResponse>,
    about: Mutex<About>,
    acks: Answers<WebhookAck>,
    /// Deliveries that were given to it, those that wait for room among them.
    offers: AtomicUsize,
    /// Both windows are fair queues: a large body waits its turn and then gets it.
    deliveries: Semaphore,
    window_kib: Semaphore,
    closing: watch::Sender<Option<CloseCode>>,
    /// Since when it owes an answer: a delivery was given up here, and nothing was answered since.
    silent_since: Mutex<Option<Instant>>,
}

/// What the orchestrator has told of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) cluster_name: Option<String>,
    /// One orchestrator database.
    pub(crate) cluster_id: Option<String>,
    /// One start of its process.
    pub(crate) instance: Option<String>,
    pub(crate) version: Option<String>,
    /// Where its siblings reach it.
    pub(crate) address: Option<String>,
    pub(crate) role: Option<OrchRole>,
    pub(crate) serves: BTreeSet<RoutingKey>,
    pub(crate) supported_requests: Option<Vec<String>>,
    /// What it has said last of the dashboard's writes, until that is kept.
    pub(crate) dashboard_writes: Option<DashboardWrites>,
    /// Whether it has registered, and so told its cluster's name.
    pub(crate) is_registered: bool,
}

/// How an offer ended.
#[derive(Debug)]
pub(crate) enum Offered {
    Answer {
        verdict: Verdict,
        reason: Option<String>,
    },
    /// An answer that is no verdict, in the orchestrator's word.
    Declined(String),
    TimedOut,
    Disconnected,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        org: OrgId,
        key: CredentialId,
        common: Arc<Common>,
        limits: &Limits,
    ) -> Self {
        Self {
            id,
            org,
            key,
            outbox: Outbox::default(),
            common,
            registrations: Count::default(),
            joining: Joining::default(),
            joins: Answers::default(),
            about: Mutex::default(),
            acks: Answers::default(),
            offers: AtomicUsize::new(0),
            deliveries: Semaphore::new(usize::try_from(limits.deliveries).unwrap_or(1)),
            window_kib: Semaphore::new(usize::try_from(limits.window_kib).unwrap_or(1)),
            closing: watch::Sender::new(None),
            silent_since: Mutex::default(),
        }
    }

    pub(crate) fn about(&self) -> MutexGuard<'_, About> {
        self.about.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Smaller is freer: who has lately owed an answer comes last, then deliveries count, then KiB of
    /// bodies.
    pub(crate) fn load(&self) -> (bool, usize, usize) {
        let window = usize::MAX - self.window_kib.available_permits();
        let is_silent = self.silent_since().is_some_and(|since| since.elapsed() < GRUDGE);
        (is_silent, self.offers.load(Ordering::Relaxed), window)
    }

    fn silent_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.silent_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the session to end; the first reason counts.
    pub(crate) fn close(&self, code: CloseCode) {
        self.closing.send_if_modified(|current| {
            let is_first = current.is_none();
            if is_first {
                *current = Some(code);
            }
            is_first
        });
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.borrow().is_some()
    }

    /// The reason, once somebody has asked for the end.
    pub(crate) async fn closed(&self) -> CloseCode {
        let mut closing = self.closing.subscribe();
        match closing.wait_for(Option::is_some).await {
            Ok(code) => code.unwrap_or(CloseCode::Internal),
            Err(_) => CloseCode::Internal,
        }
    }

    /// The session is over: whoever waits for an answer learns it now, and nothing more is sent.
    pub(crate) fn ended(&self) {
        self.close(CloseCode::GoingAway);
        self.deliveries.close();
        self.window_kib.close();
        self.acks.end();
        self.joins.end();
        self.outbox.clear();
    }

    /// Whether somebody waits for an answer under this id.
    pub(crate) fn awaits(&self, message_id: &str) -> bool {
        self.acks.awaits(message_id)
    }

    /// Hands an answer to whoever offered the delivery; answers to nothing are ignored.
    pub(crate) fn answered(&self, ack: WebhookAck) -> bool {
        // Late or not: somebody is there.
        *self.silent_since() = None;
        let id = ack.message_id.clone();
        self.acks.take(&id, ack)
    }

    /// Offers a delivery under `message_id` and waits for the verdict until `deadline`.
    pub(crate) async fn offer(
        &self,
        message_id: String,
        delivery: &Delivery,
        limits: &Limits,
        deadline: Instant,
    ) -> Offered {
        let _offer = Offer::begin(&self.offers);
        let _room = match timeout_at(deadline, self.room(weight(&delivery.body, limits))).await {
            Ok(Some(room)) => room,
            Ok(None) => return Offered::Disconnected,
            Err(_) => return Offered::TimedOut,
        };
        let answer = self.acks.expect(message_id.clone());
        let chunks = Chunks::new(message_id.clone(), delivery.body.clone());
        let _ticket = self.outbox.deliver(start(message_id, delivery), chunks);
        match timeout_at(deadline, answer.answer()).await {
            Ok(Some(ack)) => {
                let reason = ack.reason.map(|reason| shorten(&reason, 500));
                match ack.result {
                    // Left out means accepted (protocol §8).
                    None => Offered::Answer { verdict: Verdict::Accepted, reason },
                    Some(AckResult::Verdict(verdict)) => Offered::Answer { verdict, reason },
                    Some(AckResult::Other(word)) => Offered::Declined(word),
                }
            }
            Ok(None) => Offered::Disconnected,
            Err(_) => {
                *self.silent_since() = Some(Instant::now());
                Offered::TimedOut
            }
        }
    }

    async fn room(&self, kib: u32) -> Option<(SemaphorePermit<'_>, SemaphorePermit<'_>)> {
        // The window first: who waits for it must not hold a place that a small one could have.
        let window = self.window_kib.acquire_many(kib).await.ok()?;
        Some((window, self.deliveries.acquire().await.ok()?))
    }
}

/// Counts a delivery from the moment that it begins to wait.
struct Offer<'a>(&'a AtomicUsize);

impl<'a> Offer<'a> {
    fn begin(offers: &'a AtomicUsize) -> Self {
        offers.fetch_add(1, Ordering::Relaxed);
        Self(offers)
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How much of the window a body takes, in KiB. A single chunk takes nothing: it must not wait for a
/// large body that has the whole window.
fn weight(body: &[u8], limits: &Limits) -> u32 {
    if body.len() <= CHUNK {
        return 0;
    }
    u32::try_from(body.len().div_ceil(1024)).unwrap_or(u32::MAX).min(limits.window_kib)
}

fn start(message_id: String, delivery: &Delivery) -> WebhookRelayStart {
    let name = delivery.signature_header;
    WebhookRelayStart {
        message_id,
        routing_key: delivery.routing_key.to_string(),
        delivery_id: delivery.id.to_string(),
        event: delivery.event.clone(),
        action: delivery.action.clone(),
        signature_header_name: name.map(ToOwned::to_owned),
        signature_header: name.and_then(|name| delivery.headers.get(name)).cloned(),
        client_ip: delivery.client_ip.clone(),
        headers: delivery.headers.clone(),
        total_size: delivery.body.len(),
        chunk_count: chunk_count(delivery.body.len()),
        request_id: None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kici_model::{OsEntropy, SystemClock};

    use super::*;

    fn connection(limits: &Limits) -> Connection {
        let (clock, entropy) = (SystemClock, OsEntropy::default());
        let org = OrgId::random(&entropy).unwrap();
        let key = CredentialId::new(&clock, &entropy).unwrap();
        let id = ConnectionId::new(&clock, &entropy).unwrap();
        Connection::new(id, org, key, Arc::new(Common::new(limits)), limits)
    }

    fn delivery(body: Bytes) -> Delivery {
        Delivery {
            routing_key: "github:1".parse().unwrap(),
            id: "d".parse().unwrap(),
            event: "push".to_owned(),
            action: None,
            signature_header: None,
            headers: std::collections::BTreeMap::default(),
            client_ip: None,
            body,
        }
    }

    #[test]
    fn a_connection_that_has_ended_keeps_no_body() {
        struct Shared(Arc<Vec<u8>>);
        impl AsRef<[u8]> for Shared {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        let body = Arc::new(vec![7]);
        let connection = connection(&Limits::default());
        let delivery = delivery(Bytes::from_owner(Shared(body.clone())));
        let chunks = Chunks::new("m".into(), delivery.body.clone());
        let _ticket = connection.outbox.deliver(start("m".into(), &delivery), chunks);
        drop(delivery);
        assert_eq!(Arc::strong_count(&body), 2);
        connection.ended();
        assert_eq!(Arc::strong_count(&body), 1);
    }

    #[test]
    fn each_shared_source_is_told_once_and_not_without_end() {
        let common = Common::new(&Limits::default());
        let sources = |from: usize| -> Vec<RoutingKey> {
            (from..from + 3_000).map(|app| format!("github:{app}").parse().unwrap()).collect()
        };
        assert_eq!(common.newly_shared(sources(1)).len(), 3_000);
        assert_eq!(common.newly_shared(sources(1_001)).len(), 1_000);
        assert_eq!(common.newly_shared(sources(10_000)).len(), 1_000);
        assert_eq!(common.newly_shared(sources(20_000)).len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_owes_an_answer_is_forgiven_after_a_while() {
        let limits = Limits::default();
        let connection = connection(&limits);
        let deadline = Instant::now() + limits.offer;
        let delivery = delivery(Bytes::from_static(b"{}"));
        let offered = connection.offer("1".to_owned(), &delivery, &limits, deadline).await;
        assert!(matches!(offered, Offered::TimedOut));
        assert!(connection.load().0);
        tokio::time::advance(GRUDGE).await;
        assert!(!connection.load().0);
    }

    #[tokio::test]
    async fn what_waits_for_room_counts_as_well() {
        let limits = Limits { deliveries: 1, ..Limits::default() };
        let connection = connection(&limits);
        let delivery = delivery(Bytes::from_static(b"{}"));
        let offer = |id: &str| {
            let deadline = Instant::now() + Duration::from_millis(50);
            connection.offer(id.to_owned(), &delivery, &limits, deadline)
        };
        let offers = async { tokio::join!(offer("1"), offer("2"), offer("3")) };
        let look = async {
            tokio::task::yield_now().await;
            connection.load().1
        };
        assert_eq!(tokio::join!(offers, look).1, 3);
        assert_eq!(connection.load().1, 0);
    }
}
