//! A wire before the server that keeps what the server says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::secrets;

/// What was said on each connection, in order.
#[derive(Debug, Clone, Default)]
struct Said(Arc<Mutex<Vec<Vec<u8>>>>);

impl Said {
    fn connections(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a new connection.
    fn begin(&self) -> usize {
        let mut connections = self.connections();
        connections.push(Vec::new());
        connections.len() - 1
    }

    fn keep(&self, place: usize, bytes: &[u8]) {
        if let Some(connection) = self.connections().get_mut(place) {
            connection.extend_from_slice(bytes);
        }
    }
}

/// Takes connections in the server's place. Dropping it ends them and looks for secrets that were
/// told twice.
#[derive(Debug)]
pub(crate) struct Tap {
    said: Said,
    accepting: JoinHandle<()>,
}

impl Tap {
    /// Hands on what comes to `listener` to `server`, and back.
    pub(crate) fn start(listener: TcpListener, server: SocketAddr) -> Self {
        let said = Said::default();
        let kept = said.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, server, kept.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { said, accepting }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.accepting.abort();
        secrets::check(&self.said.connections());
    }
}

/// A connection that breaks ends; whoever holds the other end sees it.
async fn carry(mut client: TcpStream, server: SocketAddr, said: Said) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let place = said.begin();
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = async {
        tokio::io::copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    };
    let down = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from_server.read(&mut buffer).await?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return to_client.shutdown().await;
            };
            // Kept first: what the client has, the tap has.
            said.keep(place, bytes);
            to_client.write_all(bytes).await?;
        }
    };
    let (_, answered) = tokio::join!(up, down);
    answered
}
