//! The socket: dialling with the protocol's limits, and what a message means before anybody looks
//! into it. No frame is acted upon here.

use kici_wire::{MAX_FRAME, ToOrchestrator};
use rustls::crypto::{CryptoProvider, ring};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens `url`; `wss://` trusts the roots of the public web.
pub(crate) async fn dial(url: &str) -> Result<Socket, Error> {
    if url.starts_with("wss:") && CryptoProvider::get_default().is_none() {
        // Without any the dialler would panic. Losing a race against another installer is fine.
        let _ = ring::default_provider().install_default();
    }
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME));
    // Verdicts are small and waited for, so they must not wait to be sent together.
    let nodelay = true;
    Ok(connect_async_with_config(url, Some(limits), nodelay).await?.0)
}

/// What was read.
#[derive(Debug)]
pub(crate) enum Input {
    Frame(Box<ToOrchestrator>),
    /// Nothing that this version has an ear for.
    Noise,
    End {
        code: Option<u16>,
        reason: String,
    },
}

pub(crate) fn read(message: Option<Result<Message, Error>>) -> Input {
    match message {
        Some(Ok(Message::Text(text))) => parse(&text),
        Some(Ok(Message::Close(Some(frame)))) => {
            Input::End { code: Some(frame.code.into()), reason: frame.reason.to_string() }
        }
        Some(Ok(Message::Close(None))) => {
            Input::End { code: None, reason: "closed without a code".to_owned() }
        }
        Some(Ok(Message::Binary(_))) => {
            tracing::warn!("a binary frame was dropped");
            Input::Noise
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Input::Noise,
        Some(Err(error)) => Input::End { code: None, reason: error.to_string() },
        None => Input::End { code: None, reason: "the connection is gone".to_owned() },
    }
}

/// What can't be read is dropped: the connection outlives it.
fn parse(text: &str) -> Input {
    match ToOrchestrator::parse(text) {
        Ok(Some(frame)) => Input::Frame(Box::new(frame)),
        Ok(None) => {
            tracing::debug!("a frame of an unknown type was dropped");
            Input::Noise
        }
        Err(error) => {
            tracing::warn!(%error, "a frame was dropped");
            Input::Noise
        }
    }
}
