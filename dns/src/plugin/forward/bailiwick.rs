//! Which records of an upstream's reply belong to the question.
//!
//! A resolver may put anything into a reply. A forwarder asks one question, and passes on what answers it:
//!
//! - Answer: from the question's name along CNAME and DNAME, the records of the asked type at each name, those
//!   aliases themselves, and their signatures.
//! - Authority: SOA, NS and DS of a zone that one of these names is in; NSEC and NSEC3 of such a zone, and
//!   signatures.
//! - Additional: records at names that the records above name (RFC 1035 §3.7, RFC 9460 §4.1, RFC 6763 §12), and at
//!   names that those name in turn; no SOA, NS, DNAME and DS, which delegate.
//!
//! Everything is of the question's class. Names are compared without regard to letter case.

use std::collections::HashSet;

use hickory_proto::op::Query as Question;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::Reply;

/// How many names the aliases of a reply may lead over, the question's included.
const MAX_NAMES: usize = 32;

/// Over how many other records an additional one may be led to: NAPTR, SRV and an address are three (RFC 3403 §4.4).
const MAX_STEPS: usize = 8;

/// How many records of a reply were left out, by section.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Dropped {
    pub(super) answers: usize,
    pub(super) authorities: usize,
    pub(super) additionals: usize,
}

impl Dropped {
    /// Returns the sections from which records were left out, as metrics name them, with their number.
    pub(super) fn sections(self) -> impl Iterator<Item = (&'static str, usize)> {
        let all = [
            ("answer", self.answers),
            ("authority", self.authorities),
            ("additional", self.additionals),
        ];
        all.into_iter().filter(|(_, records)| *records > 0)
    }
}

/// Leaves out the records of a reply that do not belong to the question; says how many they were.
pub(super) fn confine(question: &Question, reply: &mut Reply) -> Dropped {
    let mut name = question.name.clone();
    name.set_fqdn(true);
    let is_of_class = |record: &Record| {
        question.query_class == DNSClass::ANY || record.dns_class == question.query_class
    };
    let chain = Chain::of(name, reply.answers.iter().filter(|record| is_of_class(record)));
    let answers = retain(&mut reply.answers, |record| {
        is_of_class(record) && chain.answers(question.query_type, record)
    });
    let of_others = retain(&mut reply.authorities, is_of_class);
    let zones = chain.zones(&reply.answers, &reply.authorities);
    let authorities =
        of_others + retain(&mut reply.authorities, |record| chain.is_told_by(&zones, record));
    let refused = retain(&mut reply.additionals, |record| {
        is_of_class(record) && !delegates(record.record_type())
    });
    if reply.additionals.is_empty() {
        return Dropped { answers, authorities, additionals: refused };
    }
    let named = named(&chain, &reply.answers, &reply.authorities, &reply.additionals);
    let unnamed = retain(&mut reply.additionals, |record| named.contains(&record.name));
    Dropped { answers, authorities, additionals: refused + unnamed }
}

/// The names that the aliases of a reply lead over.
struct Chain {
    /// The question's name first.
    names: Vec<Name>,
    /// The owners of DNAME records on the way.
    redirected: Vec<Name>,
}

impl Chain {
    /// Follows the aliases, in whatever order the records are; several of one name are all followed, as servers
    /// that balance load by them want it.
    fn of<'a>(name: Name, answers: impl Iterator<Item = &'a Record> + Clone) -> Self {
        let mut chain = Self { names: vec![name], redirected: Vec::new() };
        let mut at = 0;
        while let Some(name) = chain.names.get(at).cloned() {
            for record in answers.clone() {
                let Some(target) = chain.target(record, &name) else { continue };
                if chain.names.len() < MAX_NAMES && !chain.names.contains(&target) {
                    chain.names.push(target);
                }
            }
            at += 1;
        }
        chain
    }

    /// Returns where a record leads from a name, if it is an alias of it or of a zone above it.
    fn target(&mut self, record: &Record, name: &Name) -> Option<Name> {
        if let RData::CNAME(target) = &record.data {
            return (record.name == *name).then(|| target.0.clone());
        }
        if record.record_type() != RecordType::DNAME || record.name == *name {
            return None;
        }
        if !record.name.zone_of(name) {
            return None;
        }
        let labels = name.iter().count().checked_sub(record.name.iter().count())?;
        if !self.redirected.contains(&record.name) {
            self.redirected.push(record.name.clone());
        }
        // Too long a name is an answer of its own (RFC 6672 §2.2): YXDOMAIN.
        let prefix = Name::from_labels(name.iter().take(labels)).ok()?;
        prefix.append_domain(&named_by(record).pop()?).ok()
    }

    fn has(&self, name: &Name) -> bool {
        self.names.contains(name)
    }

    /// Says whether a record belongs to the answer section.
    fn answers(&self, qtype: RecordType, record: &Record) -> bool {
        let owner = &record.name;
        match record.record_type() {
            RecordType::DNAME if self.redirected.contains(owner) => true,
            RecordType::RRSIG => self.has(owner) || self.redirected.contains(owner),
            RecordType::CNAME => self.has(owner),
            rtype => (rtype == qtype || qtype == RecordType::ANY) && self.has(owner),
        }
    }

    /// Says whether a name is that of a zone in which one of these names is.
    fn is_under(&self, zone: &Name) -> bool {
        self.names.iter().any(|name| zone.zone_of(name))
    }

    /// Returns the zones that tell something of these names: of SOA and NS records, and those that sign.
    fn zones(&self, answers: &[Record], authorities: &[Record]) -> Vec<Name> {
        let mut zones = Vec::new();
        for record in answers.iter().chain(authorities) {
            let zone = match record.record_type() {
                RecordType::SOA | RecordType::NS => Some(record.name.clone()),
                RecordType::RRSIG => signer(record).filter(|zone| zone.zone_of(&record.name)),
                _ => None,
            };
            if let Some(zone) = zone.filter(|zone| self.is_under(zone) && !zones.contains(zone)) {
                zones.push(zone);
            }
        }
        zones
    }

    /// Says whether a record belongs to the authority section.
    fn is_told_by(&self, zones: &[Name], record: &Record) -> bool {
        match record.record_type() {
            RecordType::SOA | RecordType::NS | RecordType::DS => self.is_under(&record.name),
            RecordType::NSEC | RecordType::NSEC3 | RecordType::RRSIG => {
                zones.iter().any(|zone| zone.zone_of(&record.name))
            }
            _ => false,
        }
    }
}

fn delegates(rtype: RecordType) -> bool {
    matches!(
        rtype,
        RecordType::SOA | RecordType::NS | RecordType::DNAME | RecordType::DS | RecordType::DNSKEY
    )
}

/// Returns the names that records may be added for.
fn named(
    chain: &Chain,
    answers: &[Record],
    authorities: &[Record],
    additionals: &[Record],
) -> HashSet<Name> {
    let mut named: HashSet<Name> = chain.names.iter().cloned().collect();
    named.extend(answers.iter().chain(authorities).flat_map(named_by));
    // Each round brings at least one more name, or is the last.
    for _ in 0..MAX_STEPS {
        let before = named.len();
        let added = additionals.iter().filter(|record| named.contains(&record.name));
        let more: Vec<Name> = added.flat_map(named_by).collect();
        named.extend(more);
        if named.len() == before {
            break;
        }
    }
    named
}

/// Returns the names in the data of a record that lead on to another host or service.
fn named_by(record: &Record) -> Vec<Name> {
    match &record.data {
        RData::CNAME(name) => vec![name.0.clone()],
        RData::NS(name) => vec![name.0.clone()],
        RData::PTR(name) => vec![name.0.clone()],
        RData::MX(mx) => vec![mx.exchange.clone()],
        RData::SRV(srv) => vec![srv.target.clone()],
        RData::NAPTR(naptr) => vec![naptr.replacement.clone()],
        // "." is the owner (RFC 9460 §2.5).
        RData::SVCB(svcb) => vec![svcb.target_name.clone()],
        RData::HTTPS(https) => vec![https.0.target_name.clone()],
        RData::Unknown { code, rdata } => {
            untyped(*code).and_then(|at| name_at(&rdata.anything, at)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Returns where the name is in the data of types that are passed on as octets: DNAME (RFC 6672 §2.1), AFSDB, RT
/// (RFC 1183), KX (RFC 2230), SVCB and HTTPS that hickory does not take.
fn untyped(rtype: RecordType) -> Option<usize> {
    match rtype {
        RecordType::SVCB | RecordType::HTTPS => Some(2),
        _ => match u16::from(rtype) {
            39 => Some(0),
            18 | 21 | 36 => Some(2),
            _ => None,
        },
    }
}

/// Returns the zone that made a signature (RFC 4034 §3.1.7).
fn signer(record: &Record) -> Option<Name> {
    match &record.data {
        RData::Unknown { rdata, .. } => name_at(&rdata.anything, 18),
        _ => None,
    }
}

/// Reads a name without pointers.
fn name_at(data: &[u8], at: usize) -> Option<Name> {
    Name::read(&mut BinDecoder::new(data.get(at..)?)).ok()
}

/// Keeps the records that are wanted; says how many were not.
fn retain(records: &mut Vec<Record>, is_wanted: impl FnMut(&Record) -> bool) -> usize {
    let before = records.len();
    records.retain(is_wanted);
    before - records.len()
}
