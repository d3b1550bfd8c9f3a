//! Who is there, and whether they are let in (protocol §2, §4).

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use kici_domain::{App, EnterError, Link, Trouble, access, orgs};
use kici_wire::{
    AuthFailure, AuthRequest, AuthSuccess, CloseCode, FromOrchestrator, PROTOCOL_VERSION,
    ToOrchestrator,
};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::field::display;

use super::{TokenCheck, Unauthenticated, say_goodbye, tell};
use crate::connection::Connection;
use crate::hub::Admitted;
use crate::{Frame, Hub, Received};

/// The largest first frame, in bytes: nobody knows the sender yet.
const FIRST_FRAME: usize = 256 * 1024;

/// Why a connection was not let in.
pub(super) enum Refusal {
    /// It has gone by itself.
    Gone,
    /// It was silent, and others need its place.
    Evicted,
    Told {
        code: CloseCode,
        reason: String,
    },
}

impl Refusal {
    fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        Self::Told { code, reason: reason.into() }
    }

    pub(super) fn is_eviction(&self) -> bool {
        matches!(self, Self::Evicted)
    }
}

/// Authenticates, and takes the connection in.
pub(super) async fn admit<I, E, U>(
    app: &App,
    hub: &Hub,
    incoming: &mut I,
    end: Instant,
    peer: &U,
) -> Result<(Link, Arc<Connection>), Refusal>
where
    I: Stream<Item = Result<Received, E>> + Unpin,
    U: Unauthenticated,
{
    let request = tokio::select! {
        biased;
        () = peer.evicted() => return Err(Refusal::Evicted),
        request = first_frame(incoming, end) => request?,
    };
    if request.protocol_version < PROTOCOL_VERSION {
        let reason = format!("protocol version {PROTOCOL_VERSION} or later is needed");
        return Err(Refusal::new(CloseCode::ProtocolError, reason));
    }
    tokio::select! {
        biased;
        () = peer.evicted() => return Err(Refusal::Evicted),
        allowed = peer.begin_check(&request.token) => {
            allowed.map_err(|reason| Refusal::new(CloseCode::LimitReached, reason))?;
        }
    }
    let entered = access::enter_link(app, &request.token).await;
    peer.checked(match &entered {
        // A working key of a disabled organization is no guess.
        Ok(_) | Err(EnterError::Disabled { .. }) => TokenCheck::Valid,
        Err(EnterError::Trouble(_)) => TokenCheck::Failed,
        Err(_) => TokenCheck::Invalid,
    });
    let link = entered.map_err(refused)?;
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
        Some(Ok(Received::Binary) | Err(_)) => Err(Refusal::new(
            CloseCode::InvalidMessage,
            "frames are text, the first has 256 KiB at most",
        )),
        Some(Ok(Received::Closed(_))) | None => Err(Refusal::Gone),
    }
}

/// Tells the reason in a frame as well as in the close: orchestrators log the frame.
pub(super) async fn refuse<O: Sink<Frame> + Unpin>(
    app: &App,
    hub: &Hub,
    mut outgoing: O,
    refusal: Refusal,
    from: Option<IpAddr>,
) {
    let from = from.map(display);
    let is_eviction = refusal.is_eviction();
    let (code, reason) = match refusal {
        Refusal::Told { code, reason } => (code, reason),
        Refusal::Evicted => {
            let reason = "too many connections wait to authenticate: send `auth.request` at once";
            (CloseCode::AuthTimeout, reason.to_owned())
        }
        Refusal::Gone => {
            tracing::debug!(from, "a connection has gone before it told who it is");
            return;
        }
    };
    app.metrics().link_refused(code.code());
    // Evictions come as fast as a flood does; the metric counts them.
    match is_eviction {
        true => tracing::debug!(code = code.code(), reason, from, "link refused"),
        false => tracing::info!(code = code.code(), reason, from, "link refused"),
    }
    let failure = ToOrchestrator::AuthFailure(AuthFailure { reason: reason.clone() });
    if let Ok(Ok(())) =
        timeout(hub.limits.write, outgoing.send(Frame::Text(failure.to_text()))).await
    {
        say_goodbye(hub, outgoing, code, &reason).await;
    }
}
