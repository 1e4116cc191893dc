//! Upstreams that say what a test wants.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use crate::Protocol;

/// Returns the address of a server that takes datagrams and never answers, and what keeps it so.
pub(super) fn black_hole() -> (std::net::UdpSocket, SocketAddr) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Returns an address where nobody listens: no test takes a port other than of 127.0.0.1.
pub(super) fn closed_port(host: u8) -> SocketAddr {
    SocketAddr::from(([127, 9, 9, host], 9))
}

/// What an upstream does with a query.
pub(super) type Script = dyn Fn(Seen) -> Vec<Vec<u8>> + Send + Sync;

/// A query as an upstream sees it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) message: Message,
    pub(super) protocol: Protocol,
    pub(super) from: SocketAddr,
}

/// An upstream on a loopback port, by UDP and TCP.
pub(super) struct FakeUpstream {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl FakeUpstream {
    /// Starts an upstream; the script returns the messages to send for a query, none to stay silent.
    pub(super) async fn start(
        script: impl Fn(Seen) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::with_connections(usize::MAX, script).await
    }

    /// Starts an upstream that closes a TCP connection after so many queries; with 0 it takes none.
    pub(super) async fn with_connections(
        queries: usize,
        script: impl Fn(Seen) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::serving(sockets().await, queries, script)
    }

    /// Starts an upstream at this address; none if its port is taken.
    pub(super) async fn start_at(
        address: SocketAddr,
        script: impl Fn(Seen) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Option<Self> {
        let udp = UdpSocket::bind(address).await.ok()?;
        let tcp = TcpListener::bind(address).await.ok()?;
        Some(Self::serving((udp, tcp), usize::MAX, script))
    }

    fn serving(
        (udp, tcp): (UdpSocket, TcpListener),
        queries: usize,
        script: impl Fn(Seen) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let address = udp.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(record(Arc::clone(&seen), script));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&script)));
        if queries > 0 {
            tasks.spawn(serve_tcp(tcp, queries, script));
        }
        Self { address, seen, _tasks: tasks }
    }

    /// Starts an upstream that answers everything with an rcode and no records.
    pub(super) async fn with_rcode(rcode: ResponseCode) -> Self {
        Self::start(move |seen| {
            let mut reply = reply_to(&seen.message);
            reply.answers.clear();
            reply.metadata.response_code = rcode;
            vec![reply.to_vec().unwrap()]
        })
        .await
    }

    /// Starts an upstream that answers everything with an address.
    pub(super) async fn good() -> Self {
        Self::start(|seen| vec![reply_to(&seen.message).to_vec().unwrap()]).await
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns the queries that were no probes.
    pub(super) fn asked(&self) -> usize {
        let is_probe = |seen: &&Seen| seen.message.queries[0].query_type == RecordType::NS;
        self.seen.lock().unwrap().iter().filter(|seen| !is_probe(seen)).count()
    }
}

/// Returns the reply with one address record.
pub(super) fn reply_to(query: &Message) -> Message {
    let mut reply = query.clone();
    reply.metadata.message_type = MessageType::Response;
    reply.metadata.recursion_available = true;
    reply.edns = None;
    let address = RData::A(A::new(192, 0, 2, 1));
    reply.answers = vec![Record::from_rdata(query.queries[0].name.clone(), 60, address)];
    reply
}

fn record(
    seen_so_far: Arc<Mutex<Vec<Seen>>>,
    script: impl Fn(Seen) -> Vec<Vec<u8>>,
) -> impl Fn(Seen) -> Vec<Vec<u8>> {
    move |seen| {
        seen_so_far.lock().unwrap().push(seen.clone());
        script(seen)
    }
}

/// Returns sockets of both kinds on one port.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        // The port may be taken for TCP; then another one will do.
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

async fn serve_udp(socket: UdpSocket, script: Arc<Script>) {
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let message = Message::from_vec(&buffer[..length]).unwrap();
        for reply in script(Seen { message, protocol: Protocol::Udp, from }) {
            socket.send_to(&reply, from).await.unwrap();
        }
    }
}

async fn serve_tcp(listener: TcpListener, queries: usize, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, from)) = listener.accept().await {
        let script = Arc::clone(&script);
        connections.spawn(async move {
            // An error is the client's hanging up.
            let _ = serve_connection(stream, from, queries, script).await;
        });
    }
}

/// Answers the questions of a connection, each with its length before it.
pub(super) async fn serve_connection(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    from: SocketAddr,
    queries: usize,
    script: Arc<Script>,
) -> io::Result<()> {
    for _ in 0..queries {
        let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut bytes).await?;
        let message = Message::from_vec(&bytes).unwrap();
        for reply in script(Seen { message, protocol: Protocol::Tcp, from }) {
            stream.write_u16(u16::try_from(reply.len()).unwrap()).await?;
            stream.write_all(&reply).await?;
        }
    }
    Ok(())
}
