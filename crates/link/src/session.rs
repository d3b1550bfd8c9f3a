//! One connection from its first frame to its last (protocol §2).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use kici_domain::{App, EnterError, Link, Trouble, access, orchestrator_keys, orgs, sources};
use kici_model::RoutingKey;
use kici_wire::{
    AuthFailure, AuthRequest, AuthSuccess, Capabilities, CloseCode, FromOrchestrator,
    MAX_MESSAGE_ID, PROTOCOL_VERSION, Rejected, SourceDeregister, SourceDeregisterAck,
    SourceRegister, SourceRegisterAck, ToOrchestrator, shorten,
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::connection::Connection;
use crate::{Frame, Hub, Received};

/// The largest first frame, in bytes: nobody knows the sender yet.
const FIRST_FRAME: usize = 256 * 1024;
/// How many rejected sources one answer names.
const REJECTED: usize = 100;
/// The longest cluster name and version that are kept.
const LONGEST: usize = 100;

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
    let (link, connection) = match admit(&app, &hub, &mut incoming).await {
        Ok(admitted) => admitted,
        Err(refusal) => return refuse(&hub, outgoing, refusal).await,
    };
    drop(stranger);
    tracing::info!(org = %link.org(), connection = %connection.id, "orchestrator connected");
    let link = Arc::new(link);
    hub.sessions().spawn(note_use(app.clone(), link.clone()));
    let code = tokio::select! {
        code = connection.closed() => code,
        code = write(&hub, &connection, &mut outgoing) => code,
        code = read(&app, &hub, &link, &connection, &mut incoming) => code,
        code = look_at_key(&app, &hub, &link) => code,
    };
    connection.close(code);
    hub.dismiss(&connection);
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

/// Beside the connection: that it can't be noted is no reason to refuse or to delay anything.
async fn note_use(app: Arc<App>, link: Arc<Link>) {
    if let Err(trouble) = orchestrator_keys::note_use(&app, &link).await {
        tracing::warn!(error = &trouble as &dyn std::error::Error, "last use not noted");
    }
}

/// Authenticates, and takes the connection in.
async fn admit<I, E>(
    app: &App,
    hub: &Hub,
    incoming: &mut I,
) -> Result<(Link, Arc<Connection>), Refusal>
where
    I: Stream<Item = Result<Received, E>> + Unpin,
{
    let request = first_frame(hub, incoming).await?;
    if request.protocol_version < PROTOCOL_VERSION {
        let reason = format!("protocol version {PROTOCOL_VERSION} or later is needed");
        return Err(Refusal::new(CloseCode::ProtocolError, reason));
    }
    let link = access::enter_link(app, &request.token).await.map_err(refused)?;
    let connection = hub
        .admit(&link)
        .map_err(|error| refused(Trouble::from(error).into()))?
        .ok_or_else(|| Refusal::new(CloseCode::GoingAway, "the server is shutting down"))?;
    // Asked again now that a revocation would find the connection: none can fall in between.
    connection.about().supported_requests =
        request.capabilities.as_ref().and_then(Capabilities::supported_requests);
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

async fn first_frame<I, E>(hub: &Hub, incoming: &mut I) -> Result<AuthRequest, Refusal>
where
    I: Stream<Item = Result<Received, E>> + Unpin,
{
    let first = timeout(hub.limits.authentication, incoming.next())
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
        match FromOrchestrator::parse(&text) {
            Ok(frame) => {
                last_valid = Instant::now();
                if let Err(trouble) = take(app, hub, link, connection, frame).await {
                    // Without an answer the orchestrator would wait for ever; a new connection
                    // registers again.
                    tracing::error!(error = &trouble as &dyn std::error::Error, "frame not taken");
                    return CloseCode::Internal;
                }
            }
            Err(error) => {
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

async fn take(
    app: &App,
    hub: &Hub,
    link: &Link,
    connection: &Connection,
    frame: FromOrchestrator,
) -> Result<(), Trouble> {
    match frame {
        FromOrchestrator::SourceRegister(register) => {
            self::register(app, hub, link, connection, register).await
        }
        FromOrchestrator::SourceDeregister(deregister) => {
            self::deregister(app, hub, link, connection, deregister).await
        }
        FromOrchestrator::WebhookAck(ack) => {
            if !connection.answered(ack) {
                tracing::debug!(connection = %connection.id, "an answer that nobody waits for");
            }
            Ok(())
        }
        FromOrchestrator::Unknown { kind } => {
            tracing::debug!(connection = %connection.id, kind, "unknown frame");
            Ok(())
        }
        // Each update replaces what was known, as a whole (protocol §2.4).
        FromOrchestrator::CapabilitiesUpdate(capabilities) => {
            connection.about().supported_requests = capabilities.supported_requests();
            Ok(())
        }
        FromOrchestrator::Heartbeat(_) | FromOrchestrator::AuthRequest(_) => Ok(()),
    }
}

async fn register(
    app: &App,
    hub: &Hub,
    link: &Link,
    connection: &Connection,
    register: SourceRegister,
) -> Result<(), Trouble> {
    let Some(message_id) = bounded(register.message_id) else { return Ok(()) };
    // Those of this connection count together, since later registrations only add.
    let served: BTreeSet<String> =
        connection.about().serves.iter().map(ToString::to_string).collect();
    let mut room = hub.limits.sources.saturating_sub(served.len());
    let mut seen = BTreeSet::new();
    let once =
        register.sources.into_iter().filter(|source| seen.insert(source.routing_key.clone()));
    let (named, beyond): (Vec<_>, Vec<_>) = once.partition(|source| {
        let is_new = !served.contains(&source.routing_key);
        let fits = !is_new || room > 0;
        room -= usize::from(is_new && fits);
        fits
    });
    let done = sources::register(app, link, &named).await?;
    {
        let mut about = connection.about();
        about.cluster_name = register.cluster_name.map(|name| shorten(&name, LONGEST));
        about.version = register.version.map(|version| shorten(&version, LONGEST));
        if named.is_empty() && beyond.is_empty() {
            // "This connection serves no routing key" (protocol §7).
            about.serves.clear();
        }
        about.serves.extend(done.serves);
    }
    let too_many = beyond.into_iter().map(|source| Rejected {
        routing_key: shorten(&source.routing_key, LONGEST),
        reason: format!("one connection serves {} sources at most", hub.limits.sources),
    });
    let ack = SourceRegisterAck {
        message_id,
        accepted: done.accepted,
        rejected: done.rejected.into_iter().chain(too_many).take(REJECTED).collect(),
    };
    connection.outbox.answer(&ToOrchestrator::SourceRegisterAck(ack)).await;
    Ok(())
}

async fn deregister(
    app: &App,
    hub: &Hub,
    link: &Link,
    connection: &Connection,
    deregister: SourceDeregister,
) -> Result<(), Trouble> {
    let Some(message_id) = bounded(deregister.message_id) else { return Ok(()) };
    let named = deregister.routing_keys.iter().take(hub.limits.sources);
    let named: BTreeSet<RoutingKey> = named.filter_map(|key| key.parse().ok()).collect();
    // What another connection of the organization still serves stays known.
    let (mut removed, gone): (Vec<_>, Vec<_>) =
        named.into_iter().partition(|key| hub.is_served_elsewhere(connection, key));
    removed.retain(|key| connection.about().serves.contains(key));
    removed.extend(sources::deregister(app, link, &gone).await?);
    {
        let mut about = connection.about();
        for key in &removed {
            about.serves.remove(key);
        }
    }
    let removed = removed.iter().map(ToString::to_string).collect();
    let ack = SourceDeregisterAck { message_id, removed };
    connection.outbox.answer(&ToOrchestrator::SourceDeregisterAck(ack)).await;
    Ok(())
}

/// Ids are never cut: a frame with one that is too long is dropped.
fn bounded(message_id: String) -> Option<String> {
    (message_id.chars().count() <= MAX_MESSAGE_ID).then_some(message_id)
}
