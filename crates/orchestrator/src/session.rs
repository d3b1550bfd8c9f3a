//! One connection: the token, the sources, signs of life, deliveries, the goodbye. When to try
//! again is not decided here.

use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use kici_wire::{
    AuthRequest, FromOrchestrator, Heartbeat, JoinRequest, JoinResponse, PROTOCOL_VERSION,
    SourceRegisterAck, ToOrchestrator,
};
use tokio::select;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, sleep, timeout};

use crate::judge::Case;
use crate::outbox::{self, Outbox, Unsent};
use crate::relay::{Step, Table};
use crate::shared::Shared;
use crate::socket::{Input, Socket, dial, read};

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const AUTH_PATIENCE: Duration = Duration::from_secs(30);
/// How long the other side has to close after we did.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(2);
/// How often deliveries that take too long are looked for.
const SWEEP: Duration = Duration::from_secs(1);
const NORMAL: u16 = 1000;

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// We were told to stop.
    Stopped,
    /// There was no connection.
    Unreachable { reason: String },
    /// The token was not accepted.
    Refused { reason: String, code: Option<u16> },
    /// It closed or broke.
    Closed { reason: String, code: Option<u16>, was_accepted: bool },
}

/// Dials, and stays as long as the connection lasts.
pub(crate) async fn run(shared: &Shared, cases: &mpsc::UnboundedSender<Case>) -> Ended {
    let socket = select! {
        dialled = timeout(CONNECT_PATIENCE, dial(&shared.config.url)) => match dialled {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return Ended::Unreachable { reason: error.to_string() },
            Err(_) => return Ended::Unreachable { reason: "no answer in time".to_owned() },
        },
        () = shared.stop.cancelled() => return Ended::Stopped,
    };
    let (sink, stream) = socket.split();
    let (outbox, queue) = Outbox::new();
    let table = Table::new(shared.room.clone());
    let mut session = Session { shared, cases, stream, outbox, table, was_accepted: false };
    let ended = select! {
        ended = session.live() => Ok(ended),
        reason = outbox::write(sink, queue) => Err(reason),
    };
    shared.registry.unlink();
    ended.unwrap_or_else(|reason| session.closed(None, reason))
}

struct Session<'a> {
    shared: &'a Shared,
    cases: &'a mpsc::UnboundedSender<Case>,
    stream: SplitStream<Socket>,
    outbox: Outbox,
    table: Table,
    was_accepted: bool,
}

impl Session<'_> {
    async fn live(&mut self) -> Ended {
        match self.authenticate().await {
            Continue(()) => self.serve().await,
            Break(ended) => ended,
        }
    }

    async fn authenticate(&mut self) -> ControlFlow<Ended> {
        let request = FromOrchestrator::AuthRequest(AuthRequest {
            token: self.shared.config.token.expose().clone(),
            protocol_version: PROTOCOL_VERSION,
            capabilities: Some(self.shared.first_capabilities()),
        });
        if self.outbox.send(&request).is_err() {
            return Break(self.mute());
        }
        let too_late = sleep(AUTH_PATIENCE);
        tokio::pin!(too_late);
        loop {
            let input = select! {
                message = self.stream.next() => read(message),
                () = &mut too_late => {
                    let (code, _) = self.leave("No answer").await;
                    return Break(self.closed(code, "the platform did not answer the token".into()));
                }
                () = self.shared.stop.cancelled() => return Break(self.stop().await),
            };
            match input {
                Input::Frame(frame) => match *frame {
                    ToOrchestrator::AuthSuccess(success) => {
                        self.was_accepted = true;
                        self.shared.board.connected(success);
                        return Continue(());
                    }
                    ToOrchestrator::AuthFailure(failure) => {
                        let (code, _) = self.leave("Auth failed").await;
                        return Break(Ended::Refused { reason: failure.reason, code });
                    }
                    _ => {}
                },
                Input::Noise => {}
                Input::End { code, reason } => return Break(self.ended(code, reason).await),
            }
        }
    }

    async fn serve(&mut self) -> Ended {
        if self.shared.registry.link(self.outbox.clone()).is_err() {
            return self.mute();
        }
        let every = self.shared.config.heartbeat_every.max(Duration::from_millis(1));
        let mut heartbeat = interval_at(Instant::now() + every, every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweep = interval(SWEEP);
        let mut heard = Instant::now();
        loop {
            let done = select! {
                message = self.stream.next() => {
                    heard = Instant::now();
                    match read(message) {
                        Input::Frame(frame) => self.take(*frame),
                        Input::Noise => Ok(()),
                        Input::End { code, reason } => return self.ended(code, reason).await,
                    }
                }
                _ = heartbeat.tick() => self.beat(),
                _ = sweep.tick() => {
                    if heard.elapsed() > self.shared.config.silence {
                        return self.closed(None, "nothing was heard of the platform".to_owned());
                    }
                    self.table.expire(Instant::now());
                    Ok(())
                }
                () = self.shared.stop.cancelled() => return self.stop().await,
            };
            if done.is_err() {
                return self.mute();
            }
        }
    }

    fn take(&mut self, frame: ToOrchestrator) -> Result<(), Unsent> {
        let now = Instant::now();
        match frame {
            ToOrchestrator::SourceRegisterAck(ack) => self.registered(ack),
            ToOrchestrator::SourceDeregisterAck(ack) => {
                self.shared.board.deregistered(&self.shared.registry.deregistered(ack));
                Ok(())
            }
            ToOrchestrator::WebhookRelayStart(start) => {
                let step = self.table.start(start, now);
                self.go(step)
            }
            ToOrchestrator::WebhookRelayChunk(chunk) => {
                let step = self.table.chunk(&chunk, now);
                self.go(step)
            }
            ToOrchestrator::JoinRequest(request) => self.turn_away(request),
            // Nothing is approved here, nobody is trusted more than others, and there is one of us.
            ToOrchestrator::TrustPolicyUpdate(_)
            | ToOrchestrator::PeerUpdate(_)
            | ToOrchestrator::JoinResponse(_) => Ok(()),
            ToOrchestrator::AuthSuccess(_) | ToOrchestrator::AuthFailure(_) => {
                tracing::warn!("an answer to the token came twice");
                Ok(())
            }
        }
    }

    fn registered(&self, ack: SourceRegisterAck) -> Result<(), Unsent> {
        for source in &ack.rejected {
            tracing::warn!(source = source.routing_key, reason = source.reason, "source rejected");
        }
        let capabilities = self.shared.all_capabilities();
        self.outbox.send(&FromOrchestrator::CapabilitiesUpdate(capabilities))?;
        self.shared.board.registered(ack.clone());
        self.shared.registry.registered(ack);
        Ok(())
    }

    fn turn_away(&self, request: JoinRequest) -> Result<(), Unsent> {
        self.outbox.send(&FromOrchestrator::JoinResponse(JoinResponse {
            message_id: request.message_id,
            success: false,
            encrypted_bundle: None,
            error: Some("this orchestrator has no cluster to come into".to_owned()),
        }))
    }

    fn go(&self, step: Step) -> Result<(), Unsent> {
        match step {
            Step::Wait => Ok(()),
            Step::Answer(ack) => {
                tracing::warn!(reason = ack.reason, "a relayed delivery is broken");
                self.outbox.send(&FromOrchestrator::WebhookAck(ack))
            }
            Step::Judge(parcel) => {
                let case = Case { parcel: *parcel, outbox: self.outbox.clone() };
                self.cases.send(case).map_err(|_| Unsent)
            }
        }
    }

    fn beat(&self) -> Result<(), Unsent> {
        let timestamp = self.shared.config.clock.now().millis() as f64;
        self.outbox.send(&FromOrchestrator::Heartbeat(Heartbeat { timestamp }))
    }

    async fn stop(&mut self) -> Ended {
        self.leave("Client disconnect").await;
        Ended::Stopped
    }

    /// Says goodbye and gives the other side's last word.
    async fn leave(&mut self, reason: &'static str) -> (Option<u16>, String) {
        let last_word = async {
            loop {
                if let Input::End { code, reason } = read(self.stream.next().await) {
                    break (code, reason);
                }
            }
        };
        if self.outbox.close(NORMAL, reason).is_err() {
            return (None, "nothing could be sent".to_owned());
        }
        timeout(GOODBYE_PATIENCE, last_word)
            .await
            .unwrap_or_else(|_| (None, "the platform did not say goodbye".to_owned()))
    }

    /// Reading on sends the answer to the other side's close frame.
    async fn ended(&mut self, code: Option<u16>, reason: String) -> Ended {
        let rest =
            async { while self.stream.next().await.is_some_and(|message| message.is_ok()) {} };
        // What is left is a courtesy; it changes nothing if it fails.
        let _ = timeout(GOODBYE_PATIENCE, rest).await;
        self.closed(code, reason)
    }

    fn mute(&self) -> Ended {
        self.closed(None, "nothing more could be sent".to_owned())
    }

    fn closed(&self, code: Option<u16>, reason: String) -> Ended {
        Ended::Closed { reason, code, was_accepted: self.was_accepted }
    }
}
