//! DNS over TCP (RFC 1035 §4.2.2, RFC 7766), TLS (RFC 7858) and HTTPS (RFC 8484): accepts connections and gives
//! each to a task.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, unconstrained};
use tokio::time::timeout_at;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use super::closing::Closing;
use super::connection;
use super::connections::{Full, Place};
use super::https::{self, Version};
use super::last_connections::begin_no_more;
use super::resting::Resting;
use super::scratch::Scratch;
use super::service::Service;
use super::stop::Reading;
use super::udp::canonical;
use crate::Protocol;
use crate::corefile::Transport;
use crate::wire::Arrival;

/// How long no connection is accepted after accepting failed: usually the process has no file descriptor
/// left, and trying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection that has a place.
struct Admitted {
    stream: TcpStream,
    arrival: Arrival,
    place: Place,
    reading: Reading,
}

/// What connections are opened with.
struct Opening {
    service: Arc<Service>,
    /// The address that all of them come to; none when the listener is at every address of the host.
    local: Option<SocketAddr>,
    /// The tasks that wait for a connection.
    resting: Arc<Resting<Admitted>>,
    /// All of them.
    tasks: JoinSet<()>,
}

/// Serves a listener until the stop signal, then waits for the questions under way.
pub(super) async fn serve(tcp: TcpListener, service: Arc<Service>, mut reading: Reading) {
    let resting = Arc::new(Resting::new());
    let local = tcp.local_addr().ok().filter(|local| !local.ip().is_unspecified());
    let mut opening = Opening { service, local, resting, tasks: JoinSet::new() };
    // Connections have it from their listener (tcp(7)).
    if let Err(error) = SockRef::from(&tcp).set_tcp_nodelay(true) {
        tracing::warn!(%error, "replies over TCP may come late");
    }
    loop {
        let accept = poll_fn(|context| tcp.poll_accept(context));
        match reading.unless_stopped(accept).await {
            None => break,
            Some(Ok((stream, peer))) => opening.open(stream, peer, &reading),
            Some(Err(error)) => {
                tracing::warn!(%error, "accepting a TCP connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // What the kernel has begun to accept may have asked already.
    let last = tokio::time::Instant::now() + begin_no_more(&tcp);
    while let Ok(accepted) = timeout_at(last, unconstrained(tcp.accept())).await {
        match accepted {
            Ok((stream, peer)) => opening.open(stream, peer, &reading),
            Err(_) if tokio::time::Instant::now() >= last => break,
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop((tcp, reading));
    opening.resting.close();
    while opening.tasks.join_next().await.is_some() {}
}

impl Opening {
    fn open(&mut self, stream: TcpStream, peer: SocketAddr, reading: &Reading) {
        let Ok(arrival) = self.arrival(&stream, peer) else { return };
        let Self { service, resting, tasks, .. } = self;
        let (client, local) = (arrival.client.ip(), arrival.local.ip());
        let place = match service.connections.admit(client, local, Instant::now()) {
            Ok((place, _)) => place,
            Err(full) => {
                let limit = match full {
                    Full::Listener => "tcp_connections",
                    Full::Client => "tcp_per_client",
                };
                service.responder.metrics().refused.with_label_values(&[limit]).inc();
                return;
            }
        };
        let admitted = Admitted { stream, arrival, place, reading: reading.clone() };
        let Err(admitted) = resting.give(admitted) else { return };
        // Forgets those that have ended.
        while tasks.try_join_next().is_some() {}
        let (service, resting) = (Arc::clone(service), Arc::clone(resting));
        tasks.spawn(serve_connections(admitted, service, resting));
    }

    fn arrival(&self, stream: &TcpStream, peer: SocketAddr) -> io::Result<Arrival> {
        Ok(Arrival {
            client: canonical(peer),
            local: canonical(self.local.map_or_else(|| stream.local_addr(), Ok)?),
            protocol: match self.service.settings().transport {
                Transport::Tls => Protocol::Tls,
                Transport::Https => Protocol::Https,
                _ => Protocol::Tcp,
            },
        })
    }
}

/// Serves one connection after the other, as long as there are some.
async fn serve_connections(
    first: Admitted,
    service: Arc<Service>,
    resting: Arc<Resting<Admitted>>,
) {
    let mut scratch = Scratch::new(&service.shared.unread);
    let mut next = Some(first);
    while let Some(admitted) = next {
        service.responder.metrics().tcp_connections.inc();
        serve_connection(admitted, &service, &mut scratch).await;
        service.responder.metrics().tcp_connections.dec();
        next = resting.rest().await;
    }
}

async fn serve_connection(admitted: Admitted, service: &Arc<Service>, scratch: &mut Scratch) {
    let is_http = admitted.arrival.protocol == Protocol::Https;
    // What is large has a place of its own, so that a plain connection takes little.
    let ended = match service.settings().tls.as_ref().map(|tls| tls.acceptor()) {
        None if is_http => {
            let Admitted { stream, arrival, place, reading } = admitted;
            let version = Version::Either;
            Ok(Box::pin(https::serve(stream, version, arrival, service, place, reading)).await)
        }
        None => {
            let Admitted { stream, arrival, place, reading } = admitted;
            connection::serve(stream, arrival, service, &place, reading, scratch).await
        }
        Some(acceptor) => Box::pin(serve_encrypted(acceptor, admitted, service, scratch)).await,
    };
    // How a client goes away is its own business.
    if let Ok(Some(closing)) = ended {
        service.responder.metrics().closed.with_label_values(&[closing.as_str()]).inc();
    }
}

async fn serve_encrypted(
    acceptor: TlsAcceptor,
    admitted: Admitted,
    service: &Arc<Service>,
    scratch: &mut Scratch,
) -> io::Result<Option<Closing>> {
    let Admitted { stream, arrival, place, reading } = admitted;
    let stream = match handshake(acceptor.accept(stream), service, &place, reading.clone()).await {
        Ok(stream) => stream,
        Err(closing) => return Ok(closing),
    };
    if arrival.protocol != Protocol::Https {
        return connection::serve(stream, arrival, service, &place, reading, scratch).await;
    }
    let version = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Version::Http2,
        _ => Version::Http1,
    };
    Ok(https::serve(stream, version, arrival, service, place, reading).await)
}

/// Speaks TLS first; an error says why the server closes the connection, none when it stops.
///
/// A handshake that has begun when the server stops may end as long as a connection may ask then.
async fn handshake(
    accepting: Accept<TcpStream>,
    service: &Service,
    place: &Place,
    mut reading: Reading,
) -> Result<TlsStream<TcpStream>, Option<Closing>> {
    let limit = service.settings().read;
    tokio::select! {
        biased;
        () = connection::stopped_for_long(&mut reading) => Err(None),
        () = place.evicted() => Err(Some(Closing::Evicted)),
        accepted = tokio::time::timeout(limit, accepting) => match accepted {
            Err(_) => Err(Some(Closing::Read)),
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                Err(Some(Closing::Handshake))
            }
        },
    }
}
