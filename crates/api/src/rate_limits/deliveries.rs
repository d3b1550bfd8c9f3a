//! How often deliveries may come. Nobody has verified them yet: an address goes first, so that one sender
//! does not use up what a source may get. It is counted for each organization apart: many have the
//! addresses of their provider in common.

use std::hash::BuildHasher;
use std::net::IpAddr;

use super::buckets::Left;
use super::{Limiter, network, too_many};
use crate::problem::ApiError;

impl Limiter {
    /// Counts a delivery to `source`, as its address names it, and tells what is left.
    ///
    /// # Errors
    /// Too many have come.
    pub(crate) fn deliver(
        &self,
        address: Option<IpAddr>,
        org: &str,
        source: &str,
    ) -> Result<Option<Left>, ApiError> {
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
        let source = self.sources.as_ref().map(|sources| sources.take(self.target(org, source)));
        allowed(source, "to this source")?;
        Ok(source.or(sender))
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
