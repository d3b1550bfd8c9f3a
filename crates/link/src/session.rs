//! One connection from its first frame to its last (protocol §2).

mod join;
mod news;
mod registration;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use kici_domain::metrics::FrameResult;
use kici_domain::{App, EnterError, Link, Trouble, access, orchestrators, orgs};
use kici_wire::{
    AuthFailure, AuthRequest, AuthSuccess, Capabilities, CloseCode, FromOrchestrator,
    PROTOCOL_VERSION, ToOrchestrator,
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::connection::Connection;
use crate::hub::Admitted;
use crate::{Frame, Hub, Received};

pub(crate) use join::Joining;

/// The largest first frame, in bytes: nobody knows the sender yet.
const FIRST_FRAME: usize = 256 * 1024;

/// How long a stranger may take to hear why it is refused, where its time is up already.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why a connection was not let in.
struct Refusal {
    code: CloseCode,
    reason: String,
}

impl Refusal {
    fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// Serves one connection until it ends, whoever ends it. `stranger` is dropped once it is known who
/// is there.
pub async fn serve<I, O, E, S>(
    app: Arc<App>,
    hub: Arc<Hub>,
    mut incoming: I,
    mut outgoing: O,
    stranger: S,
) where
    I: Stream<Item = Result<Received, E>> + Send + Unpin,
    O: Sink<Frame> + Send + Unpin,
    E: Send,
{
    // Counted from the first moment, so that leaving waits for those who are just coming in.
    let _session = hub.sessions().token();
    let end = Instant::now() + hub.limits.authentication;
    let (link, connection) = match admit(&app, &hub, &mut incoming, end).await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            // Who does not read holds its place among the strangers no longer than who does.
            let end = end.max(Instant::now() + FAREWELL);
            drop(timeout_at(end, refuse(&hub, outgoing, refusal)).await);
            return;
        }
    };
    drop(stranger);
    app.metrics().link_opened();
    tracing::info!(org = %link.org(), connection = %connection.id, "orchestrator connected");
    let code = tokio::select! {
        code = connection.closed() => code,
        code = write(&hub, &connection, &mut outgoing) => code,
        code = read(&app, &hub, &link, &connection, &mut incoming) => code,
        code = look_at_key(&app, &hub, &link) => code,
        never = news::tell_trust(&app, &hub, &link, &connection) => match never {},
        never = news::tell_peers(&hub, &connection) => match never {},
        never = join::serve(&hub, &connection) => match never {},
    };
    connection.close(code);
    hub.dismiss(&connection);
    app.metrics().link_closed(code.code());
    tracing::info!(
        org = %link.org(), connection = %connection.id, code = code.code(), "link closed"
    );
    say_goodbye(&hub, outgoing, code, "").await;
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
                tracing::warn!(error = &trouble as &dyn std::error::Error, "key not looked at");
            }
        }
    }
}

/// Authenticates, and takes the connection in.
async fn admit<I, E>(
    app: &App,
    hub: &Hub,
    incoming: &mut I,
    end: Instant,
) -> Result<(Link, Arc<Connection>), Refusal>
where
    I: Stream<Item = Result<Received, E>> + Unpin,
{
    let request = first_frame(incoming, end).await?;
    if request.protocol_version < PROTOCOL_VERSION {
        let reason = format!("protocol version {PROTOCOL_VERSION} or later is needed");
        return Err(Refusal::new(CloseCode::ProtocolError, reason));
    }
    let link = access::enter_link(app, &request.token).await.map_err(refused)?;
    let admitted = hub.admit(&link).map_err(|error| refused(Trouble::from(error).into()))?;
    let connection = match admitted {
        Admitted::In(connection) => connection,
        Admitted::Leaving => {
            return Err(Refusal::new(CloseCode::GoingAway, "the server is shutting down"));
        }
        Admitted::Full => {
            let most = hub.limits.connections;
            let reason = format!("the organization has {most} connections, which is the most");
            return Err(Refusal::new(CloseCode::LimitReached, reason));
        }
    };
    // Asked again now that a revocation would find the connection: none can fall in between.
    if let Some(capabilities) = &request.capabilities {
        tell(&connection, capabilities);
    }
    match welcome(app, &request.token, &link, &connection).await {
        Ok(()) => Ok((link, connection)),
        Err(error) => {
            hub.dismiss(&connection);
            Err(refused(error))
        }
    }
}

async fn welcome(
    app: &App,
    token: &str,
    link: &Link,
    connection: &Connection,
) -> Result<(), EnterError> {
    access::enter_link(app, token).await?;
    let org = orgs::of_link(app, link).await?;
    let success = AuthSuccess {
        connection_id: connection.id.to_string(),
        org_public_alias: Some(org.alias.to_string()),
        org_id: Some(org.id.to_string()),
        provenance_issuer: None,
    };
    connection.outbox.answer(&ToOrchestrator::AuthSuccess(success)).await;
    Ok(())
}

fn refused(error: EnterError) -> Refusal {
    let code = match &error {
        EnterError::Trouble(trouble) => {
            tracing::error!(error = trouble as &dyn std::error::Error, "link not checked");
            CloseCode::Internal
        }
        _ => CloseCode::Unauthorized,
    };
    Refusal::new(code, error.to_string())
}

async fn first_frame<I, E>(incoming: &mut I, end: Instant) -> Result<AuthRequest, Refusal>
where
    I: Stream<Item = Result<Received, E>> + Unpin,
{
    let first = timeout_at(end, incoming.next())
        .await
        .map_err(|_| Refusal::new(CloseCode::AuthTimeout, "no `auth.request` came in time"))?;
    match first {
        Some(Ok(Received::Text(text))) if text.len() > FIRST_FRAME => {
            Err(Refusal::new(CloseCode::InvalidMessage, "the first frame has 256 KiB at most"))
        }
        Some(Ok(Received::Text(text))) => match FromOrchestrator::parse(&text) {
            Ok(FromOrchestrator::AuthRequest(request)) => Ok(request),
            Ok(_) => Err(Refusal::new(CloseCode::Unauthorized, "`auth.request` comes first")),
            Err(error) => Err(Refusal::new(CloseCode::InvalidMessage, error.to_string())),
        },
        Some(Ok(Received::Binary) | Err(_)) => {
            Err(Refusal::new(CloseCode::InvalidMessage, "frames are text, 25 MiB at most"))
        }
        None => Err(Refusal::new(CloseCode::Unauthorized, "closed before `auth.request`")),
    }
}

/// Tells the reason in a frame as well as in the close: orchestrators log the frame.
async fn refuse<O: Sink<Frame> + Unpin>(hub: &Hub, mut outgoing: O, refusal: Refusal) {
    let Refusal { code, reason } = refusal;
    tracing::info!(code = code.code(), reason, "link refused");
    let failure = ToOrchestrator::AuthFailure(AuthFailure { reason: reason.clone() });
    if let Ok(Ok(())) =
        timeout(hub.limits.write, outgoing.send(Frame::Text(failure.to_text()))).await
    {
        say_goodbye(hub, outgoing, code, &reason).await;
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
    let reason = reason.chars().take(40).collect();
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
) -> CloseCode {
    loop {
        // A proxy in between closes what is silent; whoever is there answers by itself.
        let next = timeout(hub.limits.ping, connection.outbox.next()).await;
        let frame = next.map_or(Frame::Ping, Frame::Text);
        match timeout(hub.limits.write, outgoing.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return CloseCode::GoingAway,
            Err(_) => return CloseCode::HeartbeatTimeout,
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
) -> CloseCode
where
    I: Stream<Item = Result<Received, E>> + Unpin,
{
    let mut last_valid = Instant::now();
    let mut last_warned: Option<Instant> = None;
    loop {
        let text = match timeout_at(Instant::now() + hub.limits.silence, incoming.next()).await {
            Err(_) => return CloseCode::HeartbeatTimeout,
            Ok(None) => return CloseCode::GoingAway,
            Ok(Some(Err(_))) => return CloseCode::InvalidMessage,
            Ok(Some(Ok(Received::Binary))) => String::new(),
            Ok(Some(Ok(Received::Text(text)))) => text,
        };
        let parsed = FromOrchestrator::parse(&text);
        if is_counted(connection, parsed.as_ref().ok()) {
            connection.rate.turn(text.len()).await;
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
                    tracing::error!(error = &trouble as &dyn std::error::Error, "frame not taken");
                    return CloseCode::Internal;
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
                    return CloseCode::InvalidMessage;
                }
            }
        }
    }
}

/// Signs of life, and answers that somebody waits for, are taken however much else there is.
fn is_counted(connection: &Connection, frame: Option<&FromOrchestrator>) -> bool {
    match frame {
        Some(FromOrchestrator::Heartbeat(_)) => false,
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
            tell(connection, &capabilities);
            connection.news.moves.up();
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
            orchestrators::keep_dashboard_writes(app, link, cluster.as_deref(), &writes).await
        }
    }
}
