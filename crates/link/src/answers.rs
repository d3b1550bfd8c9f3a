//! Answers that somebody waits for, by the id of what was asked.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Who waits for which answer.
#[derive(Debug)]
pub(crate) struct Answers<T>(Mutex<Waiting<T>>);

#[derive(Debug)]
struct Waiting<T> {
    senders: HashMap<String, oneshot::Sender<T>>,
    is_over: bool,
}

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self(Mutex::new(Waiting { senders: HashMap::new(), is_over: false }))
    }
}

impl<T> Answers<T> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody waits for an answer under this id.
    pub(crate) fn awaits(&self, id: &str) -> bool {
        self.waiting().senders.contains_key(id)
    }

    /// Hands an answer to whoever waits for it; `false` when nobody does.
    pub(crate) fn take(&self, id: &str, answer: T) -> bool {
        let sender = self.waiting().senders.remove(id);
        sender.is_some_and(|sender| sender.send(answer).is_ok())
    }

    /// Begins to wait. Whatever can be an answer must be sent after this.
    pub(crate) fn expect(&self, id: String) -> Expected<'_, T> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        if !waiting.is_over {
            waiting.senders.insert(id.clone(), sender);
        }
        drop(waiting);
        Expected { answers: self, id, receiver }
    }

    /// No answer will come any more: whoever waits learns it now.
    pub(crate) fn end(&self) {
        let mut waiting = self.waiting();
        waiting.is_over = true;
        waiting.senders.clear();
    }
}

/// An answer that somebody waits for. Whoever stops waiting takes the entry back.
#[derive(Debug)]
pub(crate) struct Expected<'a, T> {
    answers: &'a Answers<T>,
    id: String,
    receiver: oneshot::Receiver<T>,
}

impl<T> Expected<'_, T> {
    /// The answer; `None` when none can come any more.
    pub(crate) async fn answer(mut self) -> Option<T> {
        (&mut self.receiver).await.ok()
    }
}

impl<T> Drop for Expected<'_, T> {
    fn drop(&mut self) {
        self.answers.waiting().senders.remove(&self.id);
    }
}
