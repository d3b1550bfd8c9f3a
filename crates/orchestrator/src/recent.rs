//! A bounded memory of ids: the oldest is forgotten when there is no room for a new one.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// Remembers the last `room` ids.
#[derive(Debug)]
pub(crate) struct Recent {
    room: usize,
    known: HashSet<Arc<str>>,
    by_age: VecDeque<Arc<str>>,
}

impl Recent {
    pub(crate) fn new(room: usize) -> Self {
        Self { room, known: HashSet::new(), by_age: VecDeque::new() }
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.known.contains(id)
    }

    pub(crate) fn insert(&mut self, id: &str) {
        let id: Arc<str> = id.into();
        if !self.known.insert(Arc::clone(&id)) {
            return;
        }
        self.by_age.push_back(id);
        if self.by_age.len() > self.room
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut recent = Recent::new(2);
        for id in ["a", "b", "b", "c"] {
            recent.insert(id);
        }
        assert!(!recent.contains("a"));
        assert!(recent.contains("b") && recent.contains("c"));
    }
}
