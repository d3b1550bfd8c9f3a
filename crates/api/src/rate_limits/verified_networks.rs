//! Client networks from which a source had an accepted delivery lately. An orchestrator has verified
//! the signature, so clients that can't sign don't get in here, and can't push out those that can.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a network is remembered after an accepted delivery.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
/// The most networks of one source. GitHub delivers from fewer.
const SOURCE_MAX: usize = 64;
/// The most of all sources of one organization: its orchestrators accept what they like.
const ORG_MAX: usize = 2_000;
/// The most in all.
const ALL_MAX: usize = 100_000;

/// The networks of all sources. Organizations and sources are hashes of their names.
#[derive(Debug, Default)]
pub(super) struct VerifiedNetworks(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    orgs: HashMap<u64, OrgNetworks>,
    len: usize,
}

#[derive(Debug, Default)]
struct OrgNetworks {
    sources: HashMap<u64, Vec<Seen>>,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    network: IpAddr,
    /// When its last accepted delivery came.
    at: Instant,
}

impl Seen {
    fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < REMEMBERED
    }
}

/// What is known of a source's networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verified {
    /// Whether any network had an accepted delivery lately.
    pub(super) any: bool,
    /// Whether this one had.
    pub(super) this: bool,
}

impl VerifiedNetworks {
    pub(super) fn look(
        &self,
        org: u64,
        source: u64,
        network: Option<IpAddr>,
        now: Instant,
    ) -> Verified {
        let table = self.table();
        let seen = table.orgs.get(&org).and_then(|org| org.sources.get(&source));
        let mut recent = seen.into_iter().flatten().filter(|seen| seen.is_recent(now)).peekable();
        let any = recent.peek().is_some();
        Verified { any, this: recent.any(|seen| Some(seen.network) == network) }
    }

    /// Remembers that a delivery from `network` was accepted.
    pub(super) fn note(&self, org: u64, source: u64, network: IpAddr, now: Instant) {
        let mut table = self.table();
        if let Some(seen) = table.find(org, source, network) {
            seen.at = now;
            return;
        }
        table.make_room(org, source);
        let entry = table.orgs.entry(org).or_default();
        entry.sources.entry(source).or_default().push(Seen { network, at: now });
        entry.len += 1;
        table.len += 1;
    }

    /// Drops what is older than [`REMEMBERED`].
    pub(super) fn forget(&self, now: Instant) {
        let mut table = self.table();
        for org in table.orgs.values_mut() {
            for networks in org.sources.values_mut() {
                networks.retain(|seen| seen.is_recent(now));
            }
            org.sources.retain(|_, networks| !networks.is_empty());
            org.len = org.sources.values().map(Vec::len).sum();
        }
        table.orgs.retain(|_, org| org.len > 0);
        table.len = table.orgs.values().map(|org| org.len).sum();
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn find(&mut self, org: u64, source: u64, network: IpAddr) -> Option<&mut Seen> {
        let networks = self.orgs.get_mut(&org)?.sources.get_mut(&source)?;
        networks.iter_mut().find(|seen| seen.network == network)
    }

    /// Drops the oldest network of the source or organization that has its most; in all, of the
    /// organization that has more than any other.
    fn make_room(&mut self, org: u64, source: u64) {
        let of_org = self.orgs.get(&org);
        let of_source = of_org.and_then(|org| org.sources.get(&source)).map_or(0, Vec::len);
        if of_source >= SOURCE_MAX {
            self.drop_oldest(org, Some(source));
        } else if of_org.is_some_and(|org| org.len >= ORG_MAX) {
            self.drop_oldest(org, None);
        } else if self.len >= ALL_MAX {
            let largest = self.orgs.iter().max_by_key(|(_, org)| org.len).map(|(key, _)| *key);
            self.drop_oldest(largest.unwrap_or(org), None);
        }
    }

    fn drop_oldest(&mut self, org: u64, source: Option<u64>) {
        let Some(entry) = self.orgs.get_mut(&org) else { return };
        let sources = entry.sources.iter().filter(|(key, _)| source.is_none_or(|one| one == **key));
        let all = sources.flat_map(|(key, networks)| networks.iter().map(|seen| (*key, *seen)));
        let Some((key, oldest)) = all.min_by_key(|(_, seen)| seen.at) else { return };
        if let Some(networks) = entry.sources.get_mut(&key) {
            networks.retain(|seen| seen.network != oldest.network);
            if networks.is_empty() {
                entry.sources.remove(&key);
            }
        }
        entry.len -= 1;
        self.len -= 1;
        if entry.len == 0 {
            self.orgs.remove(&org);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(n: usize) -> IpAddr {
        IpAddr::V6((u128::try_from(n).unwrap() << 64).into())
    }

    #[test]
    fn a_network_is_remembered_for_its_source_and_for_a_day() {
        let (networks, now) = (VerifiedNetworks::default(), Instant::now());
        networks.note(1, 1, network(1), now);
        let look = |org, source, n, now| networks.look(org, source, Some(network(n)), now);
        assert_eq!(look(1, 1, 1, now), Verified { any: true, this: true });
        assert_eq!(look(1, 1, 2, now), Verified { any: true, this: false });
        assert_eq!(look(1, 2, 1, now), Verified { any: false, this: false });
        assert_eq!(look(2, 1, 1, now), Verified { any: false, this: false });
        let later = now + REMEMBERED;
        assert_eq!(look(1, 1, 1, later), Verified { any: false, this: false });
        networks.note(1, 1, network(1), later);
        networks.forget(later);
        assert_eq!(look(1, 1, 1, later), Verified { any: true, this: true });
        networks.forget(later + REMEMBERED);
        assert!(networks.table().orgs.is_empty());
    }

    #[test]
    fn a_source_an_organization_and_all_of_them_have_so_many_and_no_more() {
        let (networks, now) = (VerifiedNetworks::default(), Instant::now());
        let at = |n: usize| now + Duration::from_millis(n.try_into().unwrap());
        for n in 0..=SOURCE_MAX {
            networks.note(1, 1, network(n), at(n));
        }
        assert_eq!(networks.table().len, SOURCE_MAX);
        assert!(!networks.look(1, 1, Some(network(0)), now).this);
        assert!(networks.look(1, 1, Some(network(SOURCE_MAX)), now).this);
        for n in 0..ORG_MAX {
            networks.note(1, u64::try_from(n).unwrap() + 2, network(n), at(n + 1_000));
        }
        assert_eq!(networks.table().len, ORG_MAX);
        assert!(!networks.look(1, 1, None, now).any);
        // One organization alone has the most there can be of one; a hundred others have some.
        let mut org = 2;
        while networks.table().len < ALL_MAX {
            for n in 0..ORG_MAX / 2 {
                networks.note(org, u64::try_from(n).unwrap(), network(n), at(n));
            }
            org += 1;
        }
        networks.note(0, 0, network(0), now);
        assert!(networks.look(0, 0, Some(network(0)), now).this);
        assert_eq!(networks.table().len, ALL_MAX);
        assert_eq!(networks.table().orgs[&1].len, ORG_MAX - 1);
    }
}
