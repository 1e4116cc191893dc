//! DNS over UDP.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::datagram::{Datagram, DatagramSocket};
use super::responder::Received;
use super::service::Service;
use super::stop::Reading;
use super::waiting::WaitingPlace;
use crate::Protocol;
use crate::wire::Arrival;

/// The longest datagram.
const MAX_DATAGRAM: usize = 65_535;

/// An answer that took longer gives its thread to others before the next one.
const LONG: Duration = Duration::from_micros(200);

/// How many datagrams are answered that came in before the stop signal, by each receiver.
const MOST_QUEUED: usize = 16_384;

/// How long a datagram may take inside of the kernel from the choice of its socket to the queue.
const STRAGGLERS: Duration = Duration::from_millis(50);

type Answering = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>>;

/// Receives on a socket until the stop signal, as one of several, then waits for the questions under way.
///
/// Several receive on one socket so that an answer that takes long holds up none of the others.
pub(super) async fn serve(
    socket: Arc<DatagramSocket>,
    service: Arc<Service>,
    mut reading: Reading,
) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    let mut repeated = Vec::new();
    let mut waiting = JoinSet::new();
    loop {
        let received = tokio::select! {
            biased;
            () = reading.stopped() => break,
            received = socket.receive(&mut buffer) => received,
        };
        match received {
            Ok(datagram) => {
                let message = &buffer[..datagram.length];
                handle(&socket, datagram, message, &service, &mut waiting, &mut repeated).await;
            }
            // An ICMP error for an earlier reply, or no memory for a moment: neither ends the service.
            Err(error) => {
                tracing::debug!(%error, "receiving over UDP failed");
                tokio::task::yield_now().await;
            }
        }
    }
    socket.receive_no_more().await;
    answer_queued(&socket, &service, &mut buffer, &mut waiting).await;
    drop(reading);
    // The kernel may have chosen this socket for a datagram just before, and queue it just now.
    tokio::time::sleep(STRAGGLERS).await;
    answer_queued(&socket, &service, &mut buffer, &mut waiting).await;
    while waiting.join_next().await.is_some() {}
}

/// Answers the datagrams that are there.
async fn answer_queued(
    socket: &Arc<DatagramSocket>,
    service: &Arc<Service>,
    buffer: &mut [u8],
    waiting: &mut JoinSet<()>,
) {
    let mut repeated = Vec::new();
    for _ in 0..MOST_QUEUED {
        let Ok(datagram) = socket.receive_queued(buffer) else { return };
        let message = &buffer[..datagram.length];
        handle(socket, datagram, message, service, waiting, &mut repeated).await;
    }
}

/// Answers at once what can be answered from memory; the rest moves to a task of its own.
async fn handle(
    socket: &Arc<DatagramSocket>,
    datagram: Datagram,
    message: &[u8],
    service: &Arc<Service>,
    waiting: &mut JoinSet<()>,
    repeated: &mut Vec<u8>,
) {
    let start = Instant::now();
    let arrival = Arrival {
        client: canonical(datagram.from),
        local: canonical(datagram.to),
        protocol: Protocol::Udp,
    };
    let responder = &service.responder;
    if datagram.dropped > 0 {
        responder.metrics().udp_dropped.inc_by(datagram.dropped.into());
    }
    let question = match responder.receive(service.id, message, arrival, repeated) {
        Received::Repeated => return send(socket, &datagram, repeated).await,
        Received::Reply(reply) => return send_any(socket, &datagram, reply).await,
        Received::Question(question) => question,
    };
    let mut answering: Answering = Box::pin(Arc::clone(responder).answer(service.id, question));
    match futures_util::poll!(answering.as_mut()) {
        Poll::Ready(reply) => send_any(socket, &datagram, reply).await,
        Poll::Pending => {
            let whose = responder.whose(service.id, message, arrival);
            match service.waiting.enter(whose) {
                Some(place) => {
                    // Forgets those that are through.
                    while waiting.try_join_next().is_some() {}
                    waiting.spawn(wait(Arc::clone(socket), datagram, answering, place));
                }
                None => {
                    responder.metrics().refused.with_label_values(&["udp_waiting"]).inc();
                    let reply = responder.overloaded(service.id, message, arrival, start);
                    send_any(socket, &datagram, reply).await;
                }
            }
        }
    }
    if start.elapsed() > LONG {
        tokio::task::yield_now().await;
    }
}

async fn wait(
    socket: Arc<DatagramSocket>,
    datagram: Datagram,
    answering: Answering,
    place: WaitingPlace,
) {
    let reply = answering.await;
    send_any(&socket, &datagram, reply).await;
    drop(place);
}

async fn send_any(socket: &DatagramSocket, datagram: &Datagram, reply: Option<Vec<u8>>) {
    if let Some(message) = reply {
        send(socket, datagram, &message).await;
    }
}

async fn send(socket: &DatagramSocket, datagram: &Datagram, message: &[u8]) {
    if let Err(error) = socket.reply(datagram, message).await {
        // The client is out of reach, or the question came from a forged address.
        tracing::debug!(client = %datagram.from, %error, "a reply over UDP could not be sent");
    }
}

/// Takes an IPv4 address out of its IPv6 mapping.
pub(super) fn canonical(address: std::net::SocketAddr) -> std::net::SocketAddr {
    std::net::SocketAddr::new(address.ip().to_canonical(), address.port())
}
