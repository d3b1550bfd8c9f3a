//! Time as a parameter. Everything that is stored has microsecond precision, on both databases.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};

use crate::{Text, TextError};

/// A moment in UTC, cut to microseconds so that it survives both databases unchanged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Cuts `moment` to microseconds.
    #[must_use]
    pub fn new(moment: DateTime<Utc>) -> Self {
        Self(moment.trunc_subsecs(6))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub fn micros(self) -> i64 {
        self.0.timestamp_micros()
    }

    /// The moment that lies `micros` microseconds after the Unix epoch, if there is one.
    #[must_use]
    pub fn from_micros(micros: i64) -> Option<Self> {
        DateTime::from_timestamp_micros(micros).map(Self)
    }

    /// This moment in chrono's type.
    #[must_use]
    pub fn to_utc(self) -> DateTime<Utc> {
        self.0
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        chrono::TimeDelta::from_std(span)
            .ok()
            .and_then(|span| self.0.checked_add_signed(span))
            .map_or(Self(DateTime::<Utc>::MAX_UTC), Self::new)
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        chrono::TimeDelta::from_std(span)
            .ok()
            .and_then(|span| self.0.checked_sub_signed(span))
            .map_or(Self(DateTime::<Utc>::MIN_UTC), Self::new)
    }
}

/// ISO 8601 in UTC with milliseconds, as the wire has it.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}
impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}
impl std::str::FromStr for Timestamp {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        DateTime::parse_from_rfc3339(text)
            .map(|moment| Self::new(moment.to_utc()))
            .map_err(|_| TextError::new("a time looks like `2026-01-31T13:45:00Z`"))
    }
}
impl Text for Timestamp {
    const NAME: &'static str = "a time";
}

/// Tells the time. Tests freeze it.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::new(Utc::now())
    }
}
