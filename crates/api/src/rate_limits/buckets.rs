//! Token buckets by key. Of our own, since an address is asked about before it is known whether its
//! request counts: the libraries can take, and none can look without taking.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use poem::http::{HeaderName, HeaderValue};

/// The most keys in one generation of a kind of buckets, about 8 MiB. Keys beyond it push out the
/// generation before, so the least recently used ones are full again.
const GENERATION_KEYS_MAX: usize = 100_000;

/// The buckets of one kind.
pub(super) struct Buckets<K> {
    per_minute: u32,
    burst: u32,
    levels: Mutex<Levels<K>>,
}

/// The levels that are not full, in two generations: that bounds their number, whatever clients send,
/// at a cost per request that does not depend on it.
struct Levels<K> {
    current: HashMap<K, Level>,
    previous: HashMap<K, Level>,
}

impl<K: Eq + Hash> Levels<K> {
    fn get(&self, key: &K) -> Option<&Level> {
        self.current.get(key).or_else(|| self.previous.get(key))
    }

    fn insert(&mut self, key: K, level: Level) {
        if self.current.len() >= GENERATION_KEYS_MAX && !self.current.contains_key(&key) {
            self.previous = mem::take(&mut self.current);
        }
        self.current.insert(key, level);
    }
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
    pub(super) remaining: u64,
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
        let levels = Levels { current: HashMap::new(), previous: HashMap::new() };
        Some(Self { per_minute, burst, levels: Mutex::new(levels) })
    }

    fn levels(&self) -> MutexGuard<'_, Levels<K>> {
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

    /// Gives back a token that was taken.
    pub(super) fn give_back(&self, key: K) {
        let now = Instant::now();
        let mut levels = self.levels();
        let tokens = (self.filled(levels.get(&key), now) + 1.0).min(f64::from(self.burst));
        levels.insert(key, Level { tokens, at: now });
    }

    /// Forgets the buckets that are full again.
    pub(super) fn forget(&self) {
        let now = Instant::now();
        let is_spent = |level: &Level| self.filled(Some(level), now) < f64::from(self.burst);
        let mut levels = self.levels();
        levels.current.retain(|_, level| is_spent(level));
        levels.previous.retain(|_, level| is_spent(level));
    }
}

/// A number that is none too large and not negative, without its fraction.
fn whole(number: f64) -> u64 {
    Duration::try_from_secs_f64(number).map_or(0, |whole| whole.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_keys_is_bounded_and_recent_ones_are_remembered() {
        let buckets: Buckets<usize> = Buckets::new(NonZeroU32::new(1), NonZeroU32::MIN).unwrap();
        for key in 0..3 * GENERATION_KEYS_MAX {
            assert!(!buckets.take(key).is_empty);
        }
        let levels = buckets.levels();
        assert!(levels.current.len() + levels.previous.len() <= 2 * GENERATION_KEYS_MAX);
        drop(levels);
        assert!(buckets.take(3 * GENERATION_KEYS_MAX - 1).is_empty);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_no_bucket_overflows() {
        let burst = NonZeroU32::new(2).unwrap();
        let buckets: Buckets<u8> = Buckets::new(NonZeroU32::new(1), burst).unwrap();
        buckets.give_back(0);
        let taken = [buckets.take(0), buckets.take(0), buckets.take(0)];
        assert_eq!(taken.map(|left| left.is_empty), [false, false, true]);
        buckets.give_back(0);
        assert!(!buckets.take(0).is_empty);
        assert!(buckets.take(0).is_empty);
    }
}
