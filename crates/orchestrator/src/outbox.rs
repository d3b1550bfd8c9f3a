//! The way out of a connection: a bounded queue and the one task that writes. What a frame means is
//! not known here.

use std::time::Duration;

use futures_util::{Sink, SinkExt};
use kici_wire::FromOrchestrator;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

/// How many frames may wait. A peer that reads nothing must not cost memory without end.
const ROOM: usize = 10_000;
/// How long one frame may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the reader has to find out why writing failed.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// Takes frames for one connection; clones share its queue.
#[derive(Debug, Clone)]
pub(crate) struct Outbox(mpsc::Sender<Message>);

/// The frame will not be sent: the connection is gone, or nobody reads at its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsent;

impl Outbox {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Message>) {
        let (sender, queue) = mpsc::channel(ROOM);
        (Self(sender), queue)
    }

    /// Never waits.
    pub(crate) fn send(&self, frame: &FromOrchestrator) -> Result<(), Unsent> {
        self.put(Message::text(frame.to_text()))
    }

    /// After all that was sent before it.
    pub(crate) fn close(&self, code: u16, reason: &'static str) -> Result<(), Unsent> {
        self.put(Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() })))
    }

    fn put(&self, message: Message) -> Result<(), Unsent> {
        self.0.try_send(message).map_err(|_| Unsent)
    }
}

/// Writes until the connection is of no use any more, and says why.
pub(crate) async fn write(
    mut sink: impl Sink<Message, Error = Error> + Unpin,
    mut queue: mpsc::Receiver<Message>,
) -> String {
    let failure = loop {
        let Some(message) = queue.recv().await else { break "nothing to write".to_owned() };
        match timeout(PATIENCE, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => break error.to_string(),
            Err(_) => return "the platform reads nothing".to_owned(),
        }
    };
    // A broken socket is the reader's to report: what it has not read yet may be the close frame
    // that says why.
    sleep(AFTERWARDS).await;
    failure
}
