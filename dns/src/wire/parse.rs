//! Queries from octets.

use std::net::SocketAddr;

use hickory_proto::op::Edns;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{DNSClass, LowerName, Name, RecordType};

use super::{HEADER, TYPE_OPT, flags};
use crate::{Protocol, Query};

/// How a message arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Where it came from.
    pub client: SocketAddr,
    /// The address that it was sent to.
    pub local: SocketAddr,
    /// What carried it.
    pub protocol: Protocol,
}

/// Why a message is not a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// It is too short to have a header, or is itself a response: answering could start a loop, so
    /// nothing is sent.
    Silent,
    /// It is answered with a response code and no question.
    Answered {
        /// The message id.
        id: u16,
        /// The second pair of octets of the header as it came: opcode and RD are echoed.
        flags: u16,
        /// FORMERR or NOTIMP.
        rcode: u8,
    },
}

const FORMAT_ERROR: u8 = 1;
const NOT_IMPLEMENTED: u8 = 4;

/// Reads a query.
///
/// One question and at most one record in the answer and authority sections, two in the additional
/// section (OPT and a signature), as every resolver sends and CoreDNS accepts.
///
/// # Errors
/// The message is not a query that can be answered.
pub fn parse(message: &[u8], arrival: Arrival) -> Result<Query, Rejection> {
    let header = Header::read(message).ok_or(Rejection::Silent)?;
    if header.flags & flags::RESPONSE != 0 {
        return Err(Rejection::Silent);
    }
    if header.flags & flags::OPCODE != 0 {
        return Err(header.rejection(NOT_IMPLEMENTED));
    }
    if !header.has_plausible_counts() {
        return Err(header.rejection(FORMAT_ERROR));
    }
    read_body(message, &header, arrival).ok_or(header.rejection(FORMAT_ERROR))
}

struct Header {
    id: u16,
    flags: u16,
    /// Of the question, answer, authority and additional sections.
    counts: [u16; 4],
}

impl Header {
    fn read(message: &[u8]) -> Option<Self> {
        let mut reader = Reader { message, at: 0 };
        let (id, flags) = (reader.u16()?, reader.u16()?);
        let counts = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        Some(Self { id, flags, counts })
    }

    fn has_plausible_counts(&self) -> bool {
        let [questions, answers, authorities, additionals] = self.counts;
        questions == 1 && answers <= 1 && authorities <= 1 && additionals <= 2
    }

    fn rejection(&self, rcode: u8) -> Rejection {
        Rejection::Answered { id: self.id, flags: self.flags, rcode }
    }

    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

fn read_body(message: &[u8], header: &Header, arrival: Arrival) -> Option<Query> {
    let mut reader = Reader { message, at: HEADER };
    let name = reader.question_name()?;
    let qtype = RecordType::from(reader.u16()?);
    let qclass = DNSClass::from(reader.u16()?);
    let [_, answers, authorities, additionals] = header.counts;
    for _ in 0..answers + authorities {
        // Nothing that belongs into a query; OPT least of all.
        if reader.record()?.rtype == TYPE_OPT {
            return None;
        }
    }
    let edns = reader.edns(additionals)?;
    Some(Query {
        id: header.id,
        lower: LowerName::new(&name),
        name,
        qtype,
        qclass,
        recursion_desired: header.has(flags::RECURSION_DESIRED),
        checking_disabled: header.has(flags::CHECKING_DISABLED),
        authentic_data: header.has(flags::AUTHENTIC_DATA),
        edns,
        client: arrival.client,
        local: arrival.local,
        protocol: arrival.protocol,
        size: message.len(),
    })
}

/// A place in a message. Every method returns none at the message's end.
pub(super) struct Reader<'m> {
    pub(super) message: &'m [u8],
    pub(super) at: usize,
}

/// A record without its owner.
pub(super) struct RawRecord<'m> {
    has_root_owner: bool,
    pub(super) rtype: u16,
    class: u16,
    pub(super) ttl: u32,
    pub(super) data: &'m [u8],
}

impl<'m> Reader<'m> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'m [u8]> {
        let octets = self.message.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(octets)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|octets| octets[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|octets| u16::from_be_bytes([octets[0], octets[1]]))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    /// Reads the qname. Nothing comes before it that a compression pointer could point at.
    fn question_name(&mut self) -> Option<Name> {
        let start = self.at;
        loop {
            match self.u8()? {
                0 => break,
                length @ 1..=63 => _ = self.take(usize::from(length))?,
                _ => return None,
            }
        }
        let labels = Labels(self.message.get(start..self.at)?);
        let mut name = Name::from_labels(labels).ok()?;
        name.set_fqdn(true);
        Some(name)
    }

    /// Skips a name; says whether it is the root.
    pub(super) fn skip_name(&mut self) -> Option<bool> {
        let start = self.at;
        loop {
            match self.u8()? {
                0 => return Some(self.at == start + 1),
                length @ 1..=63 => _ = self.take(usize::from(length))?,
                0xc0.. => return self.take(1).map(|_| false),
                _ => return None,
            }
        }
    }

    pub(super) fn record(&mut self) -> Option<RawRecord<'m>> {
        let has_root_owner = self.skip_name()?;
        let (rtype, class, ttl) = (self.u16()?, self.u16()?, self.u32()?);
        let length = usize::from(self.u16()?);
        Some(RawRecord { has_root_owner, rtype, class, ttl, data: self.take(length)? })
    }

    /// Reads the additional section for its OPT record; there may be one (RFC 6891 §6.1.1).
    fn edns(&mut self, records: u16) -> Option<Option<Edns>> {
        let mut edns = None;
        for _ in 0..records {
            let record = self.record()?;
            if record.rtype != TYPE_OPT {
                continue;
            }
            if edns.is_some() || !record.has_root_owner {
                return None;
            }
            edns = Some(record.edns()?);
        }
        Some(edns)
    }
}

impl RawRecord<'_> {
    /// Reads the fields of OPT from where it keeps them (RFC 6891 §6.1.3).
    fn edns(&self) -> Option<Edns> {
        let [_, version, flags, _] = self.ttl.to_be_bytes();
        let mut edns = Edns::new();
        edns.set_max_payload(self.class);
        edns.set_version(version);
        edns.set_dnssec_ok(flags & 0x80 != 0);
        let mut options = Reader { message: self.data, at: 0 };
        while options.at < self.data.len() {
            let (code, length) = (options.u16()?, options.u16()?);
            let data = options.take(usize::from(length))?;
            edns.options_mut().insert(EdnsOption::Unknown(code, data.to_vec()));
        }
        Some(edns)
    }
}

/// The labels of an uncompressed name that is known to be well formed.
#[derive(Clone, Copy)]
struct Labels<'m>(&'m [u8]);

impl<'m> Iterator for Labels<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        let (length, rest) = self.0.split_first()?;
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        self.0 = rest;
        Some(label).filter(|label| !label.is_empty())
    }
}

#[cfg(test)]
mod tests;
