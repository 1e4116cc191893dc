//! The values of labels, each from a fixed set so that clients cannot make series.

use std::net::IpAddr;

use hickory_proto::rr::RecordType;

use crate::{Protocol, Query};

/// The types with a label of their own; every other is `other`.
const TYPES: [RecordType; 19] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::CNAME,
    RecordType::DNSKEY,
    RecordType::DS,
    RecordType::MX,
    RecordType::NSEC,
    RecordType::NSEC3,
    RecordType::NS,
    RecordType::PTR,
    RecordType::RRSIG,
    RecordType::SOA,
    RecordType::SRV,
    RecordType::TXT,
    RecordType::HTTPS,
    RecordType::SVCB,
    RecordType::IXFR,
    RecordType::AXFR,
    RecordType::ANY,
];

/// How many values of the label `proto` there are.
pub(super) const PROTOCOLS: usize = 2;

/// How many kinds of request there are.
pub(super) const REQUEST_KINDS: usize = PROTOCOLS * 2 * (TYPES.len() + 1);

/// The labels `proto`, `family` and `type` of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RequestKind {
    pub(super) protocol: Protocol,
    is_ipv6: bool,
    /// Into the types; their number stands for `other`.
    type_at: usize,
}

impl RequestKind {
    pub(super) fn of(query: &Query) -> Self {
        let is_type = |known: &RecordType| *known == query.qtype;
        Self {
            protocol: query.protocol,
            is_ipv6: matches!(query.client.ip().to_canonical(), IpAddr::V6(_)),
            type_at: TYPES.iter().position(is_type).unwrap_or(TYPES.len()),
        }
    }

    /// Returns a number below [`REQUEST_KINDS`], another one for each kind.
    pub(super) fn number(self) -> usize {
        let family = usize::from(self.is_ipv6);
        (protocol_number(self.protocol) * 2 + family) * (TYPES.len() + 1) + self.type_at
    }

    /// Returns the address family number of IANA: 1 for IPv4, 2 for IPv6.
    pub(super) fn family(self) -> &'static str {
        if self.is_ipv6 { "2" } else { "1" }
    }

    pub(super) fn record_type(self) -> &'static str {
        TYPES.get(self.type_at).map_or("other", |known| (*known).into())
    }
}

/// Returns a number below [`PROTOCOLS`].
pub(super) fn protocol_number(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Udp | Protocol::Quic | Protocol::Https3 => 0,
        Protocol::Tcp | Protocol::Tls | Protocol::Https => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plugin::testing::query;

    #[test]
    fn every_kind_has_its_own_number() {
        let mut numbers = BTreeSet::new();
        for qtype in TYPES.into_iter().chain([RecordType::CAA]) {
            for protocol in [Protocol::Udp, Protocol::Tcp] {
                for client in ["10.0.0.1:1", "[2001:db8::1]:1"] {
                    let client = client.parse().unwrap();
                    let kind = RequestKind::of(&Query { protocol, client, ..query(".", qtype) });
                    assert!(numbers.insert(kind.number()));
                }
            }
        }
        assert_eq!(numbers, (0..REQUEST_KINDS).collect());
    }

    #[test]
    fn values() {
        let mut question = query(".", RecordType::CAA);
        let kind = RequestKind::of(&question);
        assert_eq!((kind.record_type(), kind.family()), ("other", "1"));
        question.qtype = RecordType::HTTPS;
        question.client = "[::ffff:10.0.0.1]:1".parse().unwrap();
        let kind = RequestKind::of(&question);
        assert_eq!((kind.record_type(), kind.family()), ("HTTPS", "1"), "a mapped address is IPv4");
    }
}
