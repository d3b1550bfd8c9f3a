//! The connections of a listener: how many there may be, in all and from one address, and which ones
//! make room for others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Bounds;

/// How long a connection that has had a request is left alone after it.
const IDLE_MIN_MILLIS: u64 = 1_000;
/// How often idle connections are looked for while all are busy.
const RETRY: Duration = Duration::from_millis(100);
/// Of this many connections one is closed at a time, where the bound is reached: looking for them is a
/// walk over all.
const EVICTION_PART: usize = 100;

/// The connections of one listener.
#[derive(Debug)]
pub(super) struct Connections {
    bounds: Bounds,
    start: Instant,
    table: Mutex<Table>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    total: usize,
    /// How many are being closed to make room.
    leaving: usize,
    /// By client address, or by that of a trusted proxy.
    addresses: HashMap<IpAddr, BTreeMap<u64, Arc<State>>>,
}

/// What a connection is doing.
#[derive(Debug)]
struct State {
    evicted: CancellationToken,
    /// Whether the head of its first request has come.
    has_begun: AtomicBool,
    /// Whether a request is being answered, or the connection has become a WebSocket.
    is_busy: AtomicBool,
    /// Since when nothing has happened on it, in milliseconds from `Connections::start`.
    idle_since: AtomicU64,
}

/// What becomes of a connection that comes in.
enum Admission {
    Admitted(Place),
    /// Its address has as many as it may, and all are busy.
    Refused,
    /// All are busy, or some are about to end.
    Full,
}

impl Connections {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        let (start, table) = (Instant::now(), Mutex::default());
        Arc::new(Self { bounds, start, table, ended: Notify::new() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.bounds.trusted_proxies.iter().any(|network| network.contains(&address))
    }

    /// Takes a place for a connection from `peer`; waits while all connections are busy. Returns `None`
    /// if the address has as many as it may.
    pub(super) async fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        loop {
            match self.try_admit(peer.to_canonical()) {
                Admission::Admitted(place) => return Some(place),
                Admission::Refused => return None,
                Admission::Full => drop(timeout(RETRY, self.ended.notified()).await),
            }
        }
    }

    fn try_admit(self: &Arc<Self>, peer: IpAddr) -> Admission {
        let is_trusted = self.is_trusted(peer);
        let address = if is_trusted { peer } else { kici_api::client_network(peer) };
        let (now, Bounds { connections, per_address, .. }) = (self.now(), &self.bounds);
        let mut table = self.table();
        let own = table.addresses.get(&address).filter(|_| !is_trusted);
        if let Some(own) = own.filter(|own| own.len() >= *per_address) {
            if own.values().any(|state| state.evicted.is_cancelled()) {
                return Admission::Full;
            }
            let mut idle: Vec<_> = own.values().filter_map(|state| state.idle(now)).collect();
            idle.sort_by_key(|(rank, _)| *rank);
            let evicted = idle.into_iter().take(per_address.div_ceil(EVICTION_PART));
            let evicted = evicted.inspect(|(_, state)| state.evicted.cancel()).count();
            table.leaving += evicted;
            return if evicted == 0 { Admission::Refused } else { Admission::Full };
        }
        if table.total >= *connections {
            if table.leaving == 0 {
                self.evict(&mut table, now);
            }
            return Admission::Full;
        }
        let id = table.next;
        table.next += 1;
        table.total += 1;
        let state = Arc::new(State::new(now));
        table.addresses.entry(address).or_default().insert(id, state.clone());
        Admission::Admitted(Place { connections: self.clone(), address, id, state })
    }

    /// Closes those that have waited longest for a request, of the addresses with the most of them first
    /// and of trusted proxies last: theirs carry the requests of many.
    fn evict(&self, table: &mut Table, now: u64) {
        let mut idle = Vec::new();
        for (address, own) in &table.addresses {
            let is_trusted = self.is_trusted(*address);
            let own: Vec<_> = own.values().filter_map(|state| state.idle(now)).collect();
            let count = Reverse(own.len());
            idle.extend(own.into_iter().map(|(rank, state)| ((is_trusted, count, rank), state)));
        }
        idle.sort_by_key(|(rank, _)| *rank);
        let evicted = idle.into_iter().take(self.bounds.connections.div_ceil(EVICTION_PART));
        table.leaving += evicted.inspect(|(_, state)| state.evicted.cancel()).count();
    }
}

impl State {
    fn new(now: u64) -> Self {
        Self {
            evicted: CancellationToken::new(),
            has_begun: AtomicBool::new(false),
            is_busy: AtomicBool::new(false),
            idle_since: AtomicU64::new(now),
        }
    }

    /// Where the connection waits for a request, its rank among those to be closed: first those that
    /// never had one, then by how long they wait.
    fn idle(&self, now: u64) -> Option<((bool, u64), &Self)> {
        let has_begun = self.has_begun.load(Ordering::Relaxed);
        let since = self.idle_since.load(Ordering::Relaxed);
        let is_fresh = has_begun && now.saturating_sub(since) < IDLE_MIN_MILLIS;
        let is_left_alone = is_fresh || self.is_busy.load(Ordering::Relaxed);
        let is_idle = !is_left_alone && !self.evicted.is_cancelled();
        is_idle.then_some(((has_begun, since), self))
    }
}

/// The place of one connection, as long as its socket is open.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    address: IpAddr,
    id: u64,
    state: Arc<State>,
}

impl Place {
    /// Completes when the connection has to make room for another.
    pub(super) async fn evicted(&self) {
        self.state.evicted.cancelled().await;
    }

    /// Whether the head of a first request has come.
    pub(super) fn has_begun(&self) -> bool {
        self.state.has_begun.load(Ordering::Relaxed)
    }

    /// Notes that a request has come.
    pub(super) fn begin(&self) {
        self.state.is_busy.store(true, Ordering::Relaxed);
        self.state.has_begun.store(true, Ordering::Relaxed);
    }

    /// Notes that a request was answered.
    pub(super) fn finish(&self) {
        self.touch();
        self.state.is_busy.store(false, Ordering::Relaxed);
    }

    /// Notes that the peer has taken a part of an answer.
    pub(super) fn touch(&self) {
        self.state.idle_since.store(self.connections.now(), Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.connections.table();
        table.total = table.total.saturating_sub(1);
        if self.state.evicted.is_cancelled() {
            table.leaving = table.leaving.saturating_sub(1);
        }
        if let Some(own) = table.addresses.get_mut(&self.address) {
            own.remove(&self.id);
            if own.is_empty() {
                table.addresses.remove(&self.address);
            }
        }
        drop(table);
        self.connections.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(connections: usize, per_address: usize) -> Arc<Connections> {
        let trusted_proxies = ["10.0.0.0/8".parse().unwrap()].into();
        let bounds = Bounds { connections, per_address, trusted_proxies, ..Bounds::default() };
        Connections::new(bounds)
    }

    /// The place, if there is one at once.
    fn admit(connections: &Arc<Connections>, peer: &str) -> Option<Place> {
        match connections.try_admit(peer.parse().unwrap()) {
            Admission::Admitted(place) => Some(place),
            Admission::Refused | Admission::Full => None,
        }
    }

    fn is_evicted(place: &Place) -> bool {
        place.state.evicted.is_cancelled()
    }

    #[tokio::test]
    async fn the_address_with_the_most_silent_connections_makes_room() {
        let all = connections(4, 4);
        let alone = admit(&all, "192.0.2.1").unwrap();
        let mut flood: Vec<_> =
            (1..=3).map(|n| admit(&all, &format!("2001:db8::{n}")).unwrap()).collect();
        assert!(admit(&all, "192.0.2.2").is_none());
        assert!(is_evicted(&flood[0]) && !is_evicted(&flood[1]) && !is_evicted(&alone));
        // Until that one has gone there is no room, and no other one is closed.
        assert!(admit(&all, "192.0.2.2").is_none() && !is_evicted(&flood[1]));
        drop(flood.remove(0));
        assert!(admit(&all, "192.0.2.2").is_some());
    }

    #[tokio::test]
    async fn busy_connections_stay_and_others_wait_or_are_refused() {
        let all = connections(3, 2);
        let own = [(); 2].map(|()| admit(&all, "192.0.2.1").unwrap());
        own.iter().for_each(Place::begin);
        let refused = all.try_admit("192.0.2.1".parse().unwrap());
        assert!(matches!(refused, Admission::Refused));
        let other = admit(&all, "192.0.2.2").unwrap();
        other.begin();
        let full = all.try_admit("192.0.2.3".parse().unwrap());
        assert!(matches!(full, Admission::Full) && !own.iter().any(is_evicted));
        // What has just been answered is left alone for a moment.
        other.finish();
        assert!(admit(&all, "192.0.2.3").is_none() && !is_evicted(&other));
        let waiting = all.admit("192.0.2.3".parse().unwrap());
        let (place, ()) = tokio::join!(waiting, async { drop(other) });
        assert!(place.is_some());
    }

    #[tokio::test]
    async fn a_trusted_proxy_has_no_share_and_its_idle_connections_go_last() {
        let all = connections(4, 1);
        let proxy = [(); 3].map(|()| admit(&all, "10.0.0.1").unwrap());
        let client = admit(&all, "192.0.2.1").unwrap();
        assert!(admit(&all, "192.0.2.2").is_none());
        assert!(is_evicted(&client) && !proxy.iter().any(is_evicted));
        drop(client);
        assert!(admit(&all, "192.0.2.2").is_some());
    }
}
