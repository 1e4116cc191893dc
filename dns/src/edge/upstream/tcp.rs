//! Questions and their replies on a connection by TCP (RFC 1035 §4.2.2, RFC 7766) or TLS (RFC 7858).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

use super::tls::TlsClient;
use super::{Carriage, ExchangeError, IgnoredMessages};
use crate::Reply;
use crate::plugin::forward::answer::{self, Extent, NotOurs};
use crate::plugin::forward::request::Request;

/// A connection to an upstream. It carries one question at a time, so that a slow answer holds up no other.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    carriage: Carriage,
    /// When it was made.
    pub(super) made: Instant,
    /// When it was last used.
    pub(super) used: Instant,
}

/// Octets in both directions, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> Stream for T {}

impl Connection {
    /// Connects, and encrypts when there is a client for it.
    pub(super) async fn open(
        address: SocketAddr,
        source: Option<IpAddr>,
        tls: Option<&TlsClient>,
        deadline: Instant,
    ) -> Result<Self, ExchangeError> {
        let since = Instant::now();
        let open = open(address, source, tls);
        match timeout_at(deadline, open).await {
            Ok(opened) => {
                let (stream, carriage) = opened?;
                Ok(Self { stream, carriage, made: since, used: since })
            }
            Err(_) => Err(IgnoredMessages::default().timed_out(since)),
        }
    }

    /// Asks. After an error the connection is not to be used again.
    pub(super) async fn exchange(
        &mut self,
        request: &Request,
        deadline: Instant,
    ) -> Result<Reply, ExchangeError> {
        let (since, mut ignored) = (Instant::now(), IgnoredMessages::default());
        match timeout_at(deadline, self.ask(request, &mut ignored)).await {
            Ok(reply) => {
                self.used = Instant::now();
                reply
            }
            Err(_) => Err(ignored.timed_out(since)),
        }
    }

    /// Says whether the server has kept the connection open and sent nothing: what it sends without being
    /// asked is nothing to build on.
    pub(super) fn is_quiet(&mut self) -> bool {
        let (mut octet, mut context) = ([0], Context::from_waker(Waker::noop()));
        let mut buffer = ReadBuf::new(&mut octet);
        let read = Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer);
        matches!(read, Poll::Pending)
    }

    async fn ask(
        &mut self,
        request: &Request,
        ignored: &mut IgnoredMessages,
    ) -> Result<Reply, ExchangeError> {
        let sent = request.sending(rand::random(), rand::random);
        self.stream.write_all(&with_length(sent.octets())?).await?;
        loop {
            let message = self.read_message().await?;
            match answer::read(&message, &sent, Extent::Whole) {
                Ok(reply) => return Ok(reply),
                Err(NotOurs::Id) => ignored.add(NotOurs::Id),
                // Nobody else can write into the connection, so it is the server that is wrong.
                Err(why) => return Err(ExchangeError::NotDns(why, self.carriage)),
            }
        }
    }

    async fn read_message(&mut self) -> io::Result<Vec<u8>> {
        let mut message = vec![0; usize::from(self.stream.read_u16().await?)];
        self.stream.read_exact(&mut message).await?;
        Ok(message)
    }
}

async fn open(
    address: SocketAddr,
    source: Option<IpAddr>,
    tls: Option<&TlsClient>,
) -> Result<(Box<dyn Stream>, Carriage), ExchangeError> {
    let stream = connect(address, source).await?;
    match tls {
        None => Ok((Box::new(stream), Carriage::Tcp)),
        Some(tls) => Ok((Box::new(tls.connect(stream).await?), Carriage::Tls)),
    }
}

/// Makes a TCP connection.
pub(super) async fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(address).await?;
    // A message is written at once and nothing follows it.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Puts the length before a message, so that both leave in one segment (RFC 7766 §8).
fn with_length(message: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(message.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the query is too long"))?;
    Ok([&length.to_be_bytes()[..], message].concat())
}
