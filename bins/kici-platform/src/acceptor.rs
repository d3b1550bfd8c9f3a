//! Accepting connections: poem's own acceptor, but for one thing. A relayed delivery is a small frame
//! and then another, and without `TCP_NODELAY` the second waits some 40 ms for the first to be
//! acknowledged.

use std::io;
use std::net::SocketAddr;

use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::net::{TcpListener, TcpStream};

/// A bound listener.
pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl poem::listener::Acceptor for Acceptor {
    type Io = TcpStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        vec![LocalAddr(self.address.into())]
    }

    async fn accept(&mut self) -> io::Result<(TcpStream, LocalAddr, RemoteAddr, Scheme)> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, LocalAddr(self.address.into()), RemoteAddr(peer.into()), Scheme::HTTP))
    }
}
