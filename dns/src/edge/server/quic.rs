//! QUIC (RFC 9000): accepts connections and gives each a task that speaks DNS over QUIC or HTTP/3.
//!
//! Until the address of a client is known to be its own no more is sent there than three times what came from it
//! (§8.1), and when half of the places are taken it has to show that first, by a Retry (§8.1.2): nobody can fill the
//! places, or send other clients away, with forged addresses. There is no 0-RTT, whose data could be replayed.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use quinn::{Connecting, Endpoint, EndpointConfig, Incoming, TokioRuntime, VarInt};
use tokio::task::JoinSet;

use super::closing::Closing;
use super::connections::{Full, Place};
use super::doq::Code;
use super::service::Service;
use super::stop::Reading;
use super::udp::canonical;
use super::{doq_connection, http3};
use crate::Protocol;
use crate::corefile::Transport;
use crate::wire::Arrival;

/// Attempts that wait to be looked at; what they may send meanwhile, each and all, in octets.
const MAX_INCOMING: usize = 256;
const INCOMING_BUFFER: u64 = 16 << 10;
const INCOMING_BUFFERS: u64 = 1 << 20;

/// What a client may send before it is read, in octets: on a stream a whole message, on a connection.
const STREAM_WINDOW: u32 = 66 << 10;
const WINDOW: u32 = 256 << 10;

/// What is written ahead of what a client has acknowledged on a connection, in octets.
const SEND_WINDOW: u64 = 128 << 10;

/// Unidirectional streams that HTTP/3 has need of: control, and two for QPACK (RFC 9114 §6.2); more are for what
/// is unknown.
const HTTP3_STREAMS: u32 = 6;

/// How long the last octets of a listener may take to leave.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Serves a socket until the stop signal, then waits for the questions under way.
pub(super) async fn serve(socket: UdpSocket, service: Arc<Service>, mut reading: Reading) {
    let mut connections = JoinSet::new();
    let options = EndpointConfig::default();
    let endpoint = Endpoint::new(options, config(&service), socket, Arc::new(TokioRuntime));
    let endpoint = match endpoint {
        Ok(endpoint) => endpoint,
        Err(error) => {
            // The kernel has given the socket, so that it has what QUIC sets on it.
            tracing::error!(%error, "QUIC cannot be served");
            return;
        }
    };
    loop {
        let incoming = tokio::select! {
            biased;
            () = reading.stopped() => break,
            incoming = endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { break };
        open(&endpoint, incoming, &service, &reading, &mut connections);
    }
    while let Some(Some(incoming)) = endpoint.accept().now_or_never() {
        open(&endpoint, incoming, &service, &reading, &mut connections);
    }
    // Whoever comes now is told to go elsewhere.
    endpoint.set_server_config(None);
    drop(reading);
    while connections.join_next().await.is_some() {}
    let _ = tokio::time::timeout(LAST_WRITE, endpoint.wait_idle()).await;
}

/// Returns what the connections from here on have; none without a certificate, which a Corefile has to have.
fn config(service: &Service) -> Option<quinn::ServerConfig> {
    let settings = service.settings();
    let crypto = settings.tls.as_ref()?.quic()?;
    let mut transport = quinn::TransportConfig::default();
    let streams = settings.streams.streams.into();
    // Later than the server itself closes what is idle, which tells the client so.
    let idle = settings.idle + LAST_WRITE;
    let idle = u32::try_from(idle.as_millis()).unwrap_or(u32::MAX);
    let unidirectional = if settings.transport == Transport::Https3 { HTTP3_STREAMS } else { 0 };
    transport
        .max_concurrent_bidi_streams(streams)
        .max_concurrent_uni_streams(unidirectional.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(WINDOW.into())
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(VarInt::from_u32(idle).into()));
    let mut config = quinn::ServerConfig::with_crypto(crypto);
    config
        .transport_config(Arc::new(transport))
        .max_incoming(MAX_INCOMING)
        .incoming_buffer_size(INCOMING_BUFFER)
        .incoming_buffer_size_total(INCOMING_BUFFERS);
    Some(config)
}

fn open(
    endpoint: &Endpoint,
    incoming: Incoming,
    service: &Arc<Service>,
    reading: &Reading,
    connections: &mut JoinSet<()>,
) {
    let metrics = service.responder.metrics();
    let arrival = arrival(endpoint, &incoming, service);
    let (client, local) = (arrival.client.ip(), arrival.local.ip());
    if !incoming.remote_address_validated() && service.connections.are_scarce(client) {
        metrics.quic_retries.inc();
        // It has not been validated, so that it may be.
        let _ = incoming.retry();
        return;
    }
    let place = match service.connections.admit(client, local, Instant::now()) {
        Ok((place, _)) => place,
        Err(full) => {
            let limit = match full {
                Full::Listener => "quic_connections",
                Full::Client => "quic_per_client",
            };
            metrics.refused.with_label_values(&[limit]).inc();
            incoming.refuse();
            return;
        }
    };
    let Some(config) = config(service) else { return incoming.refuse() };
    // The certificate and the limits of this moment.
    let connecting = match incoming.accept_with(Arc::new(config)) {
        Ok(connecting) => connecting,
        Err(error) => {
            tracing::debug!(%error, "a QUIC handshake failed");
            metrics.closed.with_label_values(&[Closing::Handshake.as_str()]).inc();
            return;
        }
    };
    // Forgets those that are closed.
    while connections.try_join_next().is_some() {}
    let (service, reading) = (Arc::clone(service), reading.clone());
    connections.spawn(async move {
        service.responder.metrics().quic_connections.inc();
        let closing = serve_connection(connecting, arrival, &service, place, reading).await;
        let metrics = service.responder.metrics();
        if let Some(closing) = closing {
            metrics.closed.with_label_values(&[closing.as_str()]).inc();
        }
        metrics.quic_connections.dec();
    });
}

fn arrival(endpoint: &Endpoint, incoming: &Incoming, service: &Service) -> Arrival {
    let client = canonical(incoming.remote_address());
    let bound = endpoint.local_addr().unwrap_or(client);
    let local = SocketAddr::new(incoming.local_ip().unwrap_or(bound.ip()), bound.port());
    let protocol = match service.settings().transport {
        Transport::Https3 => Protocol::Https3,
        _ => Protocol::Quic,
    };
    Arrival { client, local: canonical(local), protocol }
}

async fn serve_connection(
    connecting: Connecting,
    arrival: Arrival,
    service: &Arc<Service>,
    place: Place,
    mut reading: Reading,
) -> Option<Closing> {
    let limit = service.settings().read;
    let connection = tokio::select! {
        biased;
        () = reading.stopped() => return None,
        () = place.evicted() => return Some(Closing::Evicted),
        connected = tokio::time::timeout(limit, connecting) => match connected {
            Err(_) => return Some(Closing::Read),
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a QUIC handshake failed");
                return Some(Closing::Handshake);
            }
        },
    };
    if arrival.protocol == Protocol::Https3 {
        http3::serve(connection, arrival, service, place, reading).await
    } else {
        doq_connection::serve(connection, arrival, service, place, reading).await
    }
}

/// Ends a connection.
pub(super) fn close(connection: &quinn::Connection, code: Code) {
    connection.close(code.number().into(), b"");
}
