//! How often deliveries may come. Nobody has verified them yet: an address goes first, so that one sender
//! does not use up what a source may get. It is counted for each organization apart: many have the
//! addresses of their provider in common.
//!
//! Networks from which a source had an accepted delivery lately go before all others: of what the source
//! may get a part is kept for them. Of the rest, one network gets no more than a part.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Instant;

use super::buckets::{Buckets, Left};
use super::verified_networks::VerifiedNetworks;
use super::{Limiter, RateLimits, network, too_many};
use crate::client_ip;
use crate::problem::ApiError;

/// The part of a source's limit that is kept for verified networks, and that one unverified network
/// gets at most: a quarter.
const PART: u32 = 4;

/// What is known of the networks that deliveries come from.
pub(super) struct Deliveries {
    verified: VerifiedNetworks,
    /// A bucket for each unverified network and source.
    unverified: Option<Buckets<u64>>,
    reserve: u32,
}

impl Deliveries {
    pub(super) fn new(limits: &RateLimits) -> Self {
        let part = limits.deliveries.map(|limit| limit.get() / PART);
        let of_network = part.map(|part| NonZeroU32::new(part).unwrap_or(NonZeroU32::MIN));
        Self {
            verified: VerifiedNetworks::default(),
            unverified: Buckets::new(of_network, of_network.unwrap_or(NonZeroU32::MIN)),
            reserve: part.unwrap_or(0),
        }
    }

    pub(super) fn forget(&self) {
        self.verified.forget(Instant::now());
        if let Some(unverified) = &self.unverified {
            unverified.forget();
        }
    }
}

/// A delivery that was counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CountedDelivery {
    org: u64,
    source: u64,
    /// The network that it came from.
    pub(crate) network: Option<IpAddr>,
    /// Whether the source had an accepted delivery from there lately.
    pub(crate) is_verified: bool,
    pub(crate) left: Option<Left>,
}

impl Limiter {
    /// Counts a delivery to `source`, as its address names it.
    ///
    /// # Errors
    /// Too many have come.
    pub(crate) fn deliver(
        &self,
        address: Option<IpAddr>,
        org: &str,
        source: &str,
    ) -> Result<CountedDelivery, ApiError> {
        let wide = address.map(client_ip::network);
        let address = address.map(network);
        if let Some((strays, address)) = self.strays.as_ref().zip(address)
            && strays.is_spent(&address)
            && !self.is_known(self.target(org, source))
        {
            let text = "Too many deliveries from this address were to what is not there";
            return Err(too_many(text, 60));
        }
        let sender = self.senders.as_ref().zip(address).map(|(senders, address)| {
            let key = self.hasher.hash_one((address, org));
            senders.take(key)
        });
        allowed(sender, "from this address")?;
        let (org, source) = (self.hasher.hash_one(("an org", org)), self.target(org, source));
        let verified = self.deliveries.verified.look(org, source, wide, Instant::now());
        let is_first = verified.this || !verified.any;
        let reserve = if is_first { 0 } else { self.deliveries.reserve };
        if !verified.this {
            // Before the network's own bucket, which must not pay for what others have used up.
            let left = self.sources.as_ref().map(|sources| sources.look_above(&source, reserve));
            allowed(left, "to this source")?;
            let unverified = self.deliveries.unverified.as_ref().zip(wide);
            let left = unverified.map(|(unverified, network)| {
                unverified.take(self.hasher.hash_one((network, source)))
            });
            allowed(left, "to this source from this network")?;
        }
        let left = self.sources.as_ref().map(|sources| sources.take_above(source, reserve));
        allowed(left, "to this source")?;
        let (network, is_verified, left) = (wide, verified.this, left.or(sender));
        Ok(CountedDelivery { org, source, network, is_verified, left })
    }

    /// Notes that an orchestrator has verified and accepted a delivery.
    pub(crate) fn verified(&self, delivery: &CountedDelivery) {
        let CountedDelivery { org, source, network, .. } = *delivery;
        // Without limits nothing is kept for anybody, but shares of memory are.
        if let Some(network) = network {
            self.deliveries.verified.note(org, source, network, Instant::now());
        }
    }

    /// Notes that there is such a source: who else strays at an address does not keep deliveries from it.
    pub(crate) fn found(&self, org: &str, source: &str) {
        self.note(self.target(org, source));
    }

    fn target(&self, org: &str, source: &str) -> u64 {
        self.hasher.hash_one(("a source", org, source))
    }

    /// Counts a delivery to what is not there.
    pub(crate) fn strayed(&self, address: Option<IpAddr>) {
        if let Some((strays, address)) = self.strays.as_ref().zip(address) {
            strays.take(network(address));
        }
    }
}

fn allowed(left: Option<Left>, whose: &str) -> Result<(), ApiError> {
    match left.filter(|left| left.is_empty) {
        None => Ok(()),
        Some(left) => {
            let text = format!("More than {} deliveries a minute have come {whose}", left.limit);
            Err(too_many(&text, left.reset).with_headers(left.told()))
        }
    }
}
