//! What a connection has still to send. Answers go first; deliveries take turns, chunk by chunk, so
//! that a large body does not hold up a small one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kici_wire::{Chunks, ToOrchestrator, WebhookRelayStart};
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
    deliveries: VecDeque<Sending>,
}

#[derive(Debug)]
struct Sending {
    start: Option<WebhookRelayStart>,
    chunks: Chunks,
    is_wanted: Arc<AtomicBool>,
}

/// A delivery in the outbox. Dropping it takes back what was not sent yet.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<AtomicBool>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
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

    /// Puts a delivery in.
    pub(crate) fn deliver(&self, start: WebhookRelayStart, chunks: Chunks) -> Ticket {
        let is_wanted = Arc::new(AtomicBool::new(true));
        let ticket = Ticket(is_wanted.clone());
        self.queues().deliveries.push_back(Sending { start: Some(start), chunks, is_wanted });
        self.filled.notify_one();
        ticket
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
        if let Some(answer) = self.answers.pop_front() {
            return Some(answer);
        }
        while let Some(mut sending) = self.deliveries.pop_front() {
            if !sending.is_wanted.load(Ordering::Relaxed) {
                continue;
            }
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
}
