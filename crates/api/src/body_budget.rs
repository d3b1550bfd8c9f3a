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
mod tests;
