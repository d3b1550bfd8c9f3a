//! `GET /ws`: the upgrade to a WebSocket, and a socket as the link sees one.

mod pending;
mod upgrade;

use std::future::ready;
use std::io::ErrorKind;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use kici_link::{Frame, Received};
use poem::web::Data;
use poem::{Request, Response, Result, handler};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client_ip;
use crate::rate_limits::sender;
use crate::routes::Platform;
use pending::Pending;
pub(crate) use pending::PendingLinks;
use upgrade::Upgrade;

/// A close without a number (RFC 6455, 7.4.1).
const NO_CODE: u16 = 1005;

/// Upgrades; who it is and what it may do is told by the first frame.
#[handler]
pub(crate) fn connect(request: &Request, platform: Data<&Arc<Platform>>) -> Result<Response> {
    let upgrade = Upgrade::of(request)?;
    let from = client_ip::of(request, &platform.trusted_proxies);
    let address = sender(request, &platform);
    let pending = Pending::begin(&platform.pending_links, &platform.limiter, address)?;
    let credential = pending.credential();
    let (app, hub, limiter) =
        (platform.app.clone(), platform.hub.clone(), platform.limiter.clone());
    Ok(upgrade.then(pending.is_known(), async move |socket| {
        let (outgoing, incoming) = socket.split();
        let incoming = incoming.filter_map(|message| ready(received(message)));
        let outgoing = outgoing.with(|frame| ready(Ok::<_, Error>(message(frame))));
        kici_link::serve(app, hub, Box::pin(incoming), Box::pin(outgoing), pending, from).await;
        // It comes back soon, and must not pay for what others at its address do.
        if let Some(credential) = credential.get() {
            limiter.note(*credential);
        }
    }))
}

/// Pings and pongs are the socket's own business. Who breaks off ends the stream; an error is what can't
/// be read.
fn received(message: Result<Message, Error>) -> Option<Result<Received, Error>> {
    match message {
        Ok(Message::Text(text)) => Some(Ok(Received::Text(text.as_str().to_owned()))),
        Ok(Message::Binary(_)) => Some(Ok(Received::Binary)),
        Ok(Message::Close(frame)) => {
            Some(Ok(Received::Closed(frame.map_or(NO_CODE, |frame| frame.code.into()))))
        }
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => None,
        Err(error) => is_unreadable(&error).then_some(Err(error)),
    }
}

fn is_unreadable(error: &Error) -> bool {
    match error {
        Error::Capacity(_) | Error::Utf8(_) => true,
        Error::Protocol(error) => !matches!(error, ProtocolError::ResetWithoutClosingHandshake),
        Error::Io(error) => error.kind() == ErrorKind::InvalidData,
        _ => false,
    }
}

fn message(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => Message::text(text),
        Frame::Ping => Message::Ping(Vec::new().into()),
        Frame::Close { code, reason } => {
            Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason: reason.into() }))
        }
    }
}
