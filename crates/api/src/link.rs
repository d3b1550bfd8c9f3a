//! `GET /ws`: the upgrade to a WebSocket, and poem's socket as the link sees one.

use std::future::ready;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use kici_link::{Frame, Received};
use kici_wire::MAX_FRAME;
use poem::web::Data;
use poem::web::websocket::{CloseCode, Message, WebSocket, WebSocketConfig};
use poem::{IntoResponse, Result, handler};

use crate::problem::ApiError;
use crate::routes::Platform;

/// How much may wait to be written. The socket answers pings by itself, also those of a peer that
/// reads nothing: beyond this it answers the last one alone. Our largest frame, the start of a delivery
/// whose headers are all escaped, takes less than 3 MiB.
const UNWRITTEN: usize = 4 * 1024 * 1024;

/// Upgrades; who it is and what it may do is told by the first frame.
#[handler]
pub(crate) fn upgrade(
    socket: WebSocket,
    platform: Data<&Arc<Platform>>,
) -> Result<impl IntoResponse> {
    let config = WebSocketConfig::default()
        .max_frame_size(Some(MAX_FRAME))
        .max_message_size(Some(MAX_FRAME))
        .max_write_buffer_size(UNWRITTEN);
    let (app, hub) = (platform.app.clone(), platform.hub.clone());
    // Held until the first frame was good; the socket is refused when there are too many.
    let stranger = platform
        .strangers
        .clone()
        .try_acquire_owned()
        .map_err(|_| ApiError::busy("Too many connections have not told yet who they are"))?;
    Ok::<_, poem::Error>(socket.config(config).on_upgrade(async move |socket| {
        let (outgoing, incoming) = socket.split();
        let incoming = incoming.filter_map(|message| ready(received(message)));
        let outgoing = outgoing.with(|frame| ready(Ok::<_, std::io::Error>(message(frame))));
        kici_link::serve(app, hub, Box::pin(incoming), Box::pin(outgoing), stranger).await;
    }))
}

/// Pings and pongs are the socket's own business; a close ends the stream.
fn received(message: Result<Message, std::io::Error>) -> Option<Result<Received, std::io::Error>> {
    match message {
        Ok(Message::Text(text)) => Some(Ok(Received::Text(text))),
        Ok(Message::Binary(_)) => Some(Ok(Received::Binary)),
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => None,
        Err(error) => Some(Err(error)),
    }
}

fn message(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => Message::Text(text),
        Frame::Ping => Message::Ping(Vec::new()),
        Frame::Close { code, reason } => Message::Close(Some((CloseCode::from(code), reason))),
    }
}
