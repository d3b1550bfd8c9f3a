//! Which sources are served, and how the platform learns of it: the whole list on each connection,
//! then what changes. What the platform answers is only passed on here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kici_model::{Entropy, EntropyError};
use kici_wire::{
    FromOrchestrator, RegisteredSource, SourceDeregister, SourceDeregisterAck, SourceRegister,
    SourceRegisterAck,
};
use tokio::sync::oneshot;

use crate::Source;
use crate::outbox::{Outbox, Unsent};

/// One lock over the sources and the link, so that the whole list always goes out before a change.
#[derive(Debug)]
pub(crate) struct Registry {
    about: SourceRegister,
    entropy: Arc<dyn Entropy>,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    sources: BTreeMap<String, Arc<Source>>,
    /// Gone here, though the platform has not said that it knows.
    removed: BTreeSet<String>,
    link: Option<Link>,
}

#[derive(Debug)]
struct Link {
    outbox: Outbox,
    additions: HashMap<String, oneshot::Sender<SourceRegisterAck>>,
    removals: HashMap<String, Removal>,
}

/// What was asked to be removed: the ack names only what was there.
#[derive(Debug)]
struct Removal {
    keys: Vec<String>,
    asker: Option<oneshot::Sender<SourceDeregisterAck>>,
}

/// Comes when the platform has answered; closed when the connection ends before that.
pub(crate) type Pending<A> = oneshot::Receiver<A>;

/// Why the platform can't be told now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoLink;

impl From<EntropyError> for NoLink {
    fn from(_: EntropyError) -> Self {
        Self
    }
}
impl From<Unsent> for NoLink {
    fn from(_: Unsent) -> Self {
        Self
    }
}

impl Registry {
    /// `about` says who registers; its message id and its sources are filled in each time.
    pub(crate) fn new(
        about: SourceRegister,
        sources: Vec<Source>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let sources =
            sources.into_iter().map(|it| (it.routing_key().to_owned(), Arc::new(it))).collect();
        Self { about, entropy, book: Mutex::new(Book { sources, ..Book::default() }) }
    }

    /// A panic elsewhere leaves the book whole: nothing in here stops half-way.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn source(&self, routing_key: &str) -> Option<Arc<Source>> {
        self.book().sources.get(routing_key).cloned()
    }

    /// Whether there is such a source; the platform is told nothing of it.
    pub(crate) fn set_enabled(&self, routing_key: &str, is_enabled: bool) -> bool {
        let mut book = self.book();
        let source = book.sources.get_mut(routing_key);
        source.map(|source| Arc::make_mut(source).is_enabled = is_enabled).is_some()
    }

    /// The connection is open: sends the whole list, and what was removed in the meantime.
    pub(crate) fn link(&self, outbox: Outbox) -> Result<(), NoLink> {
        let mut book = self.book();
        let all = book.sources.values().map(|source| source.registration.clone()).collect();
        outbox.send(&self.register(self.id()?, all))?;
        let mut link = Link::new(outbox);
        if !book.removed.is_empty() {
            link.remove(self.id()?, book.removed.iter().cloned().collect(), None)?;
        }
        book.link = Some(link);
        Ok(())
    }

    /// The connection is gone.
    pub(crate) fn unlink(&self) {
        self.book().link = None;
    }

    /// Serves `source` from now on, connected or not.
    pub(crate) fn add(&self, source: Source) -> Result<Pending<SourceRegisterAck>, NoLink> {
        let mut book = self.book();
        let registration = source.registration.clone();
        book.removed.remove(source.routing_key());
        book.sources.insert(source.routing_key().to_owned(), Arc::new(source));
        let link = book.link.as_mut().ok_or(NoLink)?;
        let id = self.id()?;
        link.outbox.send(&self.register(id.clone(), vec![registration]))?;
        let (asker, pending) = oneshot::channel();
        link.additions.insert(id, asker);
        Ok(pending)
    }

    /// Does not serve `routing_key` any more, connected or not.
    pub(crate) fn remove(&self, key: &str) -> Result<Pending<SourceDeregisterAck>, NoLink> {
        let mut book = self.book();
        book.sources.remove(key);
        book.removed.insert(key.to_owned());
        let link = book.link.as_mut().ok_or(NoLink)?;
        let (asker, pending) = oneshot::channel();
        link.remove(self.id()?, vec![key.to_owned()], Some(asker))?;
        Ok(pending)
    }

    /// The platform has answered a registration.
    pub(crate) fn registered(&self, ack: SourceRegisterAck) {
        let mut book = self.book();
        let asker = book.link.as_mut().and_then(|link| link.additions.remove(&ack.message_id));
        if let Some(asker) = asker {
            // Whoever asked may have stopped waiting.
            let _ = asker.send(ack);
        }
    }

    /// The platform has answered a removal; gives what is gone.
    pub(crate) fn deregistered(&self, ack: SourceDeregisterAck) -> Vec<String> {
        let mut book = self.book();
        let removal = book.link.as_mut().and_then(|link| link.removals.remove(&ack.message_id));
        let Some(Removal { keys, asker }) = removal else { return ack.removed };
        for key in &keys {
            book.removed.remove(key);
        }
        if let Some(asker) = asker {
            // Whoever asked may have stopped waiting.
            let _ = asker.send(ack);
        }
        keys
    }

    fn id(&self) -> Result<String, EntropyError> {
        kici_model::entropy::uuid(&*self.entropy)
    }

    fn register(&self, message_id: String, sources: Vec<RegisteredSource>) -> FromOrchestrator {
        FromOrchestrator::SourceRegister(SourceRegister {
            message_id,
            sources,
            ..self.about.clone()
        })
    }
}

impl Link {
    fn new(outbox: Outbox) -> Self {
        Self { outbox, additions: HashMap::new(), removals: HashMap::new() }
    }

    fn remove(
        &mut self,
        message_id: String,
        keys: Vec<String>,
        asker: Option<oneshot::Sender<SourceDeregisterAck>>,
    ) -> Result<(), NoLink> {
        self.outbox.send(&FromOrchestrator::SourceDeregister(SourceDeregister {
            message_id: message_id.clone(),
            routing_keys: keys.clone(),
        }))?;
        self.removals.insert(message_id, Removal { keys, asker });
        Ok(())
    }
}
