//! A query or a reply as a dnstap message (dnstap.proto of <https://dnstap.info>).

use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message as _;

use crate::plugin::Sent;
use crate::reply::{Exchange, Transport};
use crate::{Protocol, Query};

/// `Dnstap.Type` `MESSAGE`, the only one there is.
const MESSAGE: i32 = 1;

/// Who says something, in every message.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    /// The name of the server.
    pub(super) identity: Vec<u8>,
    /// The version of its software.
    pub(super) version: Vec<u8>,
}

/// `Message.Type`, those that are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A query as it came from a client.
    ClientQuery = 5,
    /// The reply that the client got.
    ClientResponse = 6,
    /// A query as it went to an upstream.
    ForwarderQuery = 7,
    /// The reply of an upstream.
    ForwarderResponse = 8,
}

/// The payload of a frame.
#[derive(Clone, PartialEq, prost::Message)]
struct Dnstap {
    #[prost(bytes = "vec", optional, tag = "1")]
    identity: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    version: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    extra: Option<Vec<u8>>,
    #[prost(message, optional, tag = "14")]
    message: Option<Message>,
    #[prost(int32, required, tag = "15")]
    kind: i32,
}

/// What happened.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Message {
    #[prost(int32, required, tag = "1")]
    kind: i32,
    #[prost(int32, optional, tag = "2")]
    socket_family: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    socket_protocol: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "4")]
    query_address: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    response_address: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "6")]
    query_port: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    response_port: Option<u32>,
    #[prost(uint64, optional, tag = "8")]
    query_time_sec: Option<u64>,
    #[prost(fixed32, optional, tag = "9")]
    query_time_nsec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "10")]
    query_message: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "12")]
    response_time_sec: Option<u64>,
    #[prost(fixed32, optional, tag = "13")]
    response_time_nsec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "14")]
    response_message: Option<Vec<u8>>,
}

impl Envelope {
    /// Returns the octets of a message with `extra` information.
    pub(super) fn seal(&self, message: Message, extra: Option<Vec<u8>>) -> Vec<u8> {
        let dnstap = Dnstap {
            identity: Some(self.identity.clone()),
            version: Some(self.version.clone()),
            extra,
            message: Some(message),
            kind: MESSAGE,
        };
        dnstap.encode_to_vec()
    }
}

/// Returns the message about a query of a client or about its reply, which was ready `now`; with the octets of
/// the DNS message when it shall be `full`.
pub(super) fn of_client(
    kind: Kind,
    query: &Query,
    sent: &Sent<'_>,
    now: SystemTime,
    full: bool,
) -> Message {
    let asked = now.checked_sub(sent.elapsed).unwrap_or(now);
    let message = Message {
        kind: kind as i32,
        socket_family: Some(if query.client.is_ipv4() { 1 } else { 2 }),
        socket_protocol: Some(protocol(query.protocol)),
        ..between(query.client, query.local, asked)
    };
    match kind {
        Kind::ClientResponse => {
            Message { response_message: full.then(|| sent.message.to_vec()), ..message }.at(now)
        }
        _ => Message { query_message: full.then(|| sent.question.to_vec()), ..message },
    }
}

/// Returns the message about the query that went to an upstream for a client, or about its reply. As with CoreDNS
/// the address of the query is that of the client.
pub(super) fn of_upstream(kind: Kind, query: &Query, exchange: &Exchange, full: bool) -> Message {
    let message = Message {
        kind: kind as i32,
        socket_protocol: Some(match exchange.transport {
            Transport::Udp => 1,
            Transport::Tcp => 2,
            Transport::Tls => 3,
            Transport::Https => 4,
        }),
        ..between(query.client, exchange.upstream, exchange.asked)
    };
    let messages = &exchange.messages;
    match kind {
        Kind::ForwarderResponse => {
            let message = message.at(exchange.answered);
            Message { response_message: full.then(|| messages.reply.clone()), ..message }
        }
        _ => Message { query_message: full.then(|| messages.question.clone()), ..message },
    }
}

/// Returns a message of no kind yet about a query from one address to another.
fn between(client: SocketAddr, server: SocketAddr, asked: SystemTime) -> Message {
    let (query_time_sec, query_time_nsec) = time(asked);
    Message {
        // That of the server: an upstream may have another one than the client.
        socket_family: Some(if server.is_ipv4() { 1 } else { 2 }),
        query_address: Some(address(client.ip())),
        query_port: Some(client.port().into()),
        response_address: Some(address(server.ip())),
        response_port: Some(server.port().into()),
        query_time_sec: Some(query_time_sec),
        query_time_nsec: Some(query_time_nsec),
        ..Message::default()
    }
}

impl Message {
    /// Returns the message with the time of the reply.
    fn at(self, answered: SystemTime) -> Self {
        let (response_time_sec, response_time_nsec) = time(answered);
        Self {
            response_time_sec: Some(response_time_sec),
            response_time_nsec: Some(response_time_nsec),
            ..self
        }
    }
}

/// Returns the `SocketProtocol`.
fn protocol(protocol: Protocol) -> i32 {
    match protocol {
        Protocol::Udp => 1,
        Protocol::Tcp => 2,
        Protocol::Tls => 3,
        Protocol::Https | Protocol::Https3 => 4,
        Protocol::Quic => 7,
    }
}

/// Returns an address in 4 or 16 octets.
fn address(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Returns seconds and nanoseconds since 1970.
fn time(time: SystemTime) -> (u64, u32) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_nanos())
}
