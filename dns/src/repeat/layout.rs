//! Where in a reply the few octets are that change from one repetition to the next.

use std::ops::Range;

use crate::wire::HEADER;

/// What may change in a message: found once, when the reply is kept.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Layout {
    /// Where the serials of SOA records are.
    pub(crate) serials: Vec<u16>,
    /// Where the TTLs of records are, but for that of OPT, which is none.
    pub(crate) ttls: Vec<u16>,
    /// The addresses of the answer and of the additional section, where there are several: records next to each
    /// other that may change places.
    pub(crate) addresses: Vec<Vec<Range<u16>>>,
}

const TYPE_A: u16 = 1;
const TYPE_SOA: u16 = 6;
const TYPE_MX: u16 = 15;
const TYPE_AAAA: u16 = 28;
const TYPE_OPT: u16 = 41;

/// Octets of a record between its owner and its data.
const FIXED: usize = 10;

impl Layout {
    /// Reads a reply that was encoded here. None when it has records that `loadbalance` would order and that cannot
    /// change places as octets, or when it is no message.
    pub(crate) fn of(message: &[u8], is_ordered: bool) -> Option<Self> {
        let count = |at: usize| word(message, at);
        let mut at = after_name(message, HEADER)? + 4;
        let mut layout = Self::default();
        for (place, is_of_addresses) in [(6, true), (8, false), (10, true)] {
            let mut section = Vec::new();
            for _ in 0..count(place)? {
                let record = Record::at(message, at)?;
                at = record.end;
                layout.serials.extend(record.serial_at(message));
                layout.ttls.extend(record.ttl_at());
                section.push(record);
            }
            if is_ordered && is_of_addresses {
                layout.addresses.extend(movable(message, &section)?);
            }
        }
        (at == message.len()).then_some(layout)
    }
}

/// Returns the addresses of a section that may change places; none in it when there are fewer than two.
fn movable(message: &[u8], section: &[Record]) -> Option<Option<Vec<Range<u16>>>> {
    if section.iter().filter(|record| record.kind == TYPE_MX).count() > 1 {
        return None;
    }
    let addresses: Vec<_> = section.iter().filter(|record| record.is_address()).collect();
    let [first, _, ..] = addresses.as_slice() else { return Some(None) };
    // Nothing else may stand between them, and no name is written in them that others point at.
    let are_neighbours = addresses.windows(2).all(|pair| pair[0].end == pair[1].start);
    let points_before = |record: &&Record| {
        pointer(message, record.start).is_some_and(|target| target < first.start)
            && record.data == record.start + 2 + FIXED
    };
    if !are_neighbours || !addresses.iter().all(points_before) {
        return None;
    }
    addresses.iter().map(|record| record.range()).collect::<Option<_>>().map(Some)
}

#[derive(Debug)]
struct Record {
    start: usize,
    kind: u16,
    data: usize,
    end: usize,
}

impl Record {
    fn at(message: &[u8], start: usize) -> Option<Self> {
        let fixed = after_name(message, start)?;
        let kind = word(message, fixed)?;
        let length = word(message, fixed + FIXED - 2)?;
        let data = fixed + FIXED;
        let end = data + usize::from(length);
        (end <= message.len()).then_some(Self { start, kind, data, end })
    }

    fn is_address(&self) -> bool {
        matches!(self.kind, TYPE_A | TYPE_AAAA)
    }

    /// Returns where the serial is in the data of an SOA record: behind two names (RFC 1035 §3.3.13).
    fn serial_at(&self, message: &[u8]) -> Option<u16> {
        if self.kind != TYPE_SOA {
            return None;
        }
        let at = after_name(message, after_name(message, self.data)?)?;
        u16::try_from(at).ok()
    }

    fn ttl_at(&self) -> Option<u16> {
        // Before the length of the data.
        u16::try_from(self.data - 6).ok().filter(|_| self.kind != TYPE_OPT)
    }

    fn range(&self) -> Option<Range<u16>> {
        Some(u16::try_from(self.start).ok()?..u16::try_from(self.end).ok()?)
    }
}

fn word(message: &[u8], at: usize) -> Option<u16> {
    let octets = message.get(at..at + 2)?;
    Some(u16::from_be_bytes([octets[0], octets[1]]))
}

/// Returns where the pointer leads that a name consists of.
fn pointer(message: &[u8], at: usize) -> Option<usize> {
    let word = word(message, at)?;
    (word >= 0xc000).then_some(usize::from(word & 0x3fff))
}

/// Returns where a name ends (RFC 1035 §4.1.4).
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::plugin::testing::{query, record};
    use crate::{Reply, wire};

    fn encoded(qtype: RecordType, change: impl FnOnce(&mut Reply)) -> Vec<u8> {
        let mut reply = Reply::default();
        change(&mut reply);
        wire::encode(&query("web.shop.svc.cluster.local.", qtype), &reply).message
    }

    #[test]
    fn addresses_of_the_question_may_change_places() {
        let message = encoded(RecordType::A, |reply| {
            let address = |last| record("web.shop.svc.cluster.local.", &format!("10.0.0.{last}"));
            reply.answers = (1..=3).map(address).collect();
        });
        let layout = Layout::of(&message, true).unwrap();
        let end = u16::try_from(message.len()).unwrap();
        let blocks = [end - 48..end - 32, end - 32..end - 16, end - 16..end];
        assert_eq!(layout.addresses, [blocks.to_vec()]);
        assert!(layout.serials.is_empty());
        assert!(Layout::of(&message, false).unwrap().addresses.is_empty());
    }

    #[test]
    fn addresses_of_names_that_stand_only_there_may_not() {
        let message = encoded(RecordType::SRV, |reply| {
            reply.additionals = vec![
                record("a.web.shop.svc.cluster.local.", "10.0.0.1"),
                record("b.web.shop.svc.cluster.local.", "10.0.0.2"),
            ];
        });
        assert_eq!(Layout::of(&message, true), None);
        assert!(Layout::of(&message, false).is_some());
    }

    #[test]
    fn no_octets_make_it_panic() {
        let message = encoded(RecordType::A, |reply| {
            reply.answers = vec![record("web.shop.svc.cluster.local.", "10.0.0.1")];
        });
        for end in 0..message.len() {
            assert_eq!(Layout::of(&message[..end], true), None, "{end}");
        }
    }
}
