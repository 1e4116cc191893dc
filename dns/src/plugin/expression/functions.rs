//! What an expression can ask about a query.

use std::net::{IpAddr, SocketAddr};

use super::facts::{Type, Value};
use crate::plugin::mnemonic;
use crate::query::MIN_PAYLOAD;
use crate::{Protocol, Query};

/// A function without arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Field {
    Bufsize,
    Class,
    ClientIp,
    DnssecOk,
    Id,
    Name,
    Opcode,
    Port,
    Protocol,
    ServerIp,
    ServerPort,
    Size,
    QueryType,
}

/// Every function without arguments, as CoreDNS spells it.
const FIELDS: [(&str, Field, Type); 13] = [
    ("bufsize", Field::Bufsize, Type::Number),
    ("class", Field::Class, Type::Text),
    ("client_ip", Field::ClientIp, Type::Text),
    ("do", Field::DnssecOk, Type::Bool),
    ("id", Field::Id, Type::Number),
    ("name", Field::Name, Type::Text),
    ("opcode", Field::Opcode, Type::Number),
    ("port", Field::Port, Type::Text),
    ("proto", Field::Protocol, Type::Text),
    ("server_ip", Field::ServerIp, Type::Text),
    ("server_port", Field::ServerPort, Type::Text),
    ("size", Field::Size, Type::Number),
    ("type", Field::QueryType, Type::Text),
];

/// The functions as an error lists them.
pub(super) const FUNCTIONS: &str = "bufsize(), class(), client_ip(), do(), id(), incidr(ip, cidr), \
    metadata(label), name(), opcode(), port(), proto(), server_ip(), server_port(), size(), type(), int(text), \
    len(text), lower(text), replace(text, old, new), string(value), trim(text), upper(text), and all, any, none and \
    one of a list";

impl Field {
    /// Returns the function of this name and the type of its value.
    pub(super) fn named(name: &str) -> Option<(Self, Type)> {
        let found = FIELDS.iter().find(|(known, ..)| *known == name);
        found.map(|(_, field, kind)| (*field, *kind))
    }

    /// Returns the value for a query.
    pub(super) fn of(self, query: &Query) -> Value<'_> {
        match self {
            Self::Bufsize => Value::Number(bufsize(query)),
            Self::Class => Value::Text(mnemonic::class(query.qclass)),
            Self::ClientIp => Value::text(bracketed(query.client)),
            Self::DnssecOk => Value::Bool(query.dnssec_ok()),
            Self::Id => Value::Number(query.id.into()),
            Self::Name => Value::text(query.lower.to_string()),
            // Nothing but QUERY gets here.
            Self::Opcode => Value::Number(0),
            Self::Port => Value::text(query.client.port().to_string()),
            Self::Protocol => Value::Text(query.protocol.as_str().into()),
            Self::ServerIp => Value::text(bracketed(query.local)),
            Self::ServerPort => Value::text(query.local.port().to_string()),
            Self::Size => Value::Number(i64::try_from(query.size).unwrap_or(i64::MAX)),
            Self::QueryType => Value::Text(mnemonic::record_type(query.qtype)),
        }
    }

    /// Returns the address that the function names, without making text of it.
    pub(super) fn address(self, query: &Query) -> Option<IpAddr> {
        match self {
            Self::ClientIp => Some(query.client.ip().to_canonical()),
            Self::ServerIp => Some(query.local.ip().to_canonical()),
            _ => None,
        }
    }
}

/// Returns the size of reply that the client takes, in octets.
fn bufsize(query: &Query) -> i64 {
    match (query.protocol, &query.edns) {
        (Protocol::Udp, Some(edns)) => edns.max_payload().max(MIN_PAYLOAD).into(),
        (Protocol::Udp, None) => MIN_PAYLOAD.into(),
        (_, _) => u16::MAX.into(),
    }
}

/// Returns an address as URLs have it: IPv6 in brackets (RFC 3986 §3.2.2).
fn bracketed(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Reads an address with or without brackets.
pub(super) fn parse_address(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    inner.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}
