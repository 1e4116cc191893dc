//! DNS over TCP (RFC 1035 §4.2.2, RFC 7766), TLS (RFC 7858) and HTTPS (RFC 8484): accepts connections and gives
//! each a task.

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

use super::connection::{self, Closing};
use super::connections::{Full, Place};
use super::https::{self, Version};
use super::last_connections::begin_no_more;
use super::service::Service;
use super::stop::Reading;
use super::udp::canonical;
use crate::Protocol;
use crate::corefile::Transport;
use crate::wire::Arrival;

/// How long no connection is accepted after accepting failed: usually the process has no file descriptor
/// left, and trying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a listener until the stop signal, then waits for the questions under way.
pub(super) async fn serve(tcp: TcpListener, service: Arc<Service>, mut reading: Reading) {
    let mut connections = JoinSet::new();
    // Connections have it from their listener (tcp(7)).
    if let Err(error) = SockRef::from(&tcp).set_tcp_nodelay(true) {
        tracing::warn!(%error, "replies over TCP may come late");
    }
    loop {
        let accepted = tokio::select! {
            biased;
            () = reading.stopped() => break,
            accepted = tcp.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => open(stream, peer, &service, &reading, &mut connections),
            Err(error) => {
                tracing::warn!(%error, "accepting a TCP connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // What the kernel has begun to accept may have asked already.
    let last = tokio::time::Instant::now() + begin_no_more(&tcp);
    while let Ok(accepted) = timeout_at(last, unconstrained(tcp.accept())).await {
        match accepted {
            Ok((stream, peer)) => open(stream, peer, &service, &reading, &mut connections),
            Err(_) if tokio::time::Instant::now() >= last => break,
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop((tcp, reading));
    while connections.join_next().await.is_some() {}
}

fn open(
    stream: TcpStream,
    peer: SocketAddr,
    service: &Arc<Service>,
    reading: &Reading,
    connections: &mut JoinSet<()>,
) {
    let metrics = service.responder.metrics();
    let Ok(arrival) = arrival(&stream, peer, service) else { return };
    let (client, local) = (arrival.client.ip(), arrival.local.ip());
    let place = match service.connections.admit(client, local, Instant::now()) {
        Ok((place, _)) => place,
        Err(full) => {
            let limit = match full {
                Full::Listener => "tcp_connections",
                Full::Client => "tcp_per_client",
            };
            metrics.refused.with_label_values(&[limit]).inc();
            return;
        }
    };
    // Forgets those that are closed.
    while connections.try_join_next().is_some() {}
    let (service, reading) = (Arc::clone(service), reading.clone());
    connections.spawn(async move {
        service.responder.metrics().tcp_connections.inc();
        serve_connection(stream, arrival, &service, place, reading).await;
        service.responder.metrics().tcp_connections.dec();
    });
}

fn arrival(stream: &TcpStream, peer: SocketAddr, service: &Service) -> io::Result<Arrival> {
    Ok(Arrival {
        client: canonical(peer),
        local: canonical(stream.local_addr()?),
        protocol: match service.settings().transport {
            Transport::Tls => Protocol::Tls,
            Transport::Https => Protocol::Https,
            _ => Protocol::Tcp,
        },
    })
}

async fn serve_connection(
    stream: TcpStream,
    arrival: Arrival,
    service: &Arc<Service>,
    place: Place,
    reading: Reading,
) {
    let is_http = arrival.protocol == Protocol::Https;
    // What is large has a place of its own, so that a plain connection takes little.
    let ended = match service.settings().tls.as_ref().map(|tls| tls.acceptor()) {
        None if is_http => {
            let version = Version::Either;
            Ok(Box::pin(https::serve(stream, version, arrival, service, place, reading)).await)
        }
        None => connection::serve(stream, arrival, service, &place, reading).await,
        Some(acceptor) => {
            Box::pin(serve_encrypted(acceptor, stream, arrival, service, place, reading)).await
        }
    };
    // How a client goes away is its own business.
    if let Ok(Some(closing)) = ended {
        service.responder.metrics().closed.with_label_values(&[closing.as_str()]).inc();
    }
}

async fn serve_encrypted(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    arrival: Arrival,
    service: &Arc<Service>,
    place: Place,
    reading: Reading,
) -> io::Result<Option<Closing>> {
    let stream = match handshake(acceptor.accept(stream), service, &place, reading.clone()).await {
        Ok(stream) => stream,
        Err(closing) => return Ok(closing),
    };
    if arrival.protocol != Protocol::Https {
        return connection::serve(stream, arrival, service, &place, reading).await;
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
