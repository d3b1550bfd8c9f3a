//! From a request to a WebSocket (RFC 6455, 4.2). poem brings one of its own; this one bounds what a
//! stranger can make us keep before it has told who it is.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use data_encoding::BASE64;
use kici_link::LARGEST_FRAME;
use kici_wire::MAX_FRAME;
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Body, OnUpgrade, Request, Response, Result, Upgraded};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::problem::ApiError;

/// How much is read of a stranger, in bytes: a first frame of 256 KiB, which the link measures itself,
/// and what is around it.
const FROM_STRANGER: usize = 257 * 1024;
/// How much may wait to be written. The socket answers pings by itself, also those of a peer that
/// reads nothing: beyond this it answers the last one alone. It is more than the largest frame of ours.
const UNWRITTEN: usize = LARGEST_FRAME + 1024 * 1024;

/// A connection that becomes a WebSocket once the answer is out.
pub(super) struct Upgrade {
    on_upgrade: OnUpgrade,
    accept: String,
}

impl Upgrade {
    /// Reads what the request asks for.
    ///
    /// # Errors
    /// It is no WebSocket handshake of version 13.
    pub(super) fn of(request: &Request) -> Result<Self, ApiError> {
        let headers = request.headers();
        let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| is_nonce(key.as_bytes()));
        let is_handshake = *request.method() == Method::GET
            && names(headers, &header::CONNECTION, "upgrade")
            && names(headers, &header::UPGRADE, "websocket")
            && names(headers, &header::SEC_WEBSOCKET_VERSION, "13");
        let (true, Some(key), Ok(on_upgrade)) = (is_handshake, key, request.take_upgrade()) else {
            let text = "Here orchestrators connect: a WebSocket handshake of version 13 is needed";
            let refused = ApiError::new(StatusCode::UPGRADE_REQUIRED, "websocket_required", text);
            let word = HeaderValue::from_static;
            return Err(refused
                .with_header(header::CONNECTION, word("upgrade"))
                .with_header(header::UPGRADE, word("websocket"))
                .with_header(header::SEC_WEBSOCKET_VERSION, word("13")));
        };
        Ok(Self { on_upgrade, accept: derive_accept_key(key.as_bytes()) })
    }

    /// The answer; `serve` runs in a task of its own once it is out.
    pub(super) fn then<F>(
        self,
        is_known: Arc<AtomicBool>,
        serve: impl FnOnce(WebSocketStream<Guarded>) -> F + Send + 'static,
    ) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        let on_upgrade = self.on_upgrade;
        tokio::spawn(async move {
            // Whoever has gone by now is no loss.
            let Ok(inner) = on_upgrade.await else { return };
            let guarded = Guarded { inner, is_known, left: FROM_STRANGER };
            let config = WebSocketConfig::default()
                .max_frame_size(Some(MAX_FRAME))
                .max_message_size(Some(MAX_FRAME))
                .max_write_buffer_size(UNWRITTEN);
            serve(WebSocketStream::from_raw_socket(guarded, Role::Server, Some(config)).await)
                .await;
        });
        Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_ACCEPT, self.accept)
            .body(Body::empty())
    }
}

/// Whether a key is what it should be: 16 bytes.
fn is_nonce(key: &[u8]) -> bool {
    BASE64.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// Whether a header names this word among others.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
}

/// A connection of which only so much is read until it is known who is there.
pub(super) struct Guarded {
    inner: Upgraded,
    is_known: Arc<AtomicBool>,
    left: usize,
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_known.load(Ordering::Acquire) {
            return Pin::new(&mut this.inner).poll_read(context, buffer);
        }
        if this.left == 0 {
            return Poll::Ready(Err(ErrorKind::InvalidData.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
        // The last piece may be larger than what was left, by what is read at once: 128 KiB.
        this.left = this.left.saturating_sub(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}
