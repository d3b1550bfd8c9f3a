//! What a request counts for beside its credential: the person and the organization, so that many
//! credentials don't multiply what one of them may ask.

use std::hash::BuildHasher;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kici_domain::access::{CallerObserver, CountedAs};
use poem::http::Method;
use poem::{Request, Response};

use super::buckets::{Buckets, Left};
use super::{Limiter, RateLimits, too_many};
use crate::problem::ApiError;

/// How much more than one credential a person may ask, with all of theirs.
pub(super) const PERSON_FACTOR: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);
/// How much more than one credential the members and keys of an organization may ask.
pub(super) const ORG_FACTOR: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

/// The buckets of one kind of sender, for reads and for writes.
pub(super) struct Rates {
    reads: Option<Buckets<u64>>,
    writes: Option<Buckets<u64>>,
}

impl Rates {
    pub(super) fn new(limits: &RateLimits, factor: NonZeroU32) -> Self {
        let burst = limits.burst.saturating_mul(factor);
        let times = |limit: Option<NonZeroU32>| limit.map(|limit| limit.saturating_mul(factor));
        Self {
            reads: Buckets::new(times(limits.reads), burst),
            writes: Buckets::new(times(limits.writes), burst),
        }
    }

    fn take(&self, is_read: bool, key: u64) -> Option<Left> {
        let buckets = if is_read { &self.reads } else { &self.writes };
        buckets.as_ref().map(|buckets| buckets.take(key))
    }

    pub(super) fn forget(&self) {
        for buckets in [&self.reads, &self.writes].into_iter().flatten() {
            buckets.forget();
        }
    }
}

/// What one request of the API has been counted for.
pub(crate) struct RequestLimits {
    limiter: Arc<Limiter>,
    is_read: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_authenticated: bool,
    is_person_counted: bool,
    is_org_counted: bool,
    /// The bucket that has least left.
    tightest: Option<Left>,
    refusal: Option<ApiError>,
}

impl State {
    fn took(&mut self, left: Left) {
        if self.tightest.is_none_or(|tightest| left.remaining < tightest.remaining) {
            self.tightest = Some(left);
        }
    }
}

impl RequestLimits {
    pub(super) fn new(limiter: Arc<Limiter>, request: &Request) -> Self {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        Self { limiter, is_read, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request with the credential of which `key` is the hash.
    ///
    /// # Errors
    /// Its bucket is empty.
    pub(super) fn take_credential(&self, key: u64) -> Result<(), ApiError> {
        match self.limiter.credentials.take(self.is_read, key) {
            Some(left) if left.is_empty => Err(self.refusal("This token has", left)),
            Some(left) => {
                self.state().took(left);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn refusal(&self, who: &str, left: Left) -> ApiError {
        let what = if self.is_read { "read" } else { "changed something" };
        let text = format!("{who} {what} more than {} times a minute", left.limit);
        too_many(&text, left.reset).with_headers(left.told())
    }

    /// Whether the credential of the request has proved valid.
    pub(super) fn is_authenticated(&self) -> bool {
        self.state().is_authenticated
    }

    /// Returns the refusal, if the person's or the organization's bucket was empty.
    ///
    /// # Errors
    /// One was.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        self.state().refusal.take().map_or(Ok(()), Err)
    }

    /// Says in a response how much is left, unless it is a refusal, which says so already.
    pub(super) fn tell(&self, response: &mut Response) {
        if response.headers().contains_key("ratelimit-limit") {
            return;
        }
        let tightest = self.state().tightest;
        response.headers_mut().extend(tightest.into_iter().flat_map(Left::told));
    }
}

impl CallerObserver for RequestLimits {
    fn authenticated(&self, who: CountedAs<'_>) -> bool {
        let hasher = &self.limiter.hasher;
        let mut state = self.state();
        state.is_authenticated = true;
        let (is_counted, rates, key, text) = match who {
            CountedAs::Person(id) => {
                let key = hasher.hash_one(("person", id.as_str()));
                (&mut state.is_person_counted, &self.limiter.people, key, "All your tokens have")
            }
            CountedAs::Identity(identity) => {
                let key = hasher.hash_one(("identity", identity));
                (&mut state.is_person_counted, &self.limiter.people, key, "All your tokens have")
            }
            CountedAs::Org(id) => {
                let key = hasher.hash_one(("organization", id.as_str()));
                (&mut state.is_org_counted, &self.limiter.orgs, key, "This organization has")
            }
        };
        if std::mem::replace(is_counted, true) {
            return state.refusal.is_none();
        }
        match rates.take(self.is_read, key) {
            Some(left) if left.is_empty => {
                state.refusal = Some(self.refusal(text, left));
                false
            }
            Some(left) => {
                state.took(left);
                true
            }
            None => true,
        }
    }
}
