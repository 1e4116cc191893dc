//! From the replies to an AAAA and an A question to the translated one.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::AAAA;
use hickory_proto::rr::{RData, Record, RecordType};

use super::Prefix;
use crate::Reply;

/// The longest TTL of a made record when no SOA tells one, in seconds (RFC 6147 §5.1.7).
const MAX_TTL: u32 = 600;

/// Takes IPv6 addresses that only stand for IPv4 ones (`::ffff:0:0/96`) out of a reply: nobody reaches them
/// (RFC 6147 §5.1.4).
pub(super) fn without_mapped(mut reply: Reply) -> Reply {
    let is_mapped = |record: &Record| match &record.data {
        RData::AAAA(address) => address.0.to_ipv4_mapped().is_some(),
        _ => false,
    };
    reply.answers.retain(|record| !is_mapped(record));
    reply
}

/// Says whether a reply has IPv6 addresses. An error counts as none (RFC 6147 §5.1.2).
pub(super) fn has_ipv6(reply: &Reply) -> bool {
    has(reply, RecordType::AAAA)
}

/// Says whether a reply has IPv4 addresses to translate.
pub(super) fn has_addresses(reply: &Reply) -> bool {
    has(reply, RecordType::A)
}

fn has(reply: &Reply, rtype: RecordType) -> bool {
    reply.rcode == ResponseCode::NoError
        && reply.answers.iter().any(|record| record.record_type() == rtype)
}

/// Returns the reply with A records with an AAAA record in the place of each (RFC 6147 §5.1.7, §5.3).
///
/// Everything else of the reply stays, CNAMEs too; but it is not authentic any more. The TTL of a made record is
/// at most that of the SOA which came instead of IPv6 addresses.
pub(super) fn synthesize(prefix: Prefix, ipv6: &Reply, mut ipv4: Reply) -> Reply {
    let is_soa = |record: &&Record| record.record_type() == RecordType::SOA;
    let negative = ipv6.authorities.iter().find(is_soa);
    let max_ttl = negative.map_or(MAX_TTL, |soa| soa.ttl);
    for record in &mut ipv4.answers {
        if let RData::A(address) = record.data {
            record.data = RData::AAAA(AAAA(prefix.embed(address.0)));
            record.ttl = record.ttl.min(max_ttl);
        }
    }
    ipv4.authentic_data = false;
    ipv4
}
