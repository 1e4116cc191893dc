//! Binds and accepts.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use prometheus::{IntCounter, Registry};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::connection::{self, Service};
use super::idle::IdleConnections;
use super::{Handler, WebFile, is_stopped};
use crate::edge::server::last_connections::begin_no_more;
use crate::plugin::{ListenAddress, ListenHost};

/// How many connections a listener serves at a time.
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
    web: Option<Arc<WebFile>>,
    metrics: Option<HttpMetrics>,
}

/// The metrics of all listeners; clones share them.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    evicted: IntCounter,
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
        Self::bind_by(address, listen_alone).await
    }

    /// As [`bind`](Self::bind), beside another process of this user that has the address: each gets a part of the
    /// connections, until one closes its socket.
    ///
    /// # Errors
    ///
    /// As those of [`bind`](Self::bind); the address is taken when the other process shares it with nobody.
    pub async fn bind_shared(address: &ListenAddress) -> Result<Self, HttpBindError> {
        Self::bind_by(address, listen).await
    }

    async fn bind_by(
        address: &ListenAddress,
        listen: fn(SocketAddr) -> io::Result<Self>,
    ) -> Result<Self, HttpBindError> {
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

    /// Speaks HTTPS, as a web configuration says.
    #[must_use]
    pub fn with_web(mut self, web: WebFile) -> Self {
        self.web = Some(Arc::new(web));
        self
    }

    /// Counts.
    #[must_use]
    pub fn with_metrics(mut self, metrics: HttpMetrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Answers requests until `stop` is true or gone; then takes the connections that have been begun, and lets what is
    /// being answered finish, for some seconds.
    pub async fn serve(self, handler: Handler, mut stop: watch::Receiver<bool>) {
        let service = Service { handler, web: self.web.clone() };
        let idle = IdleConnections::default();
        let mut connections = JoinSet::new();
        let (closing, closed) = watch::channel(false);
        {
            let last = async {
                is_stopped(&mut stop).await;
                sleep(begin_no_more(&self.listener)).await;
            };
            tokio::pin!(last);
            loop {
                tokio::select! {
                    () = &mut last => break,
                    accepted = accept(&self.listener) => {
                        let Some(stream) = accepted else { continue };
                        if !self.make_room(&mut connections, &idle).await {
                            continue;
                        }
                        let (place, told) = idle.enter();
                        let (service, stop) = (service.clone(), closed.clone());
                        connections.spawn(async move {
                            tokio::select! {
                                () = connection::serve(stream, service, place, stop) => {}
                                Ok(()) = told => {}
                            }
                        });
                    }
                    Some(ended) = connections.join_next() => report(ended),
                }
            }
        }
        drop(self.listener);
        closing.send_replace(true);
        while idle.close_longest() {}
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    }

    /// At the limit, closes the connection that has been idle longest; false when all are answering a request.
    async fn make_room(&self, connections: &mut JoinSet<()>, idle: &IdleConnections) -> bool {
        if connections.len() < MAX_CONNECTIONS {
            return true;
        }
        if let Some(metrics) = &self.metrics {
            metrics.evicted.inc();
        }
        if !idle.close_longest() {
            return false;
        }
        // The one that was told ends at once.
        if let Some(ended) = connections.join_next().await {
            report(ended);
        }
        true
    }
}

impl HttpMetrics {
    /// Returns counters that no registry knows yet: listeners serve before there is one.
    ///
    /// # Errors
    ///
    /// None that can happen: the name is valid.
    pub fn new() -> Result<Self, prometheus::Error> {
        let name = "portolan_http_evicted_total";
        let help = "Connections closed because an HTTP listener had too many.";
        Ok(Self { evicted: IntCounter::new(name, help)? })
    }

    /// Makes the family known to a registry.
    ///
    /// # Errors
    ///
    /// When the registry has it already.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.evicted.clone()))
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

/// Listens where no other socket does.
fn listen_alone(address: SocketAddr) -> io::Result<HttpListener> {
    // Finds a socket that would share the address.
    socket(address)?.bind(&address.into())?;
    listen(address)
}

fn listen(address: SocketAddr) -> io::Result<HttpListener> {
    let socket = socket(address)?;
    // For the process that takes this address over.
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok(HttpListener { listener, address, web: None, metrics: None })
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Whatever net.ipv6.bindv6only says.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A restart must not wait for connections of the last process to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn has_no_ipv6(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own.
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32)
}

/// Accepts the next connection; none when that fails.
async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => Some(stream),
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
