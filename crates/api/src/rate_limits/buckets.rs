//! Token buckets by key. Of our own, since an address is asked about before it is known whether its
//! request counts: the libraries can take, and none can look without taking.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use poem::http::{HeaderName, HeaderValue};

/// The buckets of one kind.
pub(super) struct Buckets<K> {
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
pub(crate) struct Left {
    pub(super) limit: u32,
    remaining: u64,
    /// Seconds until it is full again; where it is empty, until the next request may come.
    pub(super) reset: u64,
    pub(super) is_empty: bool,
}

impl Left {
    /// The headers of the draft `RateLimit-*`.
    pub(crate) fn told(self) -> [(HeaderName, HeaderValue); 3] {
        [
            ("ratelimit-limit", u64::from(self.limit)),
            ("ratelimit-remaining", self.remaining),
            ("ratelimit-reset", self.reset),
        ]
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from(value)))
    }
}

impl<K: Eq + Hash> Buckets<K> {
    pub(super) fn new(per_minute: Option<NonZeroU32>, burst: NonZeroU32) -> Option<Self> {
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

    pub(super) fn is_spent(&self, key: &K) -> bool {
        self.filled(self.levels().get(key), Instant::now()) < 1.0
    }

    /// Takes a token, where there is one.
    pub(super) fn take(&self, key: K) -> Left {
        self.take_above(key, 0)
    }

    /// Takes a token, where there is one beside the `reserve`.
    pub(super) fn take_above(&self, key: K, reserve: u32) -> Left {
        let now = Instant::now();
        let mut levels = self.levels();
        let before = self.filled(levels.get(&key), now);
        let (tokens, left) = self.without_one(before, reserve);
        levels.insert(key, Level { tokens, at: now });
        left
    }

    /// What [`take_above`](Self::take_above) would leave.
    pub(super) fn look_above(&self, key: &K, reserve: u32) -> Left {
        self.without_one(self.filled(self.levels().get(key), Instant::now()), reserve).1
    }

    fn without_one(&self, before: f64, reserve: u32) -> (f64, Left) {
        let reserve = f64::from(reserve);
        let is_empty = before < reserve + 1.0;
        let tokens = if is_empty { before } else { before - 1.0 };
        let missing =
            if is_empty { reserve + 1.0 - tokens } else { f64::from(self.burst) - tokens };
        let reset = whole((missing * 60.0 / f64::from(self.per_minute)).ceil());
        let remaining = whole(tokens - reserve);
        (tokens, Left { limit: self.per_minute, remaining, reset, is_empty })
    }

    /// Forgets the buckets that are full again.
    pub(super) fn forget(&self) {
        let now = Instant::now();
        self.levels().retain(|_, level| self.filled(Some(level), now) < f64::from(self.burst));
    }
}

/// A number that is none too large and not negative, without its fraction.
fn whole(number: f64) -> u64 {
    Duration::try_from_secs_f64(number).map_or(0, |whole| whole.as_secs())
}
