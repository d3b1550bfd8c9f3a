//! Where accepted deliveries go. Deciding what they mean is the handler's business, not the link's.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kici_wire::{WebhookRelayStart, shorten};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Takes accepted deliveries, one after the other, each of them once.
#[async_trait::async_trait]
pub trait Handler: Send + Sync + fmt::Debug {
    /// The platform has its answer by now. However long this takes, the link is not delayed; only
    /// when the deliveries that wait for it fill the memory set aside are new ones left unanswered.
    async fn accepted(&self, delivery: Delivered);
}

/// One verified delivery.
#[derive(Clone)]
pub struct Delivered {
    /// What the platform told of it.
    pub start: WebhookRelayStart,
    /// The body, byte for byte as it was sent.
    pub body: Bytes,
}

/// Hides the headers: one of them may be a bearer token.
impl fmt::Debug for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivered")
            .field("delivery_id", &self.start.delivery_id)
            .field("routing_key", &self.start.routing_key)
            .field("event", &self.start.event)
            .field("size", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Writes one line a delivery to the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log;

#[async_trait::async_trait]
impl Handler for Log {
    async fn accepted(&self, delivery: Delivered) {
        tracing::info!(
            delivery = shorten(&delivery.start.delivery_id, 100),
            source = shorten(&delivery.start.routing_key, 100),
            event = shorten(&delivery.start.event, 100),
            bytes = delivery.body.len(),
            "delivery accepted"
        );
    }
}

/// A delivery on its way to the handler, with the memory that it takes up.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) delivery: Delivered,
    pub(crate) room: OwnedSemaphorePermit,
}

/// Feeds the handler until nobody can send any more, and then with what is still there.
pub(crate) async fn feed(handler: Arc<dyn Handler>, mut parcels: mpsc::UnboundedReceiver<Parcel>) {
    while let Some(Parcel { delivery, room }) = parcels.recv().await {
        handler.accepted(delivery).await;
        drop(room);
    }
}
