//! Binds sockets before anything is served.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;

use super::datagram::DatagramSocket;
use super::service::Settings;
use super::tls::TlsError;
use crate::config::ListenerConfig;
use crate::corefile::Transport;
use crate::edge::acme::Acme;

/// How many connections the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

/// Room for datagrams that arrive while the server is busy; the kernel may grant less.
const RECEIVE_BUFFER: usize = 4 << 20;

/// The sockets of one listen address: UDP and TCP on the same port, TCP alone where TLS or HTTPS is spoken, UDP alone
/// where QUIC is.
#[derive(Debug)]
pub struct BoundListener {
    /// The address, with the port that was given when 0 was asked for.
    pub address: SocketAddr,
    pub(super) udp: Vec<DatagramSocket>,
    pub(super) tcp: Vec<TcpListener>,
    pub(super) quic: Vec<UdpSocket>,
    pub(super) settings: Settings,
}

/// Why a listen address cannot be used.
#[derive(Debug, Error)]
pub enum BindError {
    /// Another socket has it.
    #[error(
        "cannot listen on {address} ({protocol}): the address is in use; stop the other server \
         (`ss -lunpt` shows it), or choose another port"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// `udp` or `tcp`.
        protocol: &'static str,
    },
    /// Ports below 1024 are privileged.
    #[error(
        "cannot listen on {address} ({protocol}): permission denied; run as root, with \
         CAP_NET_BIND_SERVICE, or on a port above 1023"
    )]
    Denied {
        /// The address.
        address: SocketAddr,
        /// `udp` or `tcp`.
        protocol: &'static str,
    },
    /// The certificate of an encrypted listener cannot be used.
    #[error("{listener}: {source}")]
    Tls {
        /// The listener, and where the Corefile names the certificate: `Corefile:2 - the listener tls://:853`.
        listener: String,
        /// Why.
        source: TlsError,
    },
    /// Anything else.
    #[error("cannot listen on {address} ({protocol}): {source}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// `udp` or `tcp`.
        protocol: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Binds the sockets of listeners: UDP and TCP on the same port. `[::]` takes IPv4 too; without IPv6 it is
/// `0.0.0.0`. With port 0 both get the same free port.
///
/// # Errors
/// An address cannot be had; the error says what to do.
pub fn bind(listeners: &[ListenerConfig], acme: &Acme) -> Result<Vec<BoundListener>, BindError> {
    bind_beside(listeners, acme, &[])
}

/// As [`bind`], beside the sockets of another process of this user that has the addresses: each of them gets a part of
/// what comes in, until one closes its sockets.
///
/// # Errors
/// As those of [`bind`]; the address is in use when the other process is another user's, or shares its address with
/// nobody.
pub fn bind_shared(
    listeners: &[ListenerConfig],
    acme: &Acme,
) -> Result<Vec<BoundListener>, BindError> {
    listeners.iter().map(|listener| bind_one(listener, acme)).collect()
}

/// Binds the sockets of listeners; on the ports of `held` this process listens already.
pub(super) fn bind_beside(
    listeners: &[ListenerConfig],
    acme: &Acme,
    held: &[u16],
) -> Result<Vec<BoundListener>, BindError> {
    for listener in listeners {
        let address = listener.address();
        if !held.contains(&address.port()) {
            with_either_family(address, |address| look_for_others(address, listener.transport))?;
        }
    }
    listeners.iter().map(|listener| bind_one(listener, acme)).collect()
}

fn bind_one(listener: &ListenerConfig, acme: &Acme) -> Result<BoundListener, BindError> {
    let settings = Settings::of(listener, acme)?;
    let mut bound = with_either_family(listener.address(), |address| bind_to(address, listener))?;
    for _ in 1..listener.sockets.number() {
        let more = bind_to(bound.address, listener)?;
        bound.udp.extend(more.udp);
        bound.tcp.extend(more.tcp);
        bound.quic.extend(more.quic);
    }
    Ok(BoundListener { settings, ..bound })
}

fn with_either_family<T>(
    address: SocketAddr,
    bind: impl Fn(SocketAddr) -> Result<T, BindError>,
) -> Result<T, BindError> {
    match bind(address) {
        Err(BindError::Other { source, .. })
            if address.ip().is_unspecified() && is_missing_family(&source) =>
        {
            bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        other => other,
    }
}

/// Finds another server on the port, which sockets that share their address would not.
fn look_for_others(address: SocketAddr, transport: Transport) -> Result<(), BindError> {
    let (kind, name) =
        if is_quic(transport) { (Type::DGRAM, "udp") } else { (Type::STREAM, "tcp") };
    let other = socket(address, kind).and_then(|socket| bind_socket(&socket, address));
    other.map_err(|error| BindError::new(address, name, error))
}

fn is_quic(transport: Transport) -> bool {
    matches!(transport, Transport::Quic | Transport::Https3)
}

/// How often another free port is tried when the one that TCP got is taken for UDP.
const FREE_PORT_ATTEMPTS: usize = 16;

fn bind_to(address: SocketAddr, listener: &ListenerConfig) -> Result<BoundListener, BindError> {
    let settings = Settings::default();
    if is_quic(listener.transport) {
        let bind = || {
            let socket: UdpSocket = datagram_socket(address)?.into();
            socket.local_addr().map(|local| (socket, local))
        };
        let (socket, address) = bind().map_err(|e| BindError::new(address, "udp", e))?;
        let (udp, tcp, quic) = (Vec::new(), Vec::new(), vec![socket]);
        return Ok(BoundListener { address, udp, tcp, quic, settings });
    }
    let mut attempts = FREE_PORT_ATTEMPTS;
    loop {
        let tcp = tcp_listener(address).map_err(|e| BindError::new(address, "tcp", e))?;
        let local = tcp.local_addr().map_err(|e| BindError::new(address, "tcp", e))?;
        let tcp = vec![tcp];
        if listener.transport != Transport::Dns {
            let (udp, quic) = (Vec::new(), Vec::new());
            return Ok(BoundListener { address: local, udp, tcp, quic, settings });
        }
        attempts -= 1;
        match udp_socket(local) {
            Ok(udp) => {
                let (udp, quic) = (vec![udp], Vec::new());
                return Ok(BoundListener { address: local, udp, tcp, quic, settings });
            }
            Err(error) if attempts > 0 && address.port() == 0 && is_in_use(&error) => {}
            Err(error) => return Err(BindError::new(address, "udp", error)),
        }
    }
}

fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = shared_socket(address, Type::STREAM)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn udp_socket(address: SocketAddr) -> io::Result<DatagramSocket> {
    datagram_socket(address).and_then(DatagramSocket::new)
}

fn datagram_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = shared_socket(address, Type::DGRAM)?;
    // Less than asked for is still more than the default.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    Ok(socket)
}

/// Returns a socket that others of this user may share its address with.
///
/// So every address of the host and a single one can be listened on at the same port: the kernel gives what is
/// sent to the single one to its socket. And the listeners of another configuration can be bound before those of
/// the last one are closed.
fn shared_socket(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = socket(address, kind)?;
    socket.set_reuse_port(true)?;
    bind_socket(&socket, address)?;
    Ok(socket)
}

fn socket(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if kind == Type::STREAM {
        // A restart must not wait for connections of the last process to be forgotten.
        socket.set_reuse_address(true)?;
    }
    Ok(socket)
}

fn bind_socket(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    socket.bind(&SockAddr::from(address))
}

fn is_missing_family(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL))
}

fn is_in_use(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

impl BindError {
    fn new(address: SocketAddr, protocol: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address, protocol },
            io::ErrorKind::PermissionDenied => Self::Denied { address, protocol },
            _ => Self::Other { address, protocol, source },
        }
    }
}
