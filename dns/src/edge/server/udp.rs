//! DNS over UDP.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::datagram::{Datagram, DatagramSocket};
use super::stop::Reading;
use super::{Limits, Responder};
use crate::Protocol;
use crate::engine::ListenerId;
use crate::wire::Arrival;

/// The longest datagram.
const MAX_DATAGRAM: usize = 65_535;

type Answering = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>>;

/// Serves a socket until the stop signal, then waits for the questions under way.
pub(super) async fn serve(
    socket: DatagramSocket,
    listener: ListenerId,
    responder: Arc<Responder>,
    limits: Limits,
    mut reading: Reading,
) {
    let socket = Arc::new(socket);
    let waiting = Arc::new(Semaphore::new(limits.udp_waiting));
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let received = tokio::select! {
            biased;
            () = reading.stopped() => break,
            received = socket.receive(&mut buffer) => received,
        };
        match received {
            Ok(datagram) => {
                let message = &buffer[..datagram.length];
                handle(&socket, datagram, message, listener, &responder, &waiting).await;
            }
            // An ICMP error for an earlier reply, or no memory for a moment: neither ends the service.
            Err(error) => {
                tracing::debug!(%error, "receiving over UDP failed");
                tokio::task::yield_now().await;
            }
        }
    }
    socket.receive_no_more().await;
    while let Ok(datagram) = socket.receive_queued(&mut buffer) {
        let message = &buffer[..datagram.length];
        handle(&socket, datagram, message, listener, &responder, &waiting).await;
    }
    drop(reading);
    // Every permit comes back when its question is answered.
    let all = u32::try_from(limits.udp_waiting).unwrap_or(u32::MAX);
    let _ = waiting.acquire_many(all).await;
}

/// Answers at once what can be answered from memory; the rest moves to a task of its own.
async fn handle(
    socket: &Arc<DatagramSocket>,
    datagram: Datagram,
    message: &[u8],
    listener: ListenerId,
    responder: &Arc<Responder>,
    waiting: &Arc<Semaphore>,
) {
    let arrival = Arrival {
        client: canonical(datagram.from),
        local: canonical(datagram.to),
        protocol: Protocol::Udp,
    };
    let mut answering: Answering = {
        let (responder, message) = (Arc::clone(responder), message.to_vec());
        Box::pin(async move { responder.respond(listener, &message, arrival).await })
    };
    match futures_util::poll!(answering.as_mut()) {
        Poll::Ready(reply) => send(socket, &datagram, reply).await,
        Poll::Pending => match Arc::clone(waiting).try_acquire_owned() {
            Ok(permit) => {
                wait(Arc::clone(socket), datagram, answering, permit, Arc::clone(responder))
            }
            Err(_) => {
                responder.metrics().refused.with_label_values(&["udp_waiting"]).inc();
                send(socket, &datagram, responder.overloaded(message, arrival)).await;
            }
        },
    }
}

fn wait(
    socket: Arc<DatagramSocket>,
    datagram: Datagram,
    answering: Answering,
    permit: OwnedSemaphorePermit,
    responder: Arc<Responder>,
) {
    tokio::spawn(async move {
        responder.metrics().udp_waiting.inc();
        let reply = answering.await;
        send(&socket, &datagram, reply).await;
        responder.metrics().udp_waiting.dec();
        drop(permit);
    });
}

async fn send(socket: &DatagramSocket, datagram: &Datagram, reply: Option<Vec<u8>>) {
    let Some(message) = reply else { return };
    if let Err(error) = socket.reply(datagram, &message).await {
        // The client is out of reach, or the question came from a forged address.
        tracing::debug!(client = %datagram.from, %error, "a reply over UDP could not be sent");
    }
}

/// Takes an IPv4 address out of its IPv6 mapping.
pub(super) fn canonical(address: std::net::SocketAddr) -> std::net::SocketAddr {
    std::net::SocketAddr::new(address.ip().to_canonical(), address.port())
}
