//! Links that have not authenticated: how many there may be, and which one makes room for another.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use kici_link::{Limits, TokenCheck, Unauthenticated};
use tokio_util::sync::CancellationToken;

use crate::client_ip;
use crate::problem::ApiError;
use crate::rate_limits::{Check, Limiter};

/// The links of this server that have not authenticated.
#[derive(Debug)]
pub(crate) struct PendingLinks {
    most: usize,
    most_per_network: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// The oldest comes first.
    places: BTreeMap<u64, Place>,
}

#[derive(Debug)]
struct Place {
    network: IpAddr,
    address: IpAddr,
    evicted: CancellationToken,
    /// Whether no first frame has come. Others are being looked up, and never evicted.
    is_silent: bool,
}

impl PendingLinks {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            most: limits.unauthenticated,
            most_per_network: limits.unauthenticated_per_network,
            table: Mutex::default(),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a link from `address`. Where its network, or the server, has as many as it
    /// may, the oldest silent one makes room: that of the address with the most in the network with
    /// the most.
    ///
    /// # Errors
    /// None of them is silent.
    fn take(&self, address: IpAddr) -> Result<(u64, CancellationToken), ApiError> {
        let network = client_ip::network(address);
        let mut table = self.table();
        let in_network = table.places.values().filter(|place| place.network == network).count();
        let made_room = if in_network >= self.most_per_network {
            table.evict_from(network)
        } else if table.places.len() >= self.most {
            table.evict()
        } else {
            true
        };
        if !made_room {
            return Err(ApiError::busy("Too many connections are authenticating; try again"));
        }
        let (id, evicted) = (table.next, CancellationToken::new());
        table.next += 1;
        let place = Place { network, address, evicted: evicted.clone(), is_silent: true };
        table.places.insert(id, place);
        Ok((id, evicted))
    }

    /// Notes that the link has sent its first frame. Returns whether it still has its place.
    fn hear(&self, id: u64) -> bool {
        let mut table = self.table();
        let place = table.places.get_mut(&id);
        place.map(|place| place.is_silent = false).is_some()
    }
}

impl Table {
    fn silent(&self) -> impl Iterator<Item = (u64, &Place)> {
        let silent = self.places.iter().filter(|(_, place)| place.is_silent);
        silent.map(|(id, place)| (*id, place))
    }

    fn evict(&mut self) -> bool {
        let network = most_frequent(self.silent().map(|(_, place)| place.network));
        network.is_some_and(|network| self.evict_from(network))
    }

    fn evict_from(&mut self, network: IpAddr) -> bool {
        let own = || self.silent().filter(|(_, place)| place.network == network);
        let address = most_frequent(own().map(|(_, place)| place.address));
        let oldest = own().find(|(_, place)| Some(place.address) == address).map(|(id, _)| id);
        let evicted = oldest.and_then(|id| self.places.remove(&id));
        evicted.map(|place| place.evicted.cancel()).is_some()
    }
}

/// The item that comes most often; of several, the one that comes first.
fn most_frequent<K: Copy + Eq + Hash>(items: impl Iterator<Item = K>) -> Option<K> {
    let mut counts: HashMap<K, (usize, Reverse<usize>)> = HashMap::new();
    for (index, item) in items.enumerate() {
        counts.entry(item).or_insert((0, Reverse(index))).0 += 1;
    }
    counts.into_iter().max_by_key(|(_, rank)| *rank).map(|(item, _)| item)
}

/// A link that has not authenticated.
pub(super) struct Pending {
    links: Arc<PendingLinks>,
    limiter: Arc<Limiter>,
    address: IpAddr,
    id: u64,
    evicted: CancellationToken,
    check: Mutex<Option<Check>>,
    /// Set once this is dropped: the socket then reads without a bound.
    is_known: Arc<AtomicBool>,
    credential: Arc<OnceLock<u64>>,
}

impl Pending {
    /// Takes a place among the links that have not authenticated.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn begin(
        links: &Arc<PendingLinks>,
        limiter: &Arc<Limiter>,
        address: IpAddr,
    ) -> Result<Self, ApiError> {
        let (id, evicted) = links.take(address)?;
        Ok(Self {
            links: links.clone(),
            limiter: limiter.clone(),
            address,
            id,
            evicted,
            check: Mutex::default(),
            is_known: Arc::default(),
            credential: Arc::default(),
        })
    }

    /// Whether it has authenticated, or ended.
    pub(super) fn is_known(&self) -> Arc<AtomicBool> {
        self.is_known.clone()
    }

    /// The key of the credential, once that has proved valid.
    pub(super) fn credential(&self) -> Arc<OnceLock<u64>> {
        self.credential.clone()
    }

    fn check(&self) -> MutexGuard<'_, Option<Check>> {
        self.check.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unauthenticated for Pending {
    async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    async fn begin_check(&self, token: &str) -> Result<(), String> {
        let check = self.limiter.check(token, self.address).await;
        let check = check.map_err(|_| {
            "too many connections from this address had a key that does not work; try again in a minute"
        })?;
        if !self.links.hear(self.id) {
            check.refund();
            return Err("too many connections wait to authenticate".to_owned());
        }
        *self.check() = Some(check);
        Ok(())
    }

    fn checked(&self, result: TokenCheck) {
        let Some(check) = self.check().take() else { return };
        match result {
            TokenCheck::Valid => {
                self.credential.get_or_init(|| check.key());
                check.pass();
            }
            TokenCheck::Invalid => check.fail(),
            TokenCheck::Failed => check.refund(),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.is_known.store(true, Ordering::Release);
        self.links.table().places.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(most: usize, most_per_network: usize) -> PendingLinks {
        let limits = Limits {
            unauthenticated: most,
            unauthenticated_per_network: most_per_network,
            ..Limits::default()
        };
        PendingLinks::new(&limits)
    }

    fn take(links: &PendingLinks, address: &str) -> Option<(u64, CancellationToken)> {
        links.take(address.parse().unwrap()).ok()
    }

    #[test]
    fn the_oldest_of_the_network_with_the_most_makes_room() {
        let links = links(4, 4);
        let (_, alone) = take(&links, "192.0.2.1").unwrap();
        let flood: Vec<_> =
            (1..=3).map(|n| take(&links, &format!("2001:db8::{n}")).unwrap().1).collect();
        let (_, next) = take(&links, "198.51.100.1").unwrap();
        assert!(flood[0].is_cancelled() && !flood[1].is_cancelled());
        let (_, last) = take(&links, "203.0.113.1").unwrap();
        assert!(flood[1].is_cancelled() && !flood[2].is_cancelled());
        // Of equal ones it is the oldest of all.
        take(&links, "203.0.114.1").unwrap();
        assert!(alone.is_cancelled() && !next.is_cancelled() && !last.is_cancelled());
    }

    #[test]
    fn a_network_has_its_own_bound_and_in_it_the_address_with_the_most_makes_room() {
        let links = links(100, 3);
        let (_, neighbor) = take(&links, "192.0.2.1").unwrap();
        let flood = [(); 2].map(|()| take(&links, "192.0.2.66").unwrap().1);
        let (_, elsewhere) = take(&links, "192.0.3.1").unwrap();
        take(&links, "192.0.2.2").unwrap();
        assert!(flood[0].is_cancelled() && !flood[1].is_cancelled());
        assert!(!neighbor.is_cancelled() && !elsewhere.is_cancelled());
    }

    #[test]
    fn a_link_that_is_being_looked_up_keeps_its_place() {
        let links = links(2, 2);
        let (first, _) = take(&links, "192.0.2.1").unwrap();
        let (second, evicted) = take(&links, "192.0.2.1").unwrap();
        assert!(links.hear(first));
        take(&links, "192.0.2.1").unwrap();
        assert!(evicted.is_cancelled() && !links.hear(second));
        assert!(links.hear(2));
        assert!(take(&links, "192.0.2.1").is_none());
    }
}
