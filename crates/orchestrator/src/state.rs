//! What the link is up to, to be watched from outside: by an operator, and by tests that would
//! otherwise have to sleep.

use std::time::Duration;

use kici_wire::{Accepted, AuthSuccess, Rejected, SourceRegisterAck};
use tokio::sync::watch;
use tokio::time::timeout;

/// How many closes are kept.
const CLOSES_KEPT: usize = 1_000;

/// Where the link stands. The last three stay until a later attempt gets further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The first attempt is under way.
    Connecting,
    /// The token was accepted, but the sources are not registered yet.
    Connected {
        /// The platform's name for the connection.
        connection_id: String,
        /// The organisation that the token belongs to.
        org_id: Option<String>,
    },
    /// Deliveries may come.
    Registered {
        /// The platform's name for the connection.
        connection_id: String,
        /// The organisation that the token belongs to.
        org_id: Option<String>,
        /// All sources that this connection serves.
        accepted: Vec<Accepted>,
        /// All sources that the platform does not take.
        rejected: Vec<Rejected>,
    },
    /// The platform does not take the token. It is tried again.
    Refused {
        /// The platform's words.
        reason: String,
    },
    /// The connection is gone, or there was none. It is tried again.
    Closed {
        /// The platform's close code; none where it said nothing.
        code: Option<u16>,
        /// The platform's reason, or what the system said.
        reason: String,
    },
    /// The orchestrator was stopped.
    Stopped,
}

/// The end of one connection. An address where nobody answers makes none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The platform's close code; none where it said nothing.
    pub code: Option<u16>,
    /// The platform's reason, or what the system said.
    pub reason: String,
    /// How long the pause after it is.
    pub retry_in: Duration,
}

/// The state and how it came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where the link stands.
    pub state: State,
    /// How often the token was accepted.
    pub connections: u64,
    /// The last thousand closes, the oldest first.
    pub closes: Vec<Close>,
}

impl Status {
    /// Whether deliveries may come.
    #[must_use]
    pub const fn is_registered(&self) -> bool {
        matches!(self.state, State::Registered { .. })
    }

    /// The codes of [`Self::closes`], in order; those without a code are left out.
    #[must_use]
    pub fn close_codes(&self) -> Vec<u16> {
        self.closes.iter().filter_map(|close| close.code).collect()
    }
}

/// Something did not happen in time.
#[derive(Debug, Clone, thiserror::Error)]
#[error("waited {patience:?} in vain; seen last: {seen}")]
pub struct TimedOut {
    patience: Duration,
    seen: String,
}

impl TimedOut {
    pub(crate) const fn new(patience: Duration, seen: String) -> Self {
        Self { patience, seen }
    }
}

/// Where the link writes what it is up to.
#[derive(Debug)]
pub(crate) struct Board(watch::Sender<Status>);

impl Board {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Status {
            state: State::Connecting,
            connections: 0,
            closes: Vec::new(),
        }))
    }

    pub(crate) fn now(&self) -> Status {
        self.0.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Status> {
        self.0.subscribe()
    }

    pub(crate) async fn wait_for(
        &self,
        mut wanted: impl FnMut(&Status) -> bool,
        patience: Duration,
    ) -> Result<Status, TimedOut> {
        let mut watched = self.watch();
        match timeout(patience, watched.wait_for(|status| wanted(status))).await {
            Ok(Ok(status)) => Ok(status.clone()),
            _ => Err(TimedOut::new(patience, format!("{:?}", self.now()))),
        }
    }

    pub(crate) fn connected(&self, success: AuthSuccess) {
        self.0.send_modify(|status| {
            status.connections += 1;
            status.state =
                State::Connected { connection_id: success.connection_id, org_id: success.org_id };
        });
    }

    /// An ack tells only of the sources that its request named: it is merged into the picture.
    pub(crate) fn registered(&self, ack: SourceRegisterAck) {
        self.0.send_modify(|status| status.state.registered(ack));
    }

    pub(crate) fn deregistered(&self, keys: &[String]) {
        self.0.send_modify(|status| {
            if let State::Registered { accepted, rejected, .. } = &mut status.state {
                accepted.retain(|known| !keys.contains(&known.routing_key));
                rejected.retain(|known| !keys.contains(&known.routing_key));
            }
        });
    }

    /// `close` is the end of a connection, where there was one.
    pub(crate) fn down(&self, state: State, close: Option<Close>) {
        self.0.send_modify(|status| {
            status.state = state;
            if status.closes.len() == CLOSES_KEPT && close.is_some() {
                status.closes.remove(0);
            }
            status.closes.extend(close);
        });
    }
}

impl State {
    fn registered(&mut self, ack: SourceRegisterAck) {
        if let Self::Connected { connection_id, org_id } = self {
            *self = Self::Registered {
                connection_id: std::mem::take(connection_id),
                org_id: org_id.take(),
                accepted: Vec::new(),
                rejected: Vec::new(),
            };
        }
        let Self::Registered { accepted, rejected, .. } = self else { return };
        let is_named = |key: &str| {
            ack.accepted.iter().any(|named| named.routing_key == key)
                || ack.rejected.iter().any(|named| named.routing_key == key)
        };
        accepted.retain(|known| !is_named(&known.routing_key));
        rejected.retain(|known| !is_named(&known.routing_key));
        accepted.extend(ack.accepted);
        rejected.extend(ack.rejected);
    }
}
