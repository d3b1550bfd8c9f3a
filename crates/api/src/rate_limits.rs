//! How often anybody may ask: token buckets for each credential, person and organization, for reads and
//! for writes, one for each address whose credentials don't work, and for deliveries one for each source,
//! and for each address and organization. In the memory of this process.

mod buckets;
mod callers;
mod deliveries;
mod failures;
mod verified_networks;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, Response, Result};

use buckets::Buckets;
pub(crate) use buckets::Left;
pub(crate) use callers::RequestLimits;
use callers::{ORG_FACTOR, PERSON_FACTOR, Rates};
pub(crate) use deliveries::CountedDelivery;
use deliveries::Deliveries;
use failures::Failures;
pub(crate) use failures::Reservation;

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
    credentials: Rates,
    people: Rates,
    orgs: Rates,
    /// Credentials that open nothing.
    failures: Option<Arc<Failures>>,
    /// Codes that the identity provider refuses. Counted apart, so that a program with a wrong token does
    /// not stop sign-ins from its address.
    sign_ins: Option<Arc<Failures>>,
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
            credentials: Rates::new(&limits, NonZeroU32::MIN),
            people: Rates::new(&limits, PERSON_FACTOR),
            orgs: Rates::new(&limits, ORG_FACTOR),
            failures: Failures::new(limits.failures),
            sign_ins: Failures::new(limits.failures),
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
        for rates in [&self.credentials, &self.people, &self.orgs] {
            rates.forget();
        }
        for failures in [&self.failures, &self.sign_ins].into_iter().flatten() {
            failures.forget();
        }
        for buckets in [&self.sources, &self.senders].into_iter().flatten() {
            buckets.forget();
        }
        if let Some(strays) = &self.strays {
            strays.forget();
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

    pub(crate) fn note(&self, key: u64) {
        let mut known = self.known();
        if known.len() < MOST_KNOWN || known.contains_key(&key) {
            known.insert(key, Instant::now());
        }
    }

    /// The key by which a credential is counted and remembered.
    fn key_of(&self, credential: &str) -> u64 {
        self.hasher.hash_one(credential)
    }
}

/// A credential that is about to be checked. Dropped, it counts as a failure of its address.
pub(crate) struct Check {
    limiter: Arc<Limiter>,
    key: u64,
    address: IpAddr,
    /// Whether the credential has worked lately; then nothing is reserved.
    is_known: bool,
    reservation: Option<Reservation>,
}

impl Check {
    /// The key by which the credential is remembered.
    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// The credential works.
    pub(crate) fn pass(self) {
        self.limiter.note(self.key);
        self.refund();
    }

    /// Gives the token back: it is not known whether the credential works, or nothing was gained by it.
    pub(crate) fn refund(self) {
        if let Some(reservation) = self.reservation {
            reservation.refund();
        }
    }

    /// The credential does not work.
    pub(crate) fn fail(self) {
        if self.is_known {
            self.limiter.known().remove(&self.key);
            if let Some(failures) = &self.limiter.failures {
                failures.count(self.address);
            }
        }
    }
}

/// A request of the API that is counted.
pub(crate) struct Counted {
    /// `None` once it is settled, and where no credential was presented.
    check: Option<Check>,
    limits: Arc<RequestLimits>,
    /// Whether a credential was presented.
    pub(crate) has_credential: bool,
    /// Whether it has worked lately.
    pub(crate) is_known: bool,
}

impl Limiter {
    /// Counts a request of the API. Where its credential has not worked lately, a failure is counted for
    /// its address beforehand, until [`Counted::settle`].
    ///
    /// # Errors
    /// Its sender has asked too often, or too much from its address has failed.
    pub(crate) async fn count(
        self: &Arc<Self>,
        request: &mut Request,
        platform: &Platform,
    ) -> Result<Counted> {
        let limits = Arc::new(RequestLimits::new(self.clone(), request));
        request.set_data(limits.clone());
        let Some(credential) = credentials::presented(request, &platform.app) else {
            return Ok(Counted { check: None, limits, has_credential: false, is_known: false });
        };
        let address = sender(request, platform);
        let check = self.check(credential, address).await?;
        let is_known = check.is_known;
        limits.take_credential(check.key)?;
        Ok(Counted { check: Some(check), limits, has_credential: true, is_known })
    }

    /// Counts a failure for `address` before `credential` is looked up, unless it has worked lately.
    ///
    /// # Errors
    /// Too much from there has failed.
    pub(crate) async fn check(
        self: &Arc<Self>,
        credential: &str,
        address: IpAddr,
    ) -> Result<Check, ApiError> {
        let (limiter, address) = (self.clone(), network(address));
        let key = self.key_of(credential);
        let reservation = match &self.failures {
            Some(failures) if !self.is_known(key) => {
                let reserved = failures.reserve(address, || self.is_known(key)).await;
                reserved.map_err(|_| {
                    let text = "Too many requests from this address had a credential that does not \
                                work; only those that have worked lately are served";
                    too_many(text, 60)
                })?
            }
            _ => None,
        };
        let is_known = self.is_known(key);
        Ok(Check { limiter, key, address, is_known, reservation })
    }

    /// The same for the code of a sign-in, which the provider is asked about.
    ///
    /// # Errors
    /// Too many from `address` have failed.
    pub(crate) async fn check_sign_in(
        &self,
        address: IpAddr,
    ) -> Result<Option<Reservation>, ApiError> {
        let Some(sign_ins) = &self.sign_ins else { return Ok(None) };
        let reserved = sign_ins.reserve(network(address), || false).await;
        reserved.map_err(|_| too_many("Too many sign-ins from this address have failed", 60))
    }
}

impl Counted {
    /// Learns from the answer, and tells in it what is left.
    pub(crate) fn settle(&mut self, answered: &mut Result<Response>) {
        let status = match answered {
            Ok(response) => response.status(),
            Err(error) => error.status(),
        };
        if let Some(check) = self.check.take() {
            match status {
                _ if self.limits.is_authenticated() => check.pass(),
                StatusCode::UNAUTHORIZED => check.fail(),
                // A browser was sent here by another site, and nothing was looked up.
                StatusCode::FORBIDDEN => check.refund(),
                status if status.is_server_error() => check.refund(),
                // The credential was not looked up: an unknown path, or a body that does not come.
                _ => drop(check),
            }
        }
        if let Ok(response) = answered {
            self.limits.tell(response);
        }
    }
}

/// A request whose client hangs up counts as a failure unless it had authenticated.
impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(check) = self.check.take()
            && self.limits.is_authenticated()
        {
            check.pass();
        }
    }
}

/// The address of the client; that of no network for a connection that has none.
pub(crate) fn sender(request: &Request, platform: &Platform) -> IpAddr {
    let address = client_ip::of(request, &platform.trusted_proxies);
    address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Whose failures are counted together. Who has an address of IPv6 has as many as they like, but of one
/// network of 64 bits.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        IpAddr::V4(_) => address,
    }
}

fn too_many(text: &str, seconds: u64) -> ApiError {
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", text);
    error.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
}
