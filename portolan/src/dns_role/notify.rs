//! Tells the service manager how far the process is (sd_notify(3)).
//!
//! systemd sets `NOTIFY_SOCKET` for units of `Type=notify`, so that `systemctl start` returns when queries are answered,
//! and what is stopped after that can be.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Names the socket of the service manager.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// How far the process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Queries are answered.
    Ready,
    /// A signal ends it.
    Stopping,
}

/// Tells the service manager, if there is one; a failure is logged.
pub(super) fn notify(state: State) {
    let Some(name) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else { return };
    if let Err(error) = send(&name, state) {
        tracing::warn!(%error, variable = VARIABLE, "the service manager cannot be told");
    }
}

fn send(name: &OsStr, state: State) -> io::Result<()> {
    let address = match name.as_bytes() {
        // No file, but a name of its own namespace (unix(7)).
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let message = match state {
        State::Ready => "READY=1",
        State::Stopping => "STOPPING=1",
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that reads nothing must not keep the process.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message.as_bytes(), &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_a_path_or_an_abstract_name() {
        let path = std::env::temp_dir().join(format!("portolan-notify-{}", std::process::id()));
        let abstract_name = format!("@portolan-notify-{}", std::process::id());
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut buffer = [0; 64];
        send(path.as_os_str(), State::Ready).unwrap();
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
        std::fs::remove_file(&path).unwrap();
        assert!(send(path.as_os_str(), State::Ready).is_err());
        let address = SocketAddr::from_abstract_name(&abstract_name[1..]).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        send(OsStr::new(&abstract_name), State::Stopping).unwrap();
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"STOPPING=1");
    }
}
