//! A question as it came in.

use std::net::SocketAddr;

use hickory_proto::op::Edns;
use hickory_proto::rr::{DNSClass, LowerName, Name, RecordType};

use crate::cookie::Cookie;

/// One question, with what of its message and its client decisions depend on.
#[derive(Clone, PartialEq, Debug)]
pub struct Query {
    /// The message id, echoed in the reply.
    pub id: u16,
    /// The qname in the case in which it was asked, echoed in the reply (draft-vixie-dnsext-dns0x20).
    pub name: Name,
    /// The qname in lower case, to compare with.
    pub lower: LowerName,
    /// The qtype.
    pub qtype: RecordType,
    /// The qclass.
    pub qclass: DNSClass,
    /// The RD bit, echoed in the reply (RFC 1035 §4.1.1).
    pub recursion_desired: bool,
    /// The CD bit, echoed in the reply (RFC 4035 §3.1.6).
    pub checking_disabled: bool,
    /// The AD bit (RFC 6840 §5.7).
    pub authentic_data: bool,
    /// The OPT record, if the message had one (RFC 6891), without COOKIE.
    pub edns: Option<Edns>,
    /// The COOKIE option, which is not among the options of `edns`: it is between the client and this server alone
    /// (RFC 7873 §5), and no part of what is kept or forwarded.
    pub cookie: Option<Cookie>,
    /// Who asks.
    pub client: SocketAddr,
    /// The address that the question was sent to.
    pub local: SocketAddr,
    /// The transport that carried it.
    pub protocol: Protocol,
    /// The size of the message in octets.
    pub size: usize,
}

/// The transport of a question.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// One datagram.
    Udp,
    /// A message with a length prefix on a connection (RFC 1035 §4.2.2, RFC 7766).
    Tcp,
    /// The same over TLS (RFC 7858).
    Tls,
    /// A request of HTTP/1.1 or HTTP/2 (RFC 8484).
    Https,
    /// A stream of a QUIC connection (RFC 9250).
    Quic,
    /// A request of HTTP/3 (RFC 8484, RFC 9114).
    Https3,
}

/// The largest reply without EDNS over UDP, in octets (RFC 1035 §4.2.1).
pub const MIN_PAYLOAD: u16 = 512;

/// The largest payload of a UDP datagram over IPv4, in octets: what the length field leaves beside the headers.
const MAX_DATAGRAM: u16 = 65_507;

impl Query {
    /// Returns the number of octets that a reply may have.
    ///
    /// Over UDP what the client advertises, at least 512 (RFC 6891 §6.2.3) and at most what a datagram holds;
    /// over everything else 65535.
    pub fn max_reply_size(&self) -> u16 {
        match self.protocol {
            Protocol::Udp => {
                let edns = self.edns.as_ref();
                edns.map_or(MIN_PAYLOAD, |edns| edns.max_payload().clamp(MIN_PAYLOAD, MAX_DATAGRAM))
            }
            _ => u16::MAX,
        }
    }

    /// Says whether the client asks for DNSSEC records (the DO bit, RFC 3225).
    pub fn dnssec_ok(&self) -> bool {
        self.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok)
    }

    /// Says whether the client has shown that it receives at its address, so that the address is not forged: by a
    /// connection, or by a server cookie (RFC 7873 §5.2.5).
    pub fn has_proven_address(&self) -> bool {
        let has_valid_cookie = || {
            let checked = self.cookie.and_then(|cookie| cookie.checked);
            checked.is_some_and(|checked| checked.is_valid)
        };
        self.protocol != Protocol::Udp || has_valid_cookie()
    }

    /// Returns the same question from the same client for another name and type, as the server asks
    /// itself to complete a CNAME.
    #[must_use]
    pub fn for_question(&self, name: Name, qtype: RecordType) -> Self {
        Self { lower: LowerName::new(&name), name, qtype, ..self.clone() }
    }
}

impl Protocol {
    /// Returns the name as CoreDNS's logs and metrics spell it: `udp` or `tcp`, whichever carries the octets.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp | Self::Quic | Self::Https3 => "udp",
            Self::Tcp | Self::Tls | Self::Https => "tcp",
        }
    }

    /// Says whether nobody on the way can read along.
    pub const fn is_encrypted(self) -> bool {
        match self {
            Self::Udp | Self::Tcp => false,
            Self::Tls | Self::Https | Self::Quic | Self::Https3 => true,
        }
    }
}
