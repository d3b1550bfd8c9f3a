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
    pub(crate) fn tell(&self, orgs: BTreeSet<OrgId>) {
        if let Some(listener) = self.0.get() {
            orgs.iter().for_each(listener);
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
