//! Memory for request bodies, divided into shares: no organization, client network or credential
//! gets all of it.
//!
//! A body takes memory as its bytes arrive and gives it back when its [`BodyLease`] is dropped. It is
//! counted for each of its owners and for the server, and refused where one of them has no more. In
//! each share a part is kept for small bodies, so that a few slow large ones can't keep out the many
//! small ones.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const MIB: usize = 1024;
/// The part of each share that only small bodies may use: an eighth.
const RESERVED: usize = 8;

/// Sizes of the shares in KiB.
#[derive(Debug, Clone, Copy)]
struct Shares {
    /// The label of the budget in the metrics.
    name: &'static str,
    server: usize,
    organization: usize,
    network: usize,
    /// What one network may use of the share of one organization.
    network_of_organization: usize,
    credential: usize,
    /// The largest body that counts as small, in KiB.
    small: usize,
}

const DELIVERIES: Shares = Shares {
    name: "deliveries",
    server: 512 * MIB,
    organization: 128 * MIB,
    network: 192 * MIB,
    // Room for two bodies of 25 MiB beside the part for small ones.
    network_of_organization: 64 * MIB,
    credential: 0,
    small: 256,
};

const API: Shares = Shares {
    name: "api",
    server: 64 * MIB,
    organization: 0,
    network: 24 * MIB,
    network_of_organization: 0,
    credential: 8 * MIB,
    small: 16,
};

const UNAUTHENTICATED: Shares =
    Shares { name: "unauthenticated", server: 32 * MIB, network: 8 * MIB, credential: 0, ..API };

/// A share of the memory, as metrics and answers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    Server,
    Organization,
    Network,
    Credential,
}

impl Share {
    /// The label of the share in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Organization => "organization",
            Self::Network => "network",
            Self::Credential => "credential",
        }
    }

    /// Says whose share is used up.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Server => "The server holds as many request bodies as it can",
            Self::Organization => "The server holds as many bodies for this organization as it can",
            Self::Network => "The server holds as many bodies from this network as it can",
            Self::Credential => "The server holds as many bodies of this credential as it can",
        }
    }
}

/// An owner of bodies: its use of the memory is bounded by a share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Owner {
    Server,
    /// Deliveries from networks that had one accepted lately are counted apart from all others: these
    /// can't use up what those may send.
    Organization {
        org: Box<str>,
        is_verified: bool,
    },
    Network(IpAddr),
    NetworkOfOrganization {
        org: Box<str>,
        network: IpAddr,
    },
    Credential(u64),
}

impl Owner {
    const fn share(&self) -> Share {
        match self {
            Self::Server => Share::Server,
            Self::Organization { .. } => Share::Organization,
            Self::Network(_) | Self::NetworkOfOrganization { .. } => Share::Network,
            Self::Credential(_) => Share::Credential,
        }
    }
}

/// What is used of a share, in KiB.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    small: usize,
    large: usize,
}

impl Used {
    fn add(&mut self, kib: usize, is_large: bool) {
        if is_large { self.large += kib } else { self.small += kib }
    }

    fn subtract(&mut self, kib: usize, is_large: bool) {
        let used = if is_large { &mut self.large } else { &mut self.small };
        *used = used.saturating_sub(kib);
    }

    const fn is_nothing(self) -> bool {
        self.small == 0 && self.large == 0
    }
}

/// A budget of memory for request bodies.
#[derive(Debug)]
pub(crate) struct BodyBudget {
    shares: Shares,
    used: Mutex<HashMap<Owner, Used>>,
    /// Turns credentials into keys that say nothing of them.
    hasher: RandomState,
}

impl BodyBudget {
    /// A budget for the bodies of deliveries.
    pub(crate) fn for_deliveries() -> Arc<Self> {
        Self::new(DELIVERIES)
    }

    /// A budget for API requests whose credential has worked lately.
    pub(crate) fn for_api() -> Arc<Self> {
        Self::new(API)
    }

    /// A budget for all other API requests.
    pub(crate) fn for_unauthenticated() -> Arc<Self> {
        Self::new(UNAUTHENTICATED)
    }

    fn new(shares: Shares) -> Arc<Self> {
        Arc::new(Self { shares, used: Mutex::default(), hasher: RandomState::new() })
    }

    /// The label of the budget in the metrics.
    pub(crate) const fn name(&self) -> &'static str {
        self.shares.name
    }

    /// A lease for a delivery to `org` from `network`; `is_verified` says whether a delivery from
    /// there was accepted lately. Takes no memory yet.
    pub(crate) fn delivery(
        self: &Arc<Self>,
        org: &str,
        network: Option<IpAddr>,
        is_verified: bool,
    ) -> BodyLease {
        let networks = network.into_iter().flat_map(|network| {
            [Owner::NetworkOfOrganization { org: org.into(), network }, Owner::Network(network)]
        });
        let others = [Owner::Organization { org: org.into(), is_verified }, Owner::Server];
        BodyLease::new(self, networks.chain(others).collect())
    }

    /// A lease for an API request from `network`, with its credential where that has worked lately.
    /// Takes no memory yet.
    pub(crate) fn request(
        self: &Arc<Self>,
        network: Option<IpAddr>,
        credential: Option<&str>,
    ) -> BodyLease {
        let credential = credential.map(|text| Owner::Credential(self.hasher.hash_one(text)));
        let network = network.map(Owner::Network);
        BodyLease::new(self, credential.into_iter().chain(network).chain([Owner::Server]).collect())
    }

    fn used(&self) -> MutexGuard<'_, HashMap<Owner, Used>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    const fn size(&self, owner: &Owner) -> usize {
        match owner {
            Owner::Server => self.shares.server,
            Owner::Organization { .. } => self.shares.organization,
            Owner::Network(_) => self.shares.network,
            Owner::NetworkOfOrganization { .. } => self.shares.network_of_organization,
            Owner::Credential(_) => self.shares.credential,
        }
    }
}

/// The memory that one body has taken. Dropping it gives the memory back.
#[derive(Debug)]
pub(crate) struct BodyLease {
    /// `None` where nothing is counted.
    budget: Option<Arc<BodyBudget>>,
    owners: Vec<Owner>,
    kib: usize,
    is_large: bool,
}

impl BodyLease {
    fn new(budget: &Arc<BodyBudget>, owners: Vec<Owner>) -> Self {
        Self { budget: Some(budget.clone()), owners, kib: 0, is_large: false }
    }

    /// A lease of memory that is not counted, for what is in memory already or not kept.
    pub(crate) const fn uncounted() -> Self {
        Self { budget: None, owners: Vec::new(), kib: 0, is_large: false }
    }

    /// The same for a body that says its length: a large one never uses what is kept for small ones.
    pub(crate) fn of_length(mut self, bytes: Option<usize>) -> Self {
        let small = self.budget.as_ref().map_or(usize::MAX, |budget| budget.shares.small);
        self.is_large |= bytes.is_some_and(|bytes| bytes.div_ceil(1024) > small);
        self
    }

    /// Takes as much as `bytes` of the body need in all.
    ///
    /// # Errors
    /// Returns the share that has not enough left. The lease keeps what it had.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), Share> {
        let Some(budget) = &self.budget else { return Ok(()) };
        let kib = bytes.div_ceil(1024);
        if kib <= self.kib {
            return Ok(());
        }
        let is_large = self.is_large || kib > budget.shares.small;
        let mut used = budget.used();
        for owner in &self.owners {
            let mut after = used.get(owner).copied().unwrap_or_default();
            after.subtract(self.kib, self.is_large);
            after.add(kib, is_large);
            let size = budget.size(owner);
            let is_beyond_large = is_large && after.large > size - size / RESERVED;
            if is_beyond_large || after.small + after.large > size {
                return Err(owner.share());
            }
        }
        for owner in &self.owners {
            let used = used.entry(owner.clone()).or_default();
            used.subtract(self.kib, self.is_large);
            used.add(kib, is_large);
        }
        drop(used);
        (self.kib, self.is_large) = (kib, is_large);
        Ok(())
    }

    /// Gives everything back.
    pub(crate) fn release(&mut self) {
        let Some(budget) = self.budget.as_ref().filter(|_| self.kib > 0) else { return };
        let mut all = budget.used();
        for owner in &self.owners {
            if let Some(used) = all.get_mut(owner) {
                used.subtract(self.kib, self.is_large);
                if used.is_nothing() {
                    all.remove(owner);
                }
            }
        }
        drop(all);
        self.kib = 0;
    }
}

impl Drop for BodyLease {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: usize = 256 * 1024;
    const LARGE: usize = 25 * 1024 * 1024;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// As many leases of `bytes` as `lease` gives, and the share that had no more.
    fn fill(lease: impl Fn(usize) -> BodyLease, bytes: usize) -> (Vec<BodyLease>, Share) {
        let mut taken = Vec::new();
        loop {
            let mut lease = lease(taken.len());
            match lease.grow_to(bytes) {
                Ok(()) => taken.push(lease),
                Err(share) => return (taken, share),
            }
        }
    }

    #[test]
    fn one_network_gets_a_part_of_an_organizations_share_and_others_the_rest() {
        let budget = BodyBudget::for_deliveries();
        let from = |network: &str| {
            let lease = || budget.delivery("org_a", Some(ip(network)), false);
            fill(|_| lease(), LARGE)
        };
        let (first, share) = from("192.0.2.0");
        assert_eq!((first.len(), share), (2, Share::Network));
        let (second, share) = from("198.51.100.0");
        assert_eq!((second.len(), share), (2, Share::Network));
        let (third, share) = from("203.0.113.0");
        assert_eq!((third.len(), share), (0, Share::Organization));
        // Networks with accepted deliveries have a share of their own, and so has every organization.
        let grow = |org, network, is_verified| {
            budget.delivery(org, Some(ip(network)), is_verified).grow_to(LARGE)
        };
        assert_eq!(grow("org_a", "203.0.113.0", true), Ok(()));
        assert_eq!(grow("org_b", "203.0.113.0", false), Ok(()));
        drop(first);
        assert_eq!(grow("org_a", "203.0.113.0", false), Ok(()));
    }

    #[test]
    fn one_network_does_not_get_all_memory_through_many_organizations() {
        let budget = BodyBudget::for_deliveries();
        let network = Some(ip("192.0.2.0"));
        let lease = |n: usize| budget.delivery(&format!("org_{n}"), network, false);
        let (taken, share) = fill(lease, LARGE);
        assert_eq!((taken.len(), share), (6, Share::Network));
        let elsewhere = Some(ip("198.51.100.0"));
        assert_eq!(budget.delivery("org_1", elsewhere, false).grow_to(LARGE), Ok(()));
    }

    #[test]
    fn large_bodies_leave_room_for_small_ones() {
        let budget = BodyBudget::for_deliveries();
        let lease = |n: usize| budget.delivery(&format!("org_{n}"), None, false);
        let (large, share) = fill(lease, LARGE);
        assert_eq!((large.len(), share), (17, Share::Server));
        // One that says its length is large before it has arrived.
        let mut early = lease(18).of_length(Some(LARGE));
        assert_eq!(early.grow_to(23 * 1024 * 1024), Ok(()));
        let (small, share) = fill(lease, SMALL);
        assert_eq!((small.len(), share), (64 * 4, Share::Server));
        drop(early);
        // One that grows is moved from the small to the large ones, all of it.
        let mut growing = lease(19);
        assert_eq!(growing.grow_to(SMALL), Ok(()));
        assert_eq!(growing.grow_to(24 * 1024 * 1024), Err(Share::Server));
        assert_eq!(growing.grow_to(22 * 1024 * 1024), Ok(()));
        assert!(budget.used()[&Owner::Server].small == 64 * MIB);
    }

    #[test]
    fn everything_is_given_back() {
        let budget = BodyBudget::for_api();
        let mut lease = budget.request(Some(ip("192.0.2.0")), Some("token"));
        for bytes in [0, 1, 16 * 1024, 16 * 1024 + 1, 1024 * 1024] {
            assert_eq!(lease.grow_to(bytes), Ok(()));
        }
        assert_eq!(budget.used()[&Owner::Server].large, MIB);
        lease.release();
        assert!(budget.used().is_empty());
        assert_eq!(lease.grow_to(5), Ok(()));
        drop(lease);
        assert!(budget.used().is_empty());
    }

    #[test]
    fn a_credential_and_a_network_of_the_api_have_shares() {
        let budget = BodyBudget::for_api();
        let (network, other) = (Some(ip("192.0.2.0")), Some(ip("198.51.100.0")));
        let body = 1024 * 1024;
        let (taken, share) = fill(|_| budget.request(network, Some("one")), body);
        assert_eq!((taken.len(), share), (7, Share::Credential));
        assert_eq!(budget.request(other, Some("one")).grow_to(body), Err(Share::Credential));
        let (more, share) = fill(|n| budget.request(network, Some(&n.to_string())), body);
        assert_eq!((taken.len() + more.len(), share), (21, Share::Network));
        assert_eq!(budget.request(other, Some("two")).grow_to(body), Ok(()));
        let budget = BodyBudget::for_unauthenticated();
        let (taken, share) = fill(|_| budget.request(network, None), body);
        assert_eq!((taken.len(), share), (7, Share::Network));
        assert_eq!(budget.request(other, None).grow_to(body), Ok(()));
    }
}
