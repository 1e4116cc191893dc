//! One question and its reply by UDP (RFC 1035 §4.2.1).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, recv};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::{ExchangeError, IgnoredMessages};
use crate::Reply;
use crate::plugin::forward::answer::{self, Extent};
use crate::plugin::forward::request::Request;
use crate::plugin::forward::sending::Sending;

/// The least that is received, in octets, so that a server that ignores the question's limit is understood.
const MIN_BUFFER: usize = 4096;

/// Asks from a socket of its own.
///
/// The system chooses its port at random and the generator of the thread, which is cryptographic, the id: both
/// have to be guessed by who wants to answer instead (RFC 5452 §9.2). The socket is connected, so the system
/// drops what comes from elsewhere and reports a closed port at once.
pub(super) async fn exchange(
    address: SocketAddr,
    source: Option<IpAddr>,
    request: &Request,
    deadline: Instant,
) -> Result<Reply, ExchangeError> {
    let (since, mut ignored) = (Instant::now(), IgnoredMessages::default());
    let socket = connect(address, source).await?;
    let sent = request.sending(rand::random(), rand::random);
    socket.send(sent.octets()).await?;
    let size = MIN_BUFFER.max(usize::from(request.max_reply()));
    match timeout_at(deadline, receive(&socket, &sent, size, &mut ignored)).await {
        Ok(reply) => Ok(reply?),
        Err(_) => Err(ignored.timed_out(since)),
    }
}

async fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((source.unwrap_or(any), 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}

/// Waits for the reply to our question and ignores everything else.
async fn receive(
    socket: &UdpSocket,
    sent: &Sending<'_>,
    size: usize,
    ignored: &mut IgnoredMessages,
) -> io::Result<Reply> {
    let mut buffer = Vec::new();
    loop {
        let (received, length) = receive_one(socket, &mut buffer, size).await?;
        let extent = if length > received { Extent::Beginning } else { Extent::Whole };
        let message = buffer.get(..received).unwrap_or_default();
        match answer::read(message, sent, extent) {
            Ok(reply) => return Ok(reply),
            Err(why) => ignored.add(why),
        }
    }
}

/// Waits for a datagram or an error; returns how much of it was received, and its length.
async fn receive_one(
    socket: &UdpSocket,
    buffer: &mut Vec<u8>,
    size: usize,
) -> io::Result<(usize, usize)> {
    // An ICMP error makes a socket ready for errors but not for reading, which is all that `UdpSocket::recv`
    // waits for.
    let either = Interest::READABLE.add(Interest::ERROR);
    let receive = || {
        // The buffer is made when there is something to put into it: most of an exchange is waiting.
        buffer.resize(size, 0);
        let length = recv(socket.as_raw_fd(), buffer.as_mut_slice(), MsgFlags::MSG_TRUNC)?;
        Ok((length.min(size), length))
    };
    socket.async_io(either, receive).await
}
