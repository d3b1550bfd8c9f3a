//! One connection from its first frame to its last (protocol §2).

mod admission;
mod join;
mod news;
mod registration;
mod unauthenticated;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use kici_domain::metrics::FrameResult;
use kici_domain::{App, Link, Trouble, access, orchestrators};
use kici_wire::{Capabilities, CloseCode, FromOrchestrator};
use tokio::time::{Instant, timeout, timeout_at};

use crate::connection::Connection;
use crate::{Frame, Hub, Received};

use admission::{admit, refuse};
pub(crate) use join::Joining;
pub use unauthenticated::{TokenCheck, Unauthenticated};

/// The largest frame that is sent, in bytes. The start of a delivery whose headers are all escaped takes
/// less than 3 MiB; whom CI trusts has its own bound ([`Limits::news`](crate::Limits::news)).
pub const LARGEST_FRAME: usize = 7 * 1024 * 1024;

/// How long a stranger may take to hear why it is refused, where its time is up already.
const FAREWELL: Duration = Duration::from_millis(500);

/// The largest heartbeat that costs nothing, in bytes: thirty times what there is to say.
const SIGN_OF_LIFE: usize = 1024;

/// How a session ended.
enum End {
    /// The other side has closed, with this number, or broken off.
    Theirs(u16),
    Ours(CloseCode),
}

/// The number of a connection that broke off (RFC 6455, 7.4.1). It is in no frame.
const BROKEN: u16 = 1006;

/// Serves one connection until it ends, whoever ends it. `unauthenticated` is dropped once it has
/// authenticated. `from` is its address, for the log.
pub async fn serve<I, O, E, U>(
    app: Arc<App>,
    hub: Arc<Hub>,
    mut incoming: I,
    mut outgoing: O,
    unauthenticated: U,
    from: Option<IpAddr>,
) where
    I: Stream<Item = Result<Received, E>> + Send + Unpin,
    O: Sink<Frame> + Send + Unpin,
    E: Send,
    U: Unauthenticated,
{
    // Counted from the first moment, so that leaving waits for those who are just coming in.
    let _session = hub.sessions().token();
    let end = Instant::now() + hub.limits.authentication;
    let (link, connection) = match admit(&app, &hub, &mut incoming, end, &unauthenticated).await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            // Bounds the final write, so that a peer that never reads does not keep its socket. One
            // that had to make room has no time left.
            let least = Instant::now() + FAREWELL;
            let end = if refusal.is_eviction() { least } else { end.max(least) };
            drop(timeout_at(end, refuse(&app, &hub, outgoing, refusal, from)).await);
            return;
        }
    };
    drop(unauthenticated);
    app.metrics().link_opened();
    tracing::info!(
        org = %link.org(), connection = %connection.id, key = %link.key(), from = from.map(display),
        "orchestrator connected"
    );
    let end = tokio::select! {
        code = connection.closed() => End::Ours(code),
        end = write(&hub, &connection, &mut outgoing) => end,
        end = read(&app, &hub, &link, &connection, &mut incoming) => end,
        code = look_at_key(&app, &hub, &link) => End::Ours(code),
        never = news::tell_trust(&app, &hub, &link, &connection) => match never {},
        never = news::tell_peers(&hub, &connection) => match never {},
        never = join::serve(&hub, &connection) => match never {},
    };
    let (code, by) = match end {
        End::Theirs(code) => (code, "orchestrator"),
        End::Ours(code) => (code.code(), "server"),
    };
    hub.dismiss(&connection);
    app.metrics().link_closed(code);
    tracing::info!(org = %link.org(), connection = %connection.id, code, by, "link closed");
    match end {
        End::Ours(code) => say_goodbye(&hub, outgoing, code, code.reason()).await,
        // The socket has its answer to that ready.
        End::Theirs(_) => drop(timeout(hub.limits.write, outgoing.flush()).await),
    }
}

/// Ends when the key does. A revocation closes the connection at once; this is the net below, for
/// keys that expire, organizations that are disabled, and changes made beside this process.
async fn look_at_key(app: &App, hub: &Hub, link: &Link) -> CloseCode {
    loop {
        tokio::time::sleep(hub.limits.key_check).await;
        match access::is_still_valid(app, link).await {
            Ok(true) => {}
            Ok(false) => return CloseCode::Unauthorized,
            // A database that is away says nothing about the key.
            Err(trouble) => {
                let error = &trouble as &dyn std::error::Error;
                tracing::warn!(org = %link.org(), key = %link.key(), error, "key not looked at");
            }
        }
    }
}

/// The other side may be gone or deaf by now; that changes nothing.
async fn say_goodbye<O: Sink<Frame> + Unpin>(
    hub: &Hub,
    mut outgoing: O,
    code: CloseCode,
    reason: &str,
) {
    // A close frame has room for 123 bytes.
    let reason = reason.get(..reason.floor_char_boundary(123)).unwrap_or_default().to_owned();
    let close = Frame::Close { code: code.code(), reason };
    let said = timeout(hub.limits.write, async {
        outgoing.send(close).await?;
        outgoing.close().await
    });
    drop(said.await);
}

/// Sends what the connection has to send, until the other side does not take it.
async fn write<O: Sink<Frame> + Unpin>(
    hub: &Hub,
    connection: &Connection,
    outgoing: &mut O,
) -> End {
    loop {
        // A proxy in between closes what is silent; whoever is there answers by itself.
        let next = timeout(hub.limits.ping, connection.outbox.next()).await;
        let frame = next.map_or(Frame::Ping, Frame::Text);
        match timeout(hub.limits.write, outgoing.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Theirs(BROKEN),
            Err(_) => return End::Ours(CloseCode::HeartbeatTimeout),
        }
    }
}

/// Takes what comes, one frame at a time: a flood waits in the sender's own buffers.
async fn read<I, E>(
    app: &App,
    hub: &Hub,
    link: &Link,
    connection: &Connection,
    incoming: &mut I,
) -> End
where
    I: Stream<Item = Result<Received, E>> + Unpin,
{
    let mut last_valid = Instant::now();
    let mut last_warned: Option<Instant> = None;
    loop {
        let text = match timeout_at(Instant::now() + hub.limits.silence, incoming.next()).await {
            Err(_) => return End::Ours(CloseCode::HeartbeatTimeout),
            Ok(None) => return End::Theirs(BROKEN),
            Ok(Some(Ok(Received::Closed(code)))) => return End::Theirs(code),
            Ok(Some(Err(_))) => return End::Ours(CloseCode::InvalidMessage),
            Ok(Some(Ok(Received::Binary))) => String::new(),
            Ok(Some(Ok(Received::Text(text)))) => text,
        };
        let parsed = FromOrchestrator::parse(&text);
        let bytes = text.len();
        // Many links may wait at once, and none of them with 25 MiB in hand.
        drop(text);
        if is_counted(connection, parsed.as_ref().ok(), bytes) {
            connection.common.rate.turn(bytes).await;
        }
        match parsed {
            Ok(frame) => {
                app.metrics().frame(match frame {
                    FromOrchestrator::Unknown { .. } => FrameResult::Unknown,
                    _ => FrameResult::Taken,
                });
                last_valid = Instant::now();
                if let Err(trouble) = take(app, hub, link, connection, frame).await {
                    // Without an answer the orchestrator would wait for ever; a new connection
                    // registers again.
                    tracing::error!(
                        org = %link.org(), connection = %connection.id,
                        error = &trouble as &dyn std::error::Error, "frame not taken"
                    );
                    return End::Ours(CloseCode::Internal);
                }
            }
            Err(error) => {
                app.metrics().frame(FrameResult::Malformed);
                // Never the source of the error, which quotes what was sent; and not for each frame.
                if last_warned.is_none_or(|at| at.elapsed() > Duration::from_secs(1)) {
                    last_warned = Some(Instant::now());
                    tracing::warn!(connection = %connection.id, %error, "frame dropped");
                }
                if last_valid.elapsed() > hub.limits.nonsense {
                    return End::Ours(CloseCode::InvalidMessage);
                }
            }
        }
    }
}

/// Signs of life, and answers that somebody waits for, are taken however much else there is.
fn is_counted(connection: &Connection, frame: Option<&FromOrchestrator>, bytes: usize) -> bool {
    match frame {
        Some(FromOrchestrator::Heartbeat(_)) => bytes > SIGN_OF_LIFE,
        Some(FromOrchestrator::WebhookAck(ack)) => !connection.awaits(&ack.message_id),
        _ => true,
    }
}

async fn take(
    app: &App,
    hub: &Hub,
    link: &Link,
    connection: &Connection,
    frame: FromOrchestrator,
) -> Result<(), Trouble> {
    match frame {
        FromOrchestrator::SourceRegister(register) => {
            registration::register(app, hub, link, connection, register).await
        }
        FromOrchestrator::SourceDeregister(deregister) => {
            registration::deregister(app, hub, link, connection, deregister).await
        }
        FromOrchestrator::WebhookAck(ack) => {
            if !connection.answered(ack) {
                tracing::debug!(connection = %connection.id, "an answer that nobody waits for");
            }
            Ok(())
        }
        FromOrchestrator::JoinRequest(request) => {
            connection.joining.ask(request);
            Ok(())
        }
        FromOrchestrator::JoinResponse(response) => {
            let id = response.message_id.clone().unwrap_or_default();
            if !connection.joins.take(&id, response) {
                tracing::debug!(connection = %connection.id, "a response that nobody waits for");
            }
            Ok(())
        }
        FromOrchestrator::Unknown { kind } => {
            tracing::debug!(connection = %connection.id, kind, "unknown frame");
            Ok(())
        }
        // Each update replaces what was known, as a whole (protocol §2.4).
        FromOrchestrator::CapabilitiesUpdate(capabilities) => {
            let role = connection.about().role;
            tell(connection, &capabilities);
            if connection.about().role != role {
                connection.common.news.moves.up();
            }
            keep_dashboard_writes(app, link, connection).await
        }
        FromOrchestrator::Heartbeat(_) | FromOrchestrator::AuthRequest(_) => Ok(()),
    }
}

/// Takes over what an orchestrator says that it can do.
fn tell(connection: &Connection, capabilities: &Capabilities) {
    let mut about = connection.about();
    about.supported_requests = capabilities.supported_requests();
    about.role = capabilities.role();
    // What it does not say stays as it was: it must never become "everything".
    about.dashboard_writes =
        capabilities.dashboard_writes().or_else(|| about.dashboard_writes.take());
}

/// Keeps what the dashboard may write for the cluster, once that has told its name. Each report is kept
/// once: a connection does not know what its siblings have said since.
async fn keep_dashboard_writes(
    app: &App,
    link: &Link,
    connection: &Connection,
) -> Result<(), Trouble> {
    let (cluster, writes) = {
        let mut about = connection.about();
        let is_registered = about.is_registered;
        (about.cluster_name.clone(), about.dashboard_writes.take_if(|_| is_registered))
    };
    match writes {
        None => Ok(()),
        Some(writes) => {
            let _turn = connection.common.writes.lock().await;
            orchestrators::keep_dashboard_writes(app, link, cluster.as_deref(), &writes).await
        }
    }
}
