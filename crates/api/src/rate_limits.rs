//! How often anybody may ask: a token bucket for each credential, for reads and for writes, one for
//! each address whose tokens open nothing, and for deliveries one for each source, and for each address
//! and organization. In the memory of this process.

mod buckets;
mod deliveries;
mod verified_networks;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Request, Response, Result};

use buckets::Buckets;
pub(crate) use buckets::Left;
pub(crate) use deliveries::CountedDelivery;
use deliveries::Deliveries;

use crate::client_ip;
use crate::credentials;
use crate::problem::ApiError;
use crate::routes::Platform;

/// How many requests a minute; `None` sets no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Of those that change nothing, by one credential.
    pub reads: Option<NonZeroU32>,
    /// Of the others, by one credential.
    pub writes: Option<NonZeroU32>,
    /// How many may come at once, of either.
    pub burst: NonZeroU32,
    /// Of those whose token opens nothing, from one address.
    pub failures: Option<NonZeroU32>,
    /// Of deliveries to one source; all of them may come at once.
    pub deliveries: Option<NonZeroU32>,
    /// Of deliveries from one address to one organization, and to nobody; all of them may come at once.
    pub deliveries_from_address: Option<NonZeroU32>,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            reads: NonZeroU32::new(3_000),
            writes: NonZeroU32::new(600),
            burst: NonZeroU32::MIN.saturating_add(299),
            failures: NonZeroU32::new(30),
            deliveries: NonZeroU32::new(12_000),
            deliveries_from_address: NonZeroU32::new(6_000),
        }
    }
}

impl RateLimits {
    /// No limits at all.
    #[must_use]
    pub fn none() -> Self {
        Self {
            reads: None,
            writes: None,
            failures: None,
            deliveries: None,
            deliveries_from_address: None,
            ..Self::default()
        }
    }
}

/// The buckets of one server.
pub(crate) struct Limiter {
    reads: Option<Buckets<u64>>,
    writes: Option<Buckets<u64>>,
    failures: Option<Buckets<IpAddr>>,
    sources: Option<Buckets<u64>>,
    senders: Option<Buckets<u64>>,
    /// Addresses that post to what is not there.
    strays: Option<Buckets<IpAddr>>,
    deliveries: Deliveries,
    /// Turns tokens into keys that say nothing of them.
    hasher: RandomState,
    /// Credentials that have worked lately: they are served whatever others at their address do.
    known: Mutex<HashMap<u64, Instant>>,
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").finish_non_exhaustive()
    }
}

/// How long a credential counts as known after it has worked.
const KNOWN: Duration = Duration::from_secs(10 * 60);
/// The most credentials that are known; more are forgotten, and then counted like strangers.
const MOST_KNOWN: usize = 100_000;

impl Limiter {
    pub(crate) fn new(limits: RateLimits) -> Self {
        let at_once = |limit: Option<NonZeroU32>| limit.unwrap_or(NonZeroU32::MIN);
        let (deliveries, from_address) = (limits.deliveries, limits.deliveries_from_address);
        Self {
            reads: Buckets::new(limits.reads, limits.burst),
            writes: Buckets::new(limits.writes, limits.burst),
            failures: Buckets::new(limits.failures, at_once(limits.failures)),
            sources: Buckets::new(deliveries, at_once(deliveries)),
            senders: Buckets::new(from_address, at_once(from_address)),
            strays: Buckets::new(from_address, at_once(from_address)),
            deliveries: Deliveries::new(&limits),
            hasher: RandomState::new(),
            known: Mutex::default(),
        }
    }

    /// Forgets the buckets that are full again.
    pub(crate) fn forget(&self) {
        let hashed = [&self.reads, &self.writes, &self.sources, &self.senders];
        for buckets in hashed.into_iter().flatten() {
            buckets.forget();
        }
        for buckets in [&self.failures, &self.strays].into_iter().flatten() {
            buckets.forget();
        }
        self.deliveries.forget();
        self.known().retain(|_, at| at.elapsed() < KNOWN);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_known(&self, key: u64) -> bool {
        self.known().get(&key).is_some_and(|at| at.elapsed() < KNOWN)
    }

    fn note(&self, key: u64) {
        let mut known = self.known();
        if known.len() < MOST_KNOWN || known.contains_key(&key) {
            known.insert(key, Instant::now());
        }
    }
}

/// A request of the API that is counted.
pub(crate) struct Counted {
    address: Option<IpAddr>,
    key: Option<u64>,
    left: Option<Left>,
    /// Whether its credential has worked lately.
    pub(crate) is_known: bool,
}

impl Limiter {
    /// Counts a request of the API.
    ///
    /// # Errors
    /// Its sender has asked too often.
    pub(crate) fn count(&self, request: &Request, platform: &Platform) -> Result<Counted> {
        let key = credentials::presented(request, &platform.app);
        let key = key.map(|token| self.hasher.hash_one(token));
        let is_known = key.is_some_and(|key| self.is_known(key));
        let address = self.address(request, platform, is_known)?;
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let bucket = if is_read { &self.reads } else { &self.writes };
        let left = bucket.as_ref().zip(key).map(|(bucket, key)| bucket.take(key));
        if let Some(left) = left.filter(|left| left.is_empty) {
            let kind = if is_read { "read" } else { "changed something" };
            let text = format!("This token has {kind} more than {} times a minute", left.limit);
            return Err(too_many(&text, left.reset).with_headers(left.told()).into());
        }
        Ok(Counted { address, key, left, is_known })
    }

    /// The address of who shows a credential, which has to have worked lately where too much from there
    /// has failed.
    ///
    /// # Errors
    /// It has not.
    pub(crate) fn guest(&self, request: &Request, platform: &Platform) -> Result<Option<IpAddr>> {
        let key = credentials::presented(request, &platform.app);
        let is_known = key.is_some_and(|token| self.is_known(self.hasher.hash_one(token)));
        self.address(request, platform, is_known)
    }

    fn address(
        &self,
        request: &Request,
        platform: &Platform,
        is_known: bool,
    ) -> Result<Option<IpAddr>> {
        if is_known { Ok(sender(request, platform)) } else { self.stranger(request, platform) }
    }

    /// The address of somebody who has shown nothing yet.
    ///
    /// # Errors
    /// Too much from there has failed.
    pub(crate) fn stranger(
        &self,
        request: &Request,
        platform: &Platform,
    ) -> Result<Option<IpAddr>> {
        let address = sender(request, platform);
        match self.failures.as_ref().zip(address) {
            Some((failures, address)) if failures.is_spent(&address) => {
                let text = "Too many requests from this address have failed to say who sends them";
                Err(too_many(text, 60).into())
            }
            _ => Ok(address),
        }
    }

    /// Counts that somebody has failed to say who they are.
    pub(crate) fn failed(&self, address: Option<IpAddr>) {
        if let Some((failures, address)) = self.failures.as_ref().zip(address) {
            failures.take(address);
        }
    }

    /// Learns from the answer, and tells in it what is left.
    pub(crate) fn answered(&self, counted: &Counted, response: &mut Response) {
        match (response.status(), counted.key) {
            (StatusCode::UNAUTHORIZED, _) => self.failed(counted.address),
            // A body that does not come holds memory all the same.
            (StatusCode::REQUEST_TIMEOUT, _) if !counted.is_known => self.failed(counted.address),
            // Any other answer may have come before anybody looked at the token.
            (status, Some(key)) if status.is_success() => self.note(key),
            _ => {}
        }
        response.headers_mut().extend(counted.left.into_iter().flat_map(Left::told));
    }
}

/// Whose failures are counted together. Who has an address of IPv6 has as many as they like, but of one
/// network of 64 bits.
fn sender(request: &Request, platform: &Platform) -> Option<IpAddr> {
    client_ip::of(request, &platform.trusted_proxies).map(network)
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        IpAddr::V4(_) => address,
    }
}

fn too_many(text: &str, seconds: u64) -> ApiError {
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", text);
    error.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
}
