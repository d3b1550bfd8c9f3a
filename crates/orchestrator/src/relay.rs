//! The deliveries that are arriving on one connection, chunk by chunk and interleaved. What a whole
//! one is worth is not decided here.
//!
//! Each message id is answered at most once. A stream that is broken is answered with its cause,
//! and what still comes of it passes in silence; so does one for which there is no room, since
//! being busy is no verdict: the platform offers it elsewhere or later.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kici_model::delivery::Verdict;
use kici_wire::{
    MAX_MESSAGE_ID, Reassembly, WebhookAck, WebhookRelayChunk, WebhookRelayStart, shorten,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::Delivered;
use crate::handler::Parcel;
use crate::recent::Recent;

/// How long a delivery may take from its start to its last chunk.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many deliveries may be arriving at once.
const MOST_STREAMS: usize = 256;
/// How many settled ids are remembered, to keep silent about what still comes of them.
const SETTLED: usize = 1_024;
/// What a delivery costs beside its body: its headers, its places in tables and queues.
const OVERHEAD: usize = 4_096;
/// The memory for deliveries that are arriving or waiting for the handler, of all connections.
pub(crate) const ROOM: usize = 128 * 1024 * 1024;

/// All streams of one connection.
#[derive(Debug)]
pub(crate) struct Table {
    room: Arc<Semaphore>,
    streams: HashMap<String, Stream>,
    settled: Recent,
}

#[derive(Debug)]
struct Stream {
    reassembly: Reassembly,
    room: OwnedSemaphorePermit,
    dies: Instant,
}

/// What follows from a frame.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing yet, or nothing any more.
    Wait,
    /// The stream is broken.
    Answer(WebhookAck),
    /// The delivery is whole.
    Judge(Box<Parcel>),
}

impl Table {
    /// `room` has a permit for each byte of memory.
    pub(crate) fn new(room: Arc<Semaphore>) -> Self {
        Self { room, streams: HashMap::new(), settled: Recent::new(SETTLED) }
    }

    /// A body is announced.
    pub(crate) fn start(&mut self, start: WebhookRelayStart, now: Instant) -> Step {
        self.expire(now);
        let (message, delivery) = (start.message_id.clone(), start.delivery_id.clone());
        if !is_bounded(&message) {
            return Step::Wait;
        }
        if self.streams.remove(&message).is_some() {
            self.settled.insert(&message);
            return broken(message, delivery, "a second start came for this message id");
        }
        let size = start.total_size;
        match Reassembly::new(start) {
            Ok(reassembly) => self.admit(message, reassembly, size, now),
            Err(error) => {
                self.settled.insert(&message);
                broken(message, delivery, &error.to_string())
            }
        }
    }

    fn admit(
        &mut self,
        message: String,
        reassembly: Reassembly,
        size: usize,
        now: Instant,
    ) -> Step {
        let room = u32::try_from(size + OVERHEAD)
            .ok()
            .filter(|_| self.streams.len() < MOST_STREAMS)
            .and_then(|bytes| Arc::clone(&self.room).try_acquire_many_owned(bytes).ok());
        if let Some(room) = room {
            self.streams.insert(message, Stream { reassembly, room, dies: now + PATIENCE });
        } else {
            tracing::warn!(size, arriving = self.streams.len(), "no room for another delivery");
            self.settled.insert(&message);
        }
        Step::Wait
    }

    /// A piece has come.
    pub(crate) fn chunk(&mut self, chunk: &WebhookRelayChunk, now: Instant) -> Step {
        let message = chunk.message_id.as_str();
        self.expire(now);
        let Some(mut stream) = self.streams.remove(message) else {
            return self.orphan(message);
        };
        match stream.reassembly.push(chunk) {
            Ok(None) => {
                self.streams.insert(message.to_owned(), stream);
                Step::Wait
            }
            Ok(Some((start, body))) => {
                self.settled.insert(message);
                let delivery = Delivered { start, body };
                Step::Judge(Box::new(Parcel { delivery, room: stream.room }))
            }
            Err(error) => self.lost(message, &error.to_string()),
        }
    }

    fn orphan(&mut self, message: &str) -> Step {
        if self.settled.contains(message) || !is_bounded(message) {
            return Step::Wait;
        }
        self.lost(message, "a chunk came without a start")
    }

    /// The protocol has the message id stand for the delivery id here.
    fn lost(&mut self, message: &str, reason: &str) -> Step {
        self.settled.insert(message);
        broken(message.to_owned(), message.to_owned(), reason)
    }

    /// Drops what takes too long.
    pub(crate) fn expire(&mut self, now: Instant) {
        for (message, _) in self.streams.extract_if(|_, stream| stream.dies <= now) {
            tracing::warn!(message, "a delivery did not arrive in time");
            self.settled.insert(&message);
        }
    }
}

/// An id that is too long is a reason to drop its frame.
fn is_bounded(message: &str) -> bool {
    let is_bounded = message.chars().count() <= MAX_MESSAGE_ID;
    if !is_bounded {
        tracing::warn!(message = shorten(message, 20), "a message id is too long");
    }
    is_bounded
}

fn broken(message_id: String, delivery_id: String, reason: &str) -> Step {
    Step::Answer(WebhookAck {
        message_id,
        delivery_id,
        result: Some(Verdict::RejectedMisconfigured.into()),
        reason: Some(reason.to_owned()),
    })
}

#[cfg(test)]
mod tests;
