//! Who is connected, and the relay over them. Everything is keyed by the organisation first.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kici_domain::Link;
use kici_domain::ports::{MayRelay, MayRevoke, MaySee, Relay};
use kici_model::delivery::{Attempt, Delivery, Outcome, Relayed};
use kici_model::orchestrators::Orchestrator;
use kici_model::{
    Clock, ConnectionId, CredentialId, Entropy, EntropyError, OrgId, RoutingKey, entropy,
};
use kici_wire::{CloseCode, OrchRole, Peer};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::Limits;
use crate::connection::{Common, Connection, Offered};

/// How many siblings an orchestrator is told of.
const PEERS: usize = 20;

/// What became of a connection that asked to come in.
#[derive(Debug)]
pub(crate) enum Admitted {
    In(Arc<Connection>),
    /// The process is leaving.
    Leaving,
    /// The organization has as many as it may.
    Full,
}

/// All live connections of this process.
#[derive(Debug)]
pub struct Hub {
    pub(crate) limits: Limits,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    live: Mutex<Live>,
    sessions: TaskTracker,
}

#[derive(Debug, Default)]
struct Live {
    orgs: HashMap<OrgId, Circle>,
    is_leaving: bool,
}

/// All connections of one organisation, and what they have in common. It stays for a while when the
/// last has left: to connect again must not begin anew.
#[derive(Debug)]
struct Circle {
    connections: Vec<Arc<Connection>>,
    common: Arc<Common>,
}

impl Hub {
    /// An empty hub.
    #[must_use]
    pub fn new(limits: Limits, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { limits, clock, entropy, live: Mutex::default(), sessions: TaskTracker::new() }
    }

    /// The limits of the link.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Says goodbye to everybody with 1001 and waits until the last session has ended. Deliveries
    /// must be through by then: end the HTTP server first.
    pub async fn leave(&self) {
        let everybody: Vec<_> = {
            let mut live = self.live();
            live.is_leaving = true;
            live.orgs.values().flat_map(|circle| &circle.connections).cloned().collect()
        };
        for connection in everybody {
            connection.close(CloseCode::GoingAway);
        }
        self.sessions.close();
        self.sessions.wait().await;
    }

    pub(crate) fn sessions(&self) -> &TaskTracker {
        &self.sessions
    }

    /// Takes a connection in, where there is room.
    pub(crate) fn admit(&self, link: &Link) -> Result<Admitted, EntropyError> {
        let id = ConnectionId::new(&*self.clock, &*self.entropy)?;
        let (org, key) = (link.org().clone(), link.key().clone());
        let mut live = self.live();
        if live.is_leaving {
            return Ok(Admitted::Leaving);
        }
        let circle = live.orgs.entry(org.clone()).or_insert_with(|| Circle {
            connections: Vec::new(),
            common: Arc::new(Common::new(&self.limits)),
        });
        if circle.connections.len() >= self.limits.connections {
            return Ok(Admitted::Full);
        }
        let common = circle.common.clone();
        let connection = Arc::new(Connection::new(id, org, key, common, &self.limits));
        circle.connections.push(connection.clone());
        Ok(Admitted::In(connection))
    }

    pub(crate) fn dismiss(&self, connection: &Connection) {
        let mut live = self.live();
        if let Some(circle) = live.orgs.get_mut(&connection.org) {
            circle.connections.retain(|other| other.id != connection.id);
        }
        live.orgs
            .retain(|_, circle| !circle.connections.is_empty() || !circle.common.rate.is_full());
        drop(live);
        connection.ended();
        connection.common.news.moves.up();
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self, org: &OrgId) -> Vec<Arc<Connection>> {
        let live = self.live();
        live.orgs.get(org).map(|circle| circle.connections.clone()).unwrap_or_default()
    }

    /// Whether another connection of the same organization serves `key`.
    pub(crate) fn is_served_elsewhere(&self, connection: &Connection, key: &RoutingKey) -> bool {
        self.connections(&connection.org)
            .iter()
            .any(|other| other.id != connection.id && other.about().serves.contains(key))
    }

    /// Which sources of `connection` another cluster serves as well.
    pub(crate) fn shared(&self, connection: &Connection) -> Vec<RoutingKey> {
        let about = connection.about().clone();
        let mut shared = BTreeSet::new();
        for other in self.connections(&connection.org) {
            let other = other.about();
            // Who says nothing of its cluster may be in any.
            if other.cluster().zip(about.cluster()).is_some_and(|(one, own)| one != own) {
                shared.extend(other.serves.intersection(&about.serves).cloned());
            }
        }
        shared.into_iter().collect()
    }

    /// Closes what `connection` has taken the place of: older ones of the same process of an
    /// orchestrator, whose end nobody has heard of yet.
    pub(crate) fn supersede(&self, connection: &Connection) {
        let Some(instance) = connection.about().instance.clone() else { return };
        let all = self.connections(&connection.org);
        for older in all.iter().take_while(|other| other.id != connection.id) {
            if older.key == connection.key && older.about().instance.as_ref() == Some(&instance) {
                older.close(CloseCode::GoingAway);
            }
        }
    }

    /// A new id for something that is asked.
    pub(crate) fn message_id(&self) -> Result<String, EntropyError> {
        entropy::uuid(&*self.entropy)
    }

    /// Who else serves one of the sources of `connection` and says where to be reached; at most 20, the
    /// newest ones.
    pub(crate) fn peers(&self, connection: &Connection) -> Vec<Peer> {
        let serves = connection.about().serves.clone();
        let others = self.connections(&connection.org).into_iter().rev();
        let peer = |other: Arc<Connection>| {
            let about = other.about();
            if other.id == connection.id || about.serves.is_disjoint(&serves) {
                return None;
            }
            Some(Peer {
                connection_id: other.id.to_string(),
                instance_id: Some(about.instance.clone()?),
                address: Some(about.address.clone()?),
                routing_keys: about.serves.iter().map(ToString::to_string).collect(),
                orch_role: about.role,
            })
        };
        others.filter_map(peer).take(PEERS).collect()
    }

    /// A connection of each cluster of the organisation of `joiner` that serves `routing_key`; where none
    /// does, of each that there is: only that which has made the token may see it, as far as is known.
    pub(crate) fn clusters(
        &self,
        joiner: &Connection,
        routing_key: Option<&str>,
    ) -> Vec<Arc<Connection>> {
        let key: Option<RoutingKey> = routing_key.and_then(|key| key.parse().ok());
        let is_other = |other: &Arc<Connection>| {
            other.id != joiner.id
                && !other.is_closing()
                && other.about().is_registered
                && other.about().role != Some(OrchRole::Worker)
        };
        let newest_first = self.connections(&joiner.org).into_iter().rev();
        let mut others: Vec<_> = newest_first.filter(is_other).collect();
        let serves = |other: &Arc<Connection>| {
            key.as_ref().is_some_and(|key| other.about().serves.contains(key))
        };
        if others.iter().any(&serves) {
            others.retain(&serves);
        }
        let mut seen = HashSet::new();
        others.retain(|other| {
            // Each that says nothing of its cluster may be in another one.
            let name = other.about().cluster().map(ToOwned::to_owned);
            name.is_none_or(|name| seen.insert(name))
        });
        others
    }

    /// The freest connection of `org` that serves `key` and was not tried yet; of equally free ones the
    /// newest, since an older one may be half open.
    fn candidate(
        &self,
        org: &OrgId,
        key: &RoutingKey,
        tried: &HashSet<ConnectionId>,
    ) -> Option<Arc<Connection>> {
        let free = |connection: &Arc<Connection>| {
            !connection.is_closing()
                && !tried.contains(&connection.id)
                && connection.about().serves.contains(key)
        };
        // The oldest stands first, and of equal ones the first is taken.
        let newest_first = self.connections(org).into_iter().rev();
        newest_first.filter(free).min_by_key(|connection| connection.load())
    }
}

#[async_trait]
impl Relay for Hub {
    async fn relay(&self, grant: &MayRelay, delivery: Delivery, by: Instant) -> Relayed {
        let end = by.min(Instant::now() + self.limits.relay);
        let (mut tried, mut attempts) = (HashSet::new(), Vec::new());
        while Instant::now() < end
            && let Some(connection) = self.candidate(grant.tenant(), &delivery.routing_key, &tried)
            && let Ok(message_id) = self.message_id()
        {
            tried.insert(connection.id.clone());
            let at = self.clock.now();
            let deadline = end.min(Instant::now() + self.limits.offer);
            let offered = connection.offer(message_id, &delivery, &self.limits, deadline).await;
            let ended = match &offered {
                Offered::Answer { verdict, .. } => verdict.as_str(),
                Offered::Declined(word) => word,
                Offered::TimedOut => "timeout",
                Offered::Disconnected => "disconnected",
            };
            attempts.push(Attempt::new(at, &connection.id, ended));
            if let Offered::Answer { verdict, reason } = offered {
                return Relayed { outcome: Outcome::Verdict { verdict, reason }, attempts };
            }
        }
        let is_nobody_there =
            || self.candidate(grant.tenant(), &delivery.routing_key, &HashSet::new()).is_none();
        let outcome = match attempts.is_empty() && is_nobody_there() {
            true => Outcome::NobodyConnected,
            false => Outcome::NoAnswer,
        };
        Relayed { outcome, attempts }
    }

    fn close_key(&self, grant: &MayRevoke, key: &CredentialId) {
        for connection in self.connections(grant.tenant()) {
            if connection.key == *key {
                connection.close(CloseCode::Unauthorized);
            }
        }
    }

    fn changed(&self, org: &OrgId) {
        if let Some(circle) = self.live().orgs.get(org) {
            circle.common.news.changes.up();
        }
    }

    fn is_served(&self, grant: &MaySee, source: &RoutingKey) -> bool {
        self.candidate(grant.tenant(), source, &HashSet::new()).is_some()
    }

    fn clusters(&self, grant: &MaySee, source: &RoutingKey) -> usize {
        let connections = self.connections(grant.tenant());
        let serving = connections.iter().map(|connection| connection.about());
        let serving = serving.filter(|about| about.serves.contains(source));
        let names: HashSet<_> = serving.map(|about| about.cluster().map(str::to_owned)).collect();
        names.iter().flatten().count().max(names.len().min(1))
    }

    fn orchestrators(&self, grant: &MaySee) -> Vec<Orchestrator> {
        let mut clusters: BTreeMap<Option<String>, Orchestrator> = BTreeMap::new();
        for connection in self.connections(grant.tenant()) {
            let about = connection.about().clone();
            let cluster =
                clusters.entry(about.cluster_name.clone()).or_insert_with(|| Orchestrator {
                    cluster_name: about.cluster_name,
                    routing_keys: Vec::new(),
                    version: None,
                    supported_requests: None,
                });
            cluster.routing_keys.extend(about.serves);
            cluster.version = about.version.or(cluster.version.take());
            cluster.supported_requests =
                about.supported_requests.or(cluster.supported_requests.take());
        }
        clusters
            .into_values()
            .map(|mut cluster| {
                cluster.routing_keys.sort();
                cluster.routing_keys.dedup();
                cluster
            })
            .collect()
    }
}
