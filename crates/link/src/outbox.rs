//! What a connection has still to send. Answers go first, then news, of which only the latest counts;
//! deliveries take turns, chunk by chunk, so that a large body does not hold up a small one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kici_wire::{Chunks, PeerUpdate, ToOrchestrator, WebhookRelayStart};
use tokio::sync::Notify;

/// Answers that may wait. Beyond that whoever makes them waits, and reading stops.
const ANSWERS: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queues: Mutex<Queues>,
    filled: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Queues {
    answers: VecDeque<String>,
    trust: Option<Arc<str>>,
    peers: Option<String>,
    deliveries: VecDeque<Sending>,
    last: u64,
}

#[derive(Debug)]
struct Sending {
    number: u64,
    start: Option<WebhookRelayStart>,
    chunks: Chunks,
}

/// A delivery in the outbox. Dropping it takes back what was not sent yet, body and all: a peer that
/// takes nothing must not keep what nobody waits for.
#[derive(Debug)]
pub(crate) struct Ticket<'a> {
    outbox: &'a Outbox,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.outbox.queues().deliveries.retain(|sending| sending.number != self.number);
    }
}

impl Outbox {
    /// Puts an answer in, once there is room.
    pub(crate) async fn answer(&self, frame: &ToOrchestrator) {
        let text = frame.to_text();
        loop {
            let drained = self.drained.notified();
            {
                let mut queues = self.queues();
                if queues.answers.len() < ANSWERS {
                    queues.answers.push_back(text);
                    break;
                }
            }
            drained.await;
        }
        self.filled.notify_one();
    }

    /// Whom CI trusts, as a frame: takes the place of one that was not sent yet.
    pub(crate) fn tell_trust(&self, frame: Arc<str>) {
        self.queues().trust = Some(frame);
        self.filled.notify_one();
    }

    /// Who else is there, in the same way.
    pub(crate) fn tell_peers(&self, update: PeerUpdate) {
        self.queues().peers = Some(ToOrchestrator::PeerUpdate(update).to_text());
        self.filled.notify_one();
    }

    /// Puts a delivery in.
    pub(crate) fn deliver(&self, start: WebhookRelayStart, chunks: Chunks) -> Ticket<'_> {
        let mut queues = self.queues();
        queues.last += 1;
        let number = queues.last;
        queues.deliveries.push_back(Sending { number, start: Some(start), chunks });
        drop(queues);
        self.filled.notify_one();
        Ticket { outbox: self, number }
    }

    /// Forgets everything: nobody will send it any more.
    pub(crate) fn clear(&self) {
        let mut queues = self.queues();
        (queues.trust, queues.peers) = (None, None);
        queues.answers.clear();
        queues.deliveries.clear();
    }

    /// The next frame, once there is one.
    pub(crate) async fn next(&self) -> String {
        loop {
            let filled = self.filled.notified();
            if let Some(frame) = self.queues().next() {
                self.drained.notify_one();
                return frame;
            }
            filled.await;
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    fn next(&mut self) -> Option<String> {
        let news =
            || self.trust.take().map(|frame| frame.to_string()).or_else(|| self.peers.take());
        if let Some(frame) = self.answers.pop_front().or_else(news) {
            return Some(frame);
        }
        while let Some(mut sending) = self.deliveries.pop_front() {
            let frame = match sending.start.take() {
                Some(start) => ToOrchestrator::WebhookRelayStart(start),
                None => match sending.chunks.next() {
                    Some(chunk) => ToOrchestrator::WebhookRelayChunk(chunk),
                    None => continue,
                },
            };
            self.deliveries.push_back(sending);
            return Some(frame.to_text());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Weak};

    use bytes::Bytes;

    use super::*;
    use kici_wire::{CHUNK, chunk_count};

    fn delivery(id: &str, size: usize) -> (WebhookRelayStart, Chunks) {
        let start = WebhookRelayStart {
            message_id: id.into(),
            routing_key: "github:1".into(),
            delivery_id: id.into(),
            event: "push".into(),
            action: None,
            signature_header_name: None,
            signature_header: None,
            client_ip: None,
            headers: std::collections::BTreeMap::default(),
            total_size: size,
            chunk_count: chunk_count(size),
            request_id: None,
        };
        (start, Chunks::new(id.into(), vec![0; size].into()))
    }

    async fn order(outbox: &Outbox, frames: usize) -> String {
        let mut seen = String::new();
        for _ in 0..frames {
            match ToOrchestrator::parse(&outbox.next().await).unwrap().unwrap() {
                ToOrchestrator::WebhookRelayStart(start) => seen += &start.message_id,
                ToOrchestrator::WebhookRelayChunk(chunk) => seen += &chunk.message_id,
                other => panic!("{other:?}"),
            }
        }
        seen
    }

    #[tokio::test]
    async fn a_small_delivery_is_out_before_a_large_one_ends() {
        let outbox = Outbox::default();
        let (start, chunks) = delivery("L", 4 * CHUNK);
        let _large = outbox.deliver(start, chunks);
        let (start, chunks) = delivery("s", 10);
        let _small = outbox.deliver(start, chunks);
        assert_eq!(order(&outbox, 7).await, "LsLsLLL");
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_sent() {
        let outbox = Outbox::default();
        let (start, chunks) = delivery("L", 4 * CHUNK);
        let large = outbox.deliver(start, chunks);
        let (start, chunks) = delivery("s", CHUNK + 1);
        let _small = outbox.deliver(start, chunks);
        assert_eq!(order(&outbox, 2).await, "Ls");
        drop(large);
        assert_eq!(order(&outbox, 2).await, "ss");
    }

    /// A body that tells whether anybody still has it.
    fn body() -> (Weak<Vec<u8>>, Chunks) {
        struct Shared(Arc<Vec<u8>>);
        impl AsRef<[u8]> for Shared {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        let body = Arc::new(vec![0; 2 * CHUNK]);
        let weak = Arc::downgrade(&body);
        (weak, Chunks::new("b".into(), Bytes::from_owner(Shared(body))))
    }

    #[tokio::test]
    async fn what_nobody_waits_for_or_nobody_sends_is_not_kept() {
        let outbox = Outbox::default();
        let (waited_for, chunks) = body();
        let first = outbox.deliver(delivery("w", 0).0, chunks);
        let (given_up, chunks) = body();
        let second = outbox.deliver(delivery("g", 0).0, chunks);
        // Nothing was sent in between.
        drop(second);
        assert_eq!((waited_for.strong_count(), given_up.strong_count()), (1, 0));
        outbox.clear();
        assert_eq!(waited_for.strong_count(), 0);
        // A number is not given twice, so that this takes back nothing of others.
        let (start, chunks) = delivery("s", 10);
        let _third = outbox.deliver(start, chunks);
        drop(first);
        assert_eq!(order(&outbox, 2).await, "ss");
    }
}
