//! Serving HTTP on a listener. poem brings a server of its own; this one bounds what that leaves open:
//! how long the head of a request may take and how large it may be, and how many connections there are. It speaks HTTP/1.1,
//! as proxies do behind themselves.

mod connections;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use poem::http::StatusCode;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use connections::{Connections, Place};

/// How long the head of a later request may take to arrive, and so how long a connection may idle.
const HEAD: Duration = Duration::from_secs(75);
/// How large the head of a request may be, in bytes, and how much of a connection is read at once.
const HEAD_BYTES: usize = 64 * 1024;
/// How long requests under way may take to end once the server stops.
const DRAIN: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The bounds of a listener.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// How many connections there may be at once. Beyond it those that have waited longest for a
    /// request are closed, and while all are busy more of them wait to be accepted.
    pub connections: usize,
    /// How many of them one client address (IPv6: a /64) may have.
    pub per_address: usize,
    /// Proxies, which may have as many as there are.
    pub trusted_proxies: Arc<[IpNet]>,
    /// How long the head of a connection's first request may take to arrive.
    pub first_head: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self::of(CONNECTIONS_MAX)
    }
}

/// The most connections of a listener.
pub(crate) const CONNECTIONS_MAX: usize = 10_000;

impl Bounds {
    /// The usual bounds of a listener with `connections`: a quarter of them for one address.
    #[must_use]
    pub fn of(connections: usize) -> Self {
        Self {
            connections,
            per_address: connections.div_ceil(4),
            trusted_proxies: Arc::default(),
            first_head: Duration::from_secs(15),
        }
    }
}

/// Serves until `stop`, then ends the requests under way.
pub(crate) async fn serve(
    listener: TcpListener,
    endpoint: impl Endpoint<Output = Response> + 'static,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let endpoint = Arc::new(endpoint);
    let first_head = bounds.first_head;
    let (tasks, all) = (TaskTracker::new(), Connections::new(bounds));
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => match stop.run_until_cancelled(all.admit(peer.ip())).await {
                None => break,
                // Closed without an answer: that costs least.
                Some(None) => tracing::debug!(%peer, "too many connections from this address"),
                Some(Some(place)) => {
                    let (endpoint, stop) = (endpoint.clone(), stop.clone());
                    tasks.spawn(connection(stream, peer, place, first_head, endpoint, stop));
                }
            },
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        tracing::warn!(left = tasks.len(), "stopped with requests under way");
    }
}

async fn connection<E>(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    first_head: Duration,
    endpoint: Arc<E>,
    stop: CancellationToken,
) where
    E: Endpoint<Output = Response> + 'static,
{
    let Ok(local) = prepare(&stream) else { return };
    let place = Arc::new(place);
    let stream = Placed { stream, place: place.clone() };
    let service = {
        let place = place.clone();
        hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            place.begin();
            let (local, remote) = (LocalAddr(local.into()), RemoteAddr(peer.into()));
            let request = Request::from((request, local, remote, Scheme::HTTP));
            let (endpoint, place) = (endpoint.clone(), place.clone());
            async move {
                let response = endpoint.get_response(request).await;
                // A WebSocket never waits for a request again.
                if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    place.finish();
                }
                Ok::<_, Infallible>(response.into())
            }
        })
    };
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    // Answers are small: copied behind their head they go out in one simple call.
    builder.writev(false);
    let served = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut served = pin!(served);
    let mut given_up = pin!(given_up(place, first_head));
    tokio::select! {
        // The peer may break off; that changes nothing any more.
        _ = served.as_mut() => return,
        () = given_up.as_mut() => return,
        () = stop.cancelled() => served.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = served => {}
        () = given_up => {}
    }
}

/// Completes when a connection is closed without an answer: it has to make room, or no request has come.
async fn given_up(place: Arc<Place>, first_head: Duration) {
    let silent = async {
        tokio::time::sleep(first_head).await;
        if place.has_begun() {
            pending::<()>().await;
        }
    };
    tokio::select! {
        () = place.evicted() => {}
        () = silent => {}
    }
}

/// A socket with its place, which it holds as long as it is open, also as a WebSocket.
struct Placed {
    stream: TcpStream,
    place: Arc<Place>,
}

impl AsyncRead for Placed {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(context, bytes));
        this.place.touch();
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// A peer that takes nothing for so long is given up.
#[cfg(target_os = "linux")]
const DEAF: Duration = Duration::from_secs(60);

/// A relayed delivery is a small frame and then another: without `TCP_NODELAY` the second waits some
/// 40 ms for the first to be acknowledged.
fn prepare(stream: &TcpStream) -> io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(DEAF))?;
    stream.local_addr()
}
