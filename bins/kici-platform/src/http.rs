//! Serving HTTP on a listener. poem brings a server of its own; this one bounds what that leaves open:
//! how long the head of a request may take and how large it may be, and how many connections there are. It speaks HTTP/1.1,
//! as proxies do behind themselves.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the head of a request may take to arrive, and so how long a connection may idle.
const HEAD: Duration = Duration::from_secs(75);
/// How large the head of a request may be, in bytes, and how much of a connection is read at once.
const HEAD_BYTES: usize = 64 * 1024;
/// How many connections there may be at once; more of them wait to be accepted.
const CONNECTIONS: usize = 10_000;
/// How long requests under way may take to end once the server stops.
const DRAIN: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, then ends the requests under way.
pub(crate) async fn serve(
    listener: TcpListener,
    endpoint: impl Endpoint<Output = Response> + 'static,
    stop: CancellationToken,
) {
    let endpoint = Arc::new(endpoint);
    let (connections, room) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    while let Some(permit) = stop.run_until_cancelled(room.clone().acquire_owned()).await {
        match stop.run_until_cancelled(listener.accept()).await {
            None => break,
            Some(Ok((stream, peer))) => {
                let one = connection(stream, peer, endpoint.clone(), stop.clone());
                connections.spawn(async move {
                    let _permit = permit;
                    one.await;
                });
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "stopped with requests under way");
    }
}

async fn connection<E>(
    stream: TcpStream,
    peer: SocketAddr,
    endpoint: Arc<E>,
    stop: CancellationToken,
) where
    E: Endpoint<Output = Response> + 'static,
{
    let Ok(local) = prepare(&stream) else { return };
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let (local, remote) = (LocalAddr(local.into()), RemoteAddr(peer.into()));
        let request = Request::from((request, local, remote, Scheme::HTTP));
        let endpoint = endpoint.clone();
        async move { Ok::<_, Infallible>(endpoint.get_response(request).await.into()) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    // Answers are small: copied behind their head they go out in one simple call.
    builder.writev(false);
    let served = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut served = pin!(served);
    let ended = stop.run_until_cancelled(served.as_mut()).await;
    if ended.is_none() {
        served.as_mut().graceful_shutdown();
        // The peer may break off; that changes nothing any more.
        drop(served.await);
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
