//! Who hears of changes. A change is told once it is committed; nothing that is told here is a
//! promise: what a process changed that has no listener, nobody hears of.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use kici_model::OrgId;

use crate::Store;

type Listener = Box<dyn Fn(&OrgId) + Send + Sync>;

/// The listener, shared by all clones of a store.
#[derive(Clone, Default)]
pub(crate) struct Changes(Arc<OnceLock<Listener>>);

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Changes")
    }
}

impl Changes {
    /// Tells of these organisations once it is dropped.
    pub(crate) fn telling(&self, orgs: BTreeSet<OrgId>) -> Telling {
        Telling { changes: self.clone(), orgs }
    }
}

/// A change that is told when this is dropped.
#[derive(Debug)]
pub(crate) struct Telling {
    changes: Changes,
    orgs: BTreeSet<OrgId>,
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some(listener) = self.changes.0.get() {
            self.orgs.iter().for_each(listener);
        }
    }
}

impl Store {
    /// From now on `listener` hears which organisation somebody has changed, right after each change.
    /// It must not block. There is one listener: the first.
    pub fn on_change(&self, listener: impl Fn(&OrgId) + Send + Sync + 'static) {
        let _ = self.changes.0.set(Box::new(listener));
    }
}
