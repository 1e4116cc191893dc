//! How long a reply may be kept by who carries it.

use super::HEADER;
use super::parse::Reader;

/// The TYPE of SOA (RFC 1035 §3.2.2).
const TYPE_SOA: u16 = 6;

/// Octets of the question behind its name.
const QUESTION_TAIL: usize = 4;

/// Returns the smallest TTL of the answer section of a reply, in seconds; without an answer the negative TTL of the
/// SOA record in the authority section (RFC 8484 §5.1, RFC 2308 §5). 0 when there is neither, as for a failure.
pub fn lifetime(reply: &[u8]) -> u32 {
    read(reply).unwrap_or(0)
}

fn read(reply: &[u8]) -> Option<u32> {
    let mut header = Reader { message: reply, at: 4 };
    let [questions, answers, authorities] = [header.u16()?, header.u16()?, header.u16()?];
    let mut reader = Reader { message: reply, at: HEADER };
    for _ in 0..questions {
        reader.skip_name()?;
        reader.take(QUESTION_TAIL)?;
    }
    let mut smallest = None;
    for _ in 0..answers {
        let ttl = reader.record()?.ttl;
        smallest = Some(smallest.map_or(ttl, |smallest: u32| smallest.min(ttl)));
    }
    if smallest.is_some() {
        return smallest;
    }
    for _ in 0..authorities {
        let record = reader.record()?;
        if record.rtype == TYPE_SOA {
            let minimum = record.data.last_chunk::<4>()?;
            return Some(record.ttl.min(u32::from_be_bytes(*minimum)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use hickory_proto::op::{Message, MessageType, OpCode, Query};
    use hickory_proto::rr::rdata::{A, SOA};
    use hickory_proto::rr::{Name, RData, Record, RecordType};

    use super::*;

    fn message() -> Message {
        let mut message = Message::new(0, MessageType::Response, OpCode::Query);
        message.add_query(Query::query(Name::from_str("a.example.").unwrap(), RecordType::A));
        message
    }

    fn address(ttl: u32) -> Record {
        let name = Name::from_str("a.example.").unwrap();
        Record::from_rdata(name, ttl, RData::A(A::new(10, 0, 0, 1)))
    }

    fn soa(ttl: u32, minimum: u32) -> Record {
        let name = Name::from_str("example.").unwrap();
        let soa = SOA::new(name.clone(), name.clone(), 1, 2, 3, 4, minimum);
        Record::from_rdata(name, ttl, RData::SOA(soa))
    }

    #[test]
    fn the_smallest_of_the_answer() {
        let mut message = message();
        message.add_answers([address(300), address(5), address(60)]);
        message.add_authority(soa(1, 1));
        assert_eq!(lifetime(&message.to_vec().unwrap()), 5);
    }

    #[test]
    fn without_an_answer_that_of_the_denial() {
        for (ttl, minimum) in [(30, 60), (60, 30)] {
            let mut message = message();
            message.add_authority(soa(ttl, minimum));
            assert_eq!(lifetime(&message.to_vec().unwrap()), 30);
        }
        assert_eq!(lifetime(&message().to_vec().unwrap()), 0);
    }

    #[test]
    fn octets_that_end_early_live_for_nothing() {
        let mut message = message();
        message.add_answer(address(300));
        let octets = message.to_vec().unwrap();
        for length in 0..octets.len() {
            assert_eq!(lifetime(&octets[..length]), 0, "{length} octets");
        }
    }
}
