//! Binds and accepts.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Handler, connection, is_stopped};
use crate::plugin::{ListenAddress, ListenHost};

/// How many connections a listener serves at a time; others wait to be accepted.
const MAX_CONNECTIONS: usize = 256;

/// How many connections may wait.
const BACKLOG: i32 = 128;

/// How long to wait after a connection could not be accepted, for example for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound address that nobody serves yet: clients connect and wait.
#[derive(Debug)]
pub struct HttpListener {
    listener: TcpListener,
    address: SocketAddr,
}

/// Says why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} for HTTP: {source}; free the port or configure another address"
)]
pub struct HttpBindError {
    /// The address.
    pub address: ListenAddress,
    /// Why.
    pub source: io::Error,
}

impl HttpListener {
    /// Binds an address. `:PORT` is both address families where the host has IPv6, otherwise IPv4.
    ///
    /// # Errors
    ///
    /// When the name does not resolve, or the address is not the host's or taken.
    pub async fn bind(address: &ListenAddress) -> Result<Self, HttpBindError> {
        let bound = match resolve(address).await {
            Ok(socket) => listen(socket).or_else(|error| match address.host {
                ListenHost::Any if has_no_ipv6(&error) => {
                    listen((Ipv4Addr::UNSPECIFIED, address.port).into())
                }
                _ => Err(error),
            }),
            Err(error) => Err(error),
        };
        bound.map_err(|source| HttpBindError { address: address.clone(), source })
    }

    /// Returns the address with the port that the system chose for port 0.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop` is true or gone; then lets what is being answered finish, for some seconds.
    pub async fn serve(self, handler: Handler, mut stop: watch::Receiver<bool>) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = is_stopped(&mut stop) => break,
                accepted = accept(&self.listener, &permits) => {
                    let Some((stream, permit)) = accepted else { continue };
                    let served = connection::serve(stream, handler.clone(), stop.clone());
                    connections.spawn(async move {
                        served.await;
                        drop(permit);
                    });
                }
                Some(ended) = connections.join_next() => report(ended),
            }
        }
        drop(self.listener);
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    }
}

async fn resolve(address: &ListenAddress) -> io::Result<SocketAddr> {
    let host = match &address.host {
        ListenHost::Any => Ipv6Addr::UNSPECIFIED.into(),
        ListenHost::Address(host) => *host,
        // RFC 6761 §6.3; spares a thread and a hosts file.
        ListenHost::Name(name) if name == "localhost" => Ipv4Addr::LOCALHOST.into(),
        ListenHost::Name(name) => {
            let found: Vec<IpAddr> =
                lookup_host((name.as_str(), address.port)).await?.map(|found| found.ip()).collect();
            let ipv4 = found.iter().find(|host| host.is_ipv4());
            let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            *ipv4.or(found.first()).ok_or_else(none)?
        }
    };
    Ok(SocketAddr::new(host, address.port))
}

fn listen(address: SocketAddr) -> io::Result<HttpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Whatever net.ipv6.bindv6only says.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A restart must not wait for connections of the last process to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok(HttpListener { listener, address })
}

fn has_no_ipv6(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own.
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32)
}

/// Accepts the next connection once there is room for it; none when that fails.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept an HTTP connection");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "the handler of an HTTP request panicked");
    }
}
