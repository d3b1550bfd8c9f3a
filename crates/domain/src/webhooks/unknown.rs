//! Sources that were asked for and are not there, or not there for their orchestrator. Whoever goes on
//! posting to one costs nothing for a while: a short one, since another process may have taken the
//! registration, and an orchestrator that enables a source again says nothing of it (protocol §7).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kici_model::{OrgId, Timestamp};

/// How long a source stays unknown.
pub(super) const KEPT: Duration = Duration::from_secs(30);
/// How long one does that its orchestrator does not know, or has disabled.
pub(super) const REFUSED: Duration = Duration::from_secs(10);
/// How many are remembered; of more the database is asked.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Unknown(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    until: HashMap<(OrgId, String), Timestamp>,
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
        let until = table.until.get(&(org.clone(), source.to_owned()));
        let is_unknown = until.is_some_and(|until| now < *until);
        (!is_unknown).then_some(Before(table.registrations))
    }

    /// Remembers for so long that `source` is not there, unless something was registered since.
    pub(super) fn note(
        &self,
        before: Before,
        org: &OrgId,
        source: String,
        now: Timestamp,
        long: Duration,
    ) {
        let mut table = self.table();
        if table.registrations != before.0 {
            return;
        }
        if table.until.len() >= MOST {
            table.until.retain(|_, until| now < *until);
        }
        if table.until.len() < MOST {
            table.until.insert((org.clone(), source), now + long);
        }
    }

    /// The organisation has registered something.
    pub(crate) fn forget(&self, org: &OrgId) {
        let mut table = self.table();
        table.registrations += 1;
        table.until.retain(|(other, _), _| other != org);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        unknown.note(before, &org, "a".to_owned(), now, KEPT);
        let before = unknown.look(&org, "a", now).unwrap();
        unknown.note(before, &org, "a".to_owned(), now, KEPT);
        assert!(unknown.look(&org, "a", now).is_none());
        assert!(unknown.look(&org, "a", now + KEPT).is_some());
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let (unknown, now) = (Unknown::default(), SystemClock.now());
        let org = OrgId::random(&OsEntropy::default()).unwrap();
        for n in 0..MOST + 5 {
            let before = unknown.look(&org, "another", now).unwrap();
            unknown.note(before, &org, n.to_string(), now, KEPT);
        }
        assert_eq!(unknown.table().until.len(), MOST);
        let before = unknown.look(&org, "another", now).unwrap();
        unknown.note(before, &org, "late".to_owned(), now + KEPT, REFUSED);
        assert_eq!(unknown.table().until.len(), 1);
    }
}
