//! Writes direct answers.

use std::net::IpAddr;

use super::PlainQuestion;
use super::question::has_dot;
use crate::MIN_PAYLOAD;
use crate::wire::{HEADER, TYPE_OPT, flags};

/// Flags of every direct answer.
const ANSWER: u16 = flags::RESPONSE | flags::AUTHORITATIVE;

/// Flags that are those of the question.
const ECHOED: u16 = flags::RECURSION_DESIRED | flags::CHECKING_DISABLED;

/// NXDOMAIN.
const NAME_ERROR: u16 = 3;

const CLASS_IN: u16 = 1;
const TYPE_A: u16 = 1;
const TYPE_SOA: u16 = 6;
const TYPE_PTR: u16 = 12;
const TYPE_AAAA: u16 = 28;
const TYPE_SRV: u16 = 33;

/// Where the question's name is, as a compression pointer (RFC 1035 §4.1.4).
const QNAME: u16 = 0xc000 | 12;

/// Writes the reply to a plain question into a buffer that is used again and again.
#[derive(Debug)]
pub struct Writer<'a> {
    reply: &'a mut Vec<u8>,
    question: &'a PlainQuestion,
    /// Labels of the zone's apex.
    apex: usize,
    ttl: u32,
    counts: [u16; 3],
    rcode: u16,
    pair: Option<Pair>,
}

/// Two addresses of one name, next to each other in a reply, whose order says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pair {
    first: usize,
    second: usize,
    end: usize,
}

impl Pair {
    /// Lets them change places in the reply that they are in.
    pub(crate) fn swap(self, reply: &mut [u8]) {
        if let Some(both) = reply.get_mut(self.first..self.end) {
            both.rotate_left(self.second - self.first);
        }
    }
}

impl<'a> Writer<'a> {
    /// Returns a writer for a question, which was read from a message, about a zone whose apex has so many labels.
    pub(crate) fn new(
        reply: &'a mut Vec<u8>,
        question: &'a PlainQuestion,
        message: &[u8],
        apex: usize,
    ) -> Option<Self> {
        let end = HEADER + question.name().len() + 4;
        reply.clear();
        reply.extend_from_slice(message.get(..end)?);
        Some(Self { reply, question, apex, ttl: 0, counts: [0; 3], rcode: 0, pair: None })
    }

    /// Sets the TTL of what is written from here on, in seconds.
    pub fn set_ttl(&mut self, ttl: u32) {
        self.ttl = ttl;
    }

    /// Writes the addresses of the qname. None when there are more than two, or the same twice.
    pub fn addresses(&mut self, ips: impl Iterator<Item = IpAddr>) -> Option<()> {
        self.counts[0] += self.addresses_of(QNAME, ips)?;
        Some(())
    }

    /// Writes the addresses of the end of the qname with so many labels below the apex into the additional section.
    /// None when the qname has fewer, and as [`Self::addresses`].
    pub fn additional_addresses(
        &mut self,
        labels: usize,
        ips: impl Iterator<Item = IpAddr>,
    ) -> Option<()> {
        let position = self.question.position(self.apex + labels)?;
        self.counts[2] += self.addresses_of(0xc000 | u16::try_from(position).ok()?, ips)?;
        Some(())
    }

    fn addresses_of(&mut self, owner: u16, mut ips: impl Iterator<Item = IpAddr>) -> Option<u16> {
        let first = self.reply.len();
        let Some(one) = ips.next() else { return Some(0) };
        self.address_of(owner, one);
        let second = self.reply.len();
        let Some(other) = ips.next() else { return Some(1) };
        self.address_of(owner, other);
        self.pair = Some(Pair { first, second, end: self.reply.len() });
        (one != other && ips.next().is_none()).then_some(2)
    }

    fn address_of(&mut self, owner: u16, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => {
                self.fixed(owner, TYPE_A, self.ttl, 4);
                self.reply.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                self.fixed(owner, TYPE_AAAA, self.ttl, 16);
                self.reply.extend_from_slice(&ip.octets());
            }
        }
    }

    /// Writes an SRV record of the qname that points at the end of the qname with so many labels below the apex
    /// (RFC 2782), as it is spelt there. None when the qname has fewer.
    pub fn service(&mut self, weight: u16, port: u16, labels: usize) -> Option<()> {
        let start = self.question.position(self.apex + labels)?;
        let target = start..HEADER + self.question.name().len();
        self.fixed(QNAME, TYPE_SRV, self.ttl, u16::try_from(6 + target.len()).ok()?);
        let ([a, b], [c, d]) = (weight.to_be_bytes(), port.to_be_bytes());
        self.reply.extend_from_slice(&[0, 0, a, b, c, d]);
        self.reply.extend_from_within(target);
        self.counts[0] += 1;
        Some(())
    }

    /// Writes a PTR record of the qname that points at a name in a zone that the qname is not in.
    pub fn pointer(&mut self, target: &[&str], apex: &[u8]) -> Option<()> {
        let length = target.iter().map(|label| 1 + label.len()).sum::<usize>() + apex.len();
        self.fixed(QNAME, TYPE_PTR, self.ttl, u16::try_from(length).ok()?);
        self.labels(target)?;
        self.reply.extend_from_slice(apex);
        self.counts[0] += 1;
        Some(())
    }

    /// Makes the answer NXDOMAIN.
    pub fn name_error(&mut self) {
        self.rcode = NAME_ERROR;
    }

    /// Writes the SOA record of the zone into the authority section. None when its names would be compressed
    /// otherwise than with pointers to the apex.
    pub fn soa(&mut self, soa_ttl: u32, serial: u32, timers: [i32; 3]) -> Option<()> {
        let apex = 0xc000 | u16::try_from(self.question.position(self.apex)?).ok()?;
        if matches!(self.question.label(self.apex), Some("dns" | "hostmaster")) {
            return None;
        }
        let names = (1 + "ns".len()) + (1 + "dns".len()) + 2 + (1 + "hostmaster".len()) + 2;
        self.fixed(apex, TYPE_SOA, soa_ttl, u16::try_from(names + 20).ok()?);
        self.labels(&["ns", "dns"])?;
        self.u16(apex);
        self.labels(&["hostmaster"])?;
        self.u16(apex);
        self.reply.extend_from_slice(&serial.to_be_bytes());
        for timer in timers {
            self.reply.extend_from_slice(&timer.to_be_bytes());
        }
        self.reply.extend_from_slice(&self.ttl.to_be_bytes());
        self.counts[1] += 1;
        Some(())
    }

    /// Writes OPT and the header, and returns which addresses may change places. None when the reply is longer than any
    /// client can take.
    pub(crate) fn finish(mut self) -> Option<Option<Pair>> {
        if let Some(edns) = self.question.edns() {
            self.reply.push(0);
            self.u16(TYPE_OPT);
            self.u16(edns.payload.max(MIN_PAYLOAD));
            let dnssec_ok = if edns.dnssec_ok { 0x80 } else { 0 };
            self.reply.extend_from_slice(&[0, 0, dnssec_ok, 0, 0, 0]);
            self.counts[2] += 1;
        }
        if self.reply.len() > usize::from(MIN_PAYLOAD) {
            return None;
        }
        let [_, _, high, low, ..] = **self.reply else { return None };
        let flags = ANSWER | u16::from_be_bytes([high, low]) & ECHOED | self.rcode;
        let [answers, authorities, additionals] = self.counts;
        let words = [flags, 1, answers, authorities, additionals];
        for (place, word) in self.reply[2..HEADER].chunks_exact_mut(2).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        Some(self.pair)
    }

    /// Writes what of a record is before its data.
    fn fixed(&mut self, owner: u16, kind: u16, ttl: u32, length: u16) {
        let mut fixed = [0; 12];
        fixed[..2].copy_from_slice(&owner.to_be_bytes());
        fixed[2..4].copy_from_slice(&kind.to_be_bytes());
        fixed[4..6].copy_from_slice(&CLASS_IN.to_be_bytes());
        fixed[6..10].copy_from_slice(&ttl.to_be_bytes());
        fixed[10..].copy_from_slice(&length.to_be_bytes());
        self.reply.extend_from_slice(&fixed);
    }

    fn u16(&mut self, value: u16) {
        self.reply.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes labels, of which none is empty, longer than 63 octets or has a dot, as those of objects are.
    fn labels(&mut self, labels: &[&str]) -> Option<()> {
        for label in labels {
            let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length));
            self.reply.push(length.filter(|_| !has_dot(label.as_bytes()))?);
            self.reply.extend_from_slice(label.as_bytes());
        }
        Some(())
    }
}
