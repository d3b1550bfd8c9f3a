//! Sources that were asked for and are not there. Whoever goes on posting to one costs the database
//! nothing for a while: a short one, since another process may have taken the registration.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kici_model::{OrgId, Timestamp};

/// How long a source stays unknown.
const KEPT: Duration = Duration::from_secs(30);
/// How many are remembered; of more the database is asked.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Unknown(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    since: HashMap<(OrgId, String), Timestamp>,
    /// How often something was registered.
    registrations: u64,
}

/// The state of things before the database is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before(u64);

impl Unknown {
    /// `None` where `source` is known not to be there.
    pub(super) fn look(&self, org: &OrgId, source: &str, now: Timestamp) -> Option<Before> {
        let table = self.table();
        let since = table.since.get(&(org.clone(), source.to_owned()));
        let is_unknown = since.is_some_and(|since| is_recent(*since, now));
        (!is_unknown).then_some(Before(table.registrations))
    }

    /// Remembers that `source` is not there, unless something was registered since.
    pub(super) fn note(&self, before: Before, org: &OrgId, source: String, now: Timestamp) {
        let mut table = self.table();
        if table.registrations != before.0 {
            return;
        }
        if table.since.len() >= MOST {
            table.since.retain(|_, since| is_recent(*since, now));
        }
        if table.since.len() < MOST {
            table.since.insert((org.clone(), source), now);
        }
    }

    /// The organisation has registered something.
    pub(crate) fn forget(&self, org: &OrgId) {
        let mut table = self.table();
        table.registrations += 1;
        table.since.retain(|(other, _), _| other != org);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_recent(since: Timestamp, now: Timestamp) -> bool {
    now.micros().saturating_sub(since.micros()).unsigned_abs() < KEPT.as_micros() as u64
}

#[cfg(test)]
mod tests {
    use kici_model::{Clock, OsEntropy, SystemClock};

    use super::*;

    #[test]
    fn what_is_registered_while_the_database_is_asked_is_not_noted() {
        let (unknown, now) = (Unknown::default(), SystemClock.now());
        let org = OrgId::random(&OsEntropy::default()).unwrap();
        let before = unknown.look(&org, "a", now).unwrap();
        unknown.forget(&org);
        unknown.note(before, &org, "a".to_owned(), now);
        let before = unknown.look(&org, "a", now).unwrap();
        unknown.note(before, &org, "a".to_owned(), now);
        assert!(unknown.look(&org, "a", now).is_none());
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let (unknown, now) = (Unknown::default(), SystemClock.now());
        let org = OrgId::random(&OsEntropy::default()).unwrap();
        for n in 0..MOST + 5 {
            let before = unknown.look(&org, "another", now).unwrap();
            unknown.note(before, &org, n.to_string(), now);
        }
        assert_eq!(unknown.table().since.len(), MOST);
    }
}
