//! Deliveries that are on their way in this process. An id is taken in the database once its delivery
//! was accepted; until then whoever comes with the same id waits here for what becomes of the first.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kici_model::text::DeliveryId;
use kici_model::{OrgId, RoutingKey};
use tokio::sync::watch;

type Key = (OrgId, RoutingKey, DeliveryId);
/// The hash of the body, once it was accepted.
type Accepted = Option<String>;

#[derive(Debug, Default)]
pub(crate) struct UnderWay(Mutex<HashMap<Key, watch::Receiver<Accepted>>>);

/// Whose turn it is with an id.
pub(super) enum Turn<'a> {
    Ours(Claim<'a>),
    Theirs(watch::Receiver<Accepted>),
}

/// The turn with an id. Dropping it gives the id free; whoever waits for it then takes the next turn,
/// unless the delivery was accepted.
pub(super) struct Claim<'a> {
    under_way: &'a UnderWay,
    key: Key,
    told: watch::Sender<Accepted>,
}

impl UnderWay {
    pub(super) fn claim(&self, key: Key) -> Turn<'_> {
        let mut all = self.all();
        if let Some(theirs) = all.get(&key) {
            return Turn::Theirs(theirs.clone());
        }
        let (told, wait) = watch::channel(None);
        all.insert(key.clone(), wait);
        Turn::Ours(Claim { under_way: self, key, told })
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<Accepted>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim<'_> {
    /// Tells whoever waits that a body with this hash was accepted. The claim stays until the database
    /// knows as well.
    pub(super) fn accepted(&self, hash: &str) {
        self.told.send_replace(Some(hash.to_owned()));
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Before the sender goes, so that whoever hears of it finds the id free.
        self.under_way.all().remove(&self.key);
    }
}
