//! DNS over TCP (RFC 1035 §4.2.2, RFC 7766): many questions on a connection, each answered as soon as its
//! answer is there.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::stop::Reading;
use super::udp::canonical;
use super::{Limits, Responder};
use crate::Protocol;
use crate::engine::ListenerId;
use crate::wire::Arrival;

/// How long no connection is accepted after accepting failed: usually the process has no file descriptor
/// left, and trying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a listener until the stop signal, then waits for the questions under way.
pub(super) async fn serve(
    tcp: TcpListener,
    listener: ListenerId,
    responder: Arc<Responder>,
    limits: Limits,
    mut reading: Reading,
) {
    let connections = Arc::new(Semaphore::new(limits.tcp_connections));
    loop {
        let accepted = tokio::select! {
            biased;
            () = reading.stopped() => break,
            accepted = tcp.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "accepting a TCP connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            responder.metrics().refused.with_label_values(&["tcp_connections"]).inc();
            continue;
        };
        let (responder, reading) = (Arc::clone(&responder), reading.clone());
        tokio::spawn(async move {
            responder.metrics().tcp_connections.inc();
            // How a client goes away is its own business.
            let _ = connection(stream, listener, &responder, limits, reading).await;
            responder.metrics().tcp_connections.dec();
            drop(permit);
        });
    }
    drop((tcp, reading));
    let all = u32::try_from(limits.tcp_connections).unwrap_or(u32::MAX);
    let _ = connections.acquire_many(all).await;
}

/// Serves a connection until the client closes it, stays idle or stops reading.
async fn connection(
    stream: TcpStream,
    listener: ListenerId,
    responder: &Arc<Responder>,
    limits: Limits,
    mut reading: Reading,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let arrival = Arrival {
        client: canonical(stream.peer_addr()?),
        local: canonical(stream.local_addr()?),
        protocol: Protocol::Tcp,
    };
    let (mut reader, writer) = stream.into_split();
    let (replies, outgoing) = mpsc::channel(limits.tcp_pipelined);
    let writing = tokio::spawn(write_replies(writer, outgoing, limits.tcp_write));
    let pipelined = Arc::new(Semaphore::new(limits.tcp_pipelined));
    loop {
        // Not read while many are under way: the client's own window holds it back.
        let Ok(permit) = Arc::clone(&pipelined).acquire_owned().await else { break };
        let message = tokio::select! {
            biased;
            () = reading.stopped() => break,
            () = replies.closed() => break,
            message = read_message(&mut reader, &limits) => message,
        };
        let Ok(message) = message else { break };
        let (responder, replies) = (Arc::clone(responder), replies.clone());
        tokio::spawn(async move {
            // Nobody reads what a client that has gone away asked for.
            if replies.is_closed() {
                return;
            }
            if let Some(reply) = responder.respond(listener, &message, arrival).await {
                // The writer may have given up on the client.
                let _ = replies.send(reply).await;
            }
            drop(permit);
        });
    }
    drop(reading);
    // The writer ends when every question under way has given its reply away.
    drop(replies);
    writing.await.map_err(io::Error::other)?
}

async fn read_message(reader: &mut OwnedReadHalf, limits: &Limits) -> io::Result<Vec<u8>> {
    let length = timeout(limits.tcp_idle, reader.read_u16()).await??;
    let mut message = vec![0; usize::from(length)];
    timeout(limits.tcp_read, reader.read_exact(&mut message)).await??;
    Ok(message)
}

async fn write_replies(
    mut writer: OwnedWriteHalf,
    mut outgoing: mpsc::Receiver<Vec<u8>>,
    limit: Duration,
) -> io::Result<()> {
    while let Some(reply) = outgoing.recv().await {
        let Ok(length) = u16::try_from(reply.len()) else { continue };
        // One write: a length that travels alone costs the client a packet (RFC 7766 §8).
        let mut framed = Vec::with_capacity(2 + reply.len());
        framed.extend(length.to_be_bytes());
        framed.extend(reply);
        timeout(limit, writer.write_all(&framed)).await??;
    }
    writer.shutdown().await
}
