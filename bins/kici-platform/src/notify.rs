//! Reports start and stop to a service manager that asks for it (`sd_notify(3)`).

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The server listens.
pub(crate) const READY: &str = "READY=1";
/// The server stops.
pub(crate) const STOPPING: &str = "STOPPING=1";

/// How long a service manager that does not read is waited for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends `state` to the socket that `NOTIFY_SOCKET` names. Does nothing where none is named; a socket
/// that can't be written to is a line in the log, since the service manager then says the rest.
pub(crate) fn notify(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return;
    };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, ?socket, state, "the service manager was not notified");
    }
}

fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = address(socket)?;
    let sender = UnixDatagram::unbound()?;
    sender.set_write_timeout(Some(TIMEOUT))?;
    sender.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

/// A path, or `@` and the name of an abstract socket.
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    match socket.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(socket),
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a path nor `@name`")),
    }
}
