//! How often anybody may ask: a token bucket for each credential, for reads and for writes, and one
//! for each address whose tokens open nothing. In the memory of this process.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use poem::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Request, Response, Result};

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
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            reads: NonZeroU32::new(3_000),
            writes: NonZeroU32::new(600),
            burst: NonZeroU32::MIN.saturating_add(299),
            failures: NonZeroU32::new(30),
        }
    }
}

impl RateLimits {
    /// No limits at all.
    #[must_use]
    pub fn none() -> Self {
        Self { reads: None, writes: None, failures: None, ..Self::default() }
    }
}

/// The buckets of one server.
pub(crate) struct Limiter {
    reads: Option<Buckets<u64>>,
    writes: Option<Buckets<u64>>,
    failures: Option<Buckets<IpAddr>>,
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

/// Token buckets by key. Of our own, since an address is asked about before it is known whether its
/// request counts: the libraries can take, and none can look without taking.
struct Buckets<K> {
    per_minute: u32,
    burst: u32,
    levels: Mutex<HashMap<K, Level>>,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    tokens: f64,
    at: Instant,
}

/// What is left in a bucket.
#[derive(Debug, Clone, Copy)]
struct Left {
    limit: u32,
    remaining: u64,
    /// Seconds until it is full again; where it is empty, until the next request may come.
    reset: u64,
    is_empty: bool,
}

/// How long a credential counts as known after it has worked.
const KNOWN: Duration = Duration::from_secs(10 * 60);
/// The most credentials that are known; more are forgotten, and then counted like strangers.
const MOST_KNOWN: usize = 100_000;

impl Left {
    /// The headers of the draft `RateLimit-*`.
    fn told(self) -> [(HeaderName, HeaderValue); 3] {
        [
            ("ratelimit-limit", u64::from(self.limit)),
            ("ratelimit-remaining", self.remaining),
            ("ratelimit-reset", self.reset),
        ]
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from(value)))
    }
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(per_minute: Option<NonZeroU32>, burst: NonZeroU32) -> Option<Self> {
        let (per_minute, burst) = (per_minute?.get(), burst.get());
        Some(Self { per_minute, burst, levels: Mutex::default() })
    }

    fn levels(&self) -> MutexGuard<'_, HashMap<K, Level>> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How full a bucket is by now.
    fn filled(&self, level: Option<&Level>, now: Instant) -> f64 {
        let full = f64::from(self.burst);
        let Some(level) = level else { return full };
        let since = now.saturating_duration_since(level.at).as_secs_f64();
        (level.tokens + since * f64::from(self.per_minute) / 60.0).min(full)
    }

    fn is_spent(&self, key: &K) -> bool {
        self.filled(self.levels().get(key), Instant::now()) < 1.0
    }

    /// Takes a token, where there is one.
    fn take(&self, key: K) -> Left {
        let now = Instant::now();
        let mut levels = self.levels();
        let before = self.filled(levels.get(&key), now);
        let is_empty = before < 1.0;
        let tokens = if is_empty { before } else { before - 1.0 };
        levels.insert(key, Level { tokens, at: now });
        let missing = if is_empty { 1.0 - tokens } else { f64::from(self.burst) - tokens };
        let reset = (missing * 60.0 / f64::from(self.per_minute)).ceil();
        Left { limit: self.per_minute, remaining: whole(tokens), reset: whole(reset), is_empty }
    }

    /// Forgets the buckets that are full again.
    fn forget(&self) {
        let now = Instant::now();
        self.levels().retain(|_, level| self.filled(Some(level), now) < f64::from(self.burst));
    }
}

/// A number that is none too large and not negative, without its fraction.
fn whole(number: f64) -> u64 {
    Duration::try_from_secs_f64(number).map_or(0, |whole| whole.as_secs())
}

impl Limiter {
    pub(crate) fn new(limits: RateLimits) -> Self {
        let failures = limits.failures.unwrap_or(NonZeroU32::MIN);
        Self {
            reads: Buckets::new(limits.reads, limits.burst),
            writes: Buckets::new(limits.writes, limits.burst),
            failures: Buckets::new(limits.failures, failures),
            hasher: RandomState::new(),
            known: Mutex::default(),
        }
    }

    /// Forgets the buckets that are full again.
    pub(crate) fn forget(&self) {
        for buckets in [&self.reads, &self.writes].into_iter().flatten() {
            buckets.forget();
        }
        if let Some(failures) = &self.failures {
            failures.forget();
        }
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
}

impl Limiter {
    /// Counts a request of the API.
    ///
    /// # Errors
    /// Its sender has asked too often.
    pub(crate) fn count(&self, request: &Request, platform: &Platform) -> Result<Counted> {
        let key = credentials::presented(request, &platform.app);
        let key = key.map(|token| self.hasher.hash_one(token));
        let address = match key.is_some_and(|key| self.is_known(key)) {
            true => sender(request, platform),
            false => self.stranger(request, platform)?,
        };
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let bucket = if is_read { &self.reads } else { &self.writes };
        let left = bucket.as_ref().zip(key).map(|(bucket, key)| bucket.take(key));
        if let Some(left) = left.filter(|left| left.is_empty) {
            let kind = if is_read { "read" } else { "changed something" };
            let text = format!("This token has {kind} more than {} times a minute", left.limit);
            let refused = too_many(&text, left.reset);
            let refused = left
                .told()
                .into_iter()
                .fold(refused, |refused, (name, value)| refused.with_header(name, value));
            return Err(refused.into());
        }
        Ok(Counted { address, key, left })
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
    let address = client_ip::of(request, &platform.trusted_proxies)?;
    Some(match address {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(network.into())
        }
        IpAddr::V4(_) => address,
    })
}

fn too_many(text: &str, seconds: u64) -> ApiError {
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", text);
    error.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
}
