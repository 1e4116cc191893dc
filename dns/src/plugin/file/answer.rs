//! What a zone says to a question (RFC 1034 §4.3.2, RFC 4592, RFC 6672, RFC 2308).

mod denial;
mod place;

use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};

use self::place::Place;
use super::zone::{Node, RecordSet, Zone};

/// The most aliases of one answer.
pub(crate) const MAX_ALIASES: usize = 10;

/// The most names whose addresses are added to an answer.
const MAX_ADDITIONAL_NAMES: usize = 32;

/// A question about a name of a zone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// The qname, as it was asked.
    pub(crate) name: &'a Name,
    /// The same in lower case.
    pub(crate) lower: &'a LowerName,
    /// The qtype.
    pub(crate) qtype: RecordType,
    /// The DO bit: DNSSEC records are wanted.
    pub(crate) dnssec: bool,
}

/// What a zone says.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Answer {
    /// About the last name of the chain of aliases.
    pub(crate) status: Status,
    /// The answer section.
    pub(crate) answers: Vec<Record>,
    /// The authority section.
    pub(crate) authorities: Vec<Record>,
    /// The additional section.
    pub(crate) additionals: Vec<Record>,
    /// The end of a chain of aliases outside of the zone.
    pub(crate) chase: Option<Name>,
    /// Whether the name exists without a record of its own: an empty non-terminal, or only by a wildcard.
    pub(crate) has_no_own_records: bool,
    /// Whether the chain of aliases was longer than [`MAX_ALIASES`], and ends there.
    pub(crate) is_cut: bool,
}

/// The outcome of a lookup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    /// There are records, or an alias.
    Found,
    /// The name exists without records of the type.
    NoData,
    /// The name does not exist.
    NameError,
    /// The name is in a zone of other servers.
    Referral,
    /// A DNAME record leads to a name that is too long (RFC 6672 §2.2).
    TooLong,
}

/// Answers a question. Total: the name has to be in the zone, nothing else.
pub(crate) fn answer(zone: &Zone, question: Question<'_>) -> Answer {
    let mut search = Search { zone, question, answer: Answer::default() };
    let (mut name, mut lower) = (question.name.clone(), question.lower.clone());
    let mut visited = vec![lower.clone()];
    while let Some(target) = search.look_at(&name, &lower) {
        lower = LowerName::new(&target);
        name = target;
        if !zone.origin().zone_of(&lower) {
            search.answer.chase = Some(name);
            break;
        }
        search.answer.is_cut = visited.len() > MAX_ALIASES;
        if visited.contains(&lower) || search.answer.is_cut {
            break;
        }
        visited.push(lower.clone());
    }
    search.answer
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            status: Status::Found,
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            chase: None,
            has_no_own_records: false,
            is_cut: false,
        }
    }
}

/// A question on its way through a zone.
struct Search<'a> {
    zone: &'a Zone,
    question: Question<'a>,
    answer: Answer,
}

impl<'a> Search<'a> {
    /// Answers for one name of the chain; returns where an alias leads.
    fn look_at(&mut self, name: &Name, lower: &LowerName) -> Option<Name> {
        match Place::of(self.zone, lower, self.question.qtype) {
            Place::Below { cut, node } => {
                self.refer(cut, node);
                None
            }
            Place::Renamed { owner, node, set } => self.rename(name, &owner, node, set),
            Place::Exact(node) => self.take(name, lower, node, None),
            Place::Wildcard(wildcard, node) => self.take(name, lower, node, Some(wildcard)),
            Place::Missing { encloser } => {
                self.answer.status = Status::NameError;
                self.deny(lower, Some(&encloser));
                None
            }
        }
    }

    /// Answers from a name's record sets.
    fn take(
        &mut self,
        name: &Name,
        lower: &LowerName,
        node: &Node,
        wildcard: Option<&LowerName>,
    ) -> Option<Name> {
        let qtype = self.question.qtype;
        let is_any = qtype == RecordType::ANY;
        // NSEC and RRSIG records stand beside a CNAME record (RFC 4035 §2.5).
        let beside = [RecordType::CNAME, RecordType::ANY, RecordType::NSEC, RecordType::RRSIG];
        if let Some(alias) = node.set(RecordType::CNAME).filter(|_| !beside.contains(&qtype)) {
            self.push(Section::Answer, name, node, alias);
            self.prove_expansion(lower, wildcard);
            return alias.target();
        }
        let is_asked = |set: &&RecordSet| match is_any {
            true => self.question.dnssec || !is_security(set.rtype),
            false => set.rtype == qtype,
        };
        let sets: Vec<&RecordSet> = node.sets().iter().filter(is_asked).collect();
        if sets.is_empty() {
            self.answer.status = Status::NoData;
            self.answer.has_no_own_records = node.sets().is_empty() || wildcard.is_some();
            self.deny_type(lower, node, wildcard);
            return None;
        }
        for set in &sets {
            match is_any {
                true => self.push_plain(Section::Answer, name, set.records.iter()),
                false => self.push(Section::Answer, name, node, set),
            }
        }
        self.prove_expansion(lower, wildcard);
        let is_apex_ns = qtype == RecordType::NS && lower == self.zone.origin();
        if !is_apex_ns {
            self.add_apex(RecordType::NS);
        }
        self.add_addresses(&sets);
        None
    }

    /// Leads below a DNAME record, and makes the CNAME record for those who do not know it (RFC 6672 §3.1).
    fn rename(
        &mut self,
        name: &Name,
        owner: &LowerName,
        node: &Node,
        set: &RecordSet,
    ) -> Option<Name> {
        let to = set.target()?;
        let skipped = name.iter().count().saturating_sub(owner.iter().count());
        let owner_as_asked = Name::from_labels(name.iter().skip(skipped)).ok()?;
        self.push(Section::Answer, &owner_as_asked, node, set);
        let target = Name::from_labels(name.iter().take(skipped).chain(to.iter()));
        let Ok(target) = target else {
            self.answer.status = Status::TooLong;
            return None;
        };
        let ttl = set.records.first().map_or(0, |(ttl, _)| *ttl);
        let alias = RData::CNAME(CNAME(target.clone()));
        self.answer.answers.push(Record::from_rdata(name.clone(), ttl, alias));
        Some(target)
    }

    /// Names the servers of a zone below (RFC 1034 §4.2.1), with what is known of its keys.
    fn refer(&mut self, cut: &LowerName, node: &Node) {
        self.answer.status = Status::Referral;
        let Some(servers) = node.set(RecordType::NS) else { return };
        let owner = Name::from(cut.clone());
        self.push_plain(Section::Authority, &owner, servers.records.iter());
        if self.question.dnssec {
            let keys = node.set(RecordType::DS).or_else(|| node.set(RecordType::NSEC));
            if let Some(keys) = keys {
                self.push(Section::Authority, &owner, node, keys);
            }
        }
        self.add_addresses(&[servers]);
    }

    fn add_apex(&mut self, rtype: RecordType) {
        let zone = self.zone;
        let Some(apex) = zone.apex() else { return };
        if let Some(set) = apex.set(rtype) {
            self.push(Section::Authority, &zone.origin().clone().into(), apex, set);
        }
    }

    /// Adds the addresses of the hosts that records name (RFC 1034 §4.3.2 step 6).
    fn add_addresses(&mut self, sets: &[&RecordSet]) {
        let zone = self.zone;
        let mut seen: Vec<LowerName> = Vec::new();
        for (_, data) in sets.iter().flat_map(|set| &set.records) {
            let Some(host) = host_of(data) else { continue };
            let lower = LowerName::new(host);
            if seen.contains(&lower) || seen.len() == MAX_ADDITIONAL_NAMES {
                continue;
            }
            for rtype in [RecordType::A, RecordType::AAAA] {
                if let Some((node, set)) = zone.node(&lower).and_then(|n| Some((n, n.set(rtype)?)))
                {
                    self.push(Section::Additional, host, node, set);
                }
            }
            seen.push(lower);
        }
    }

    /// Adds records and, if they are wanted, their signatures.
    fn push(&mut self, section: Section, owner: &Name, node: &Node, set: &RecordSet) {
        self.push_plain(section, owner, set.records.iter());
        if self.question.dnssec && set.rtype != RecordType::RRSIG {
            self.push_plain(section, owner, node.signatures(set.rtype));
        }
    }

    fn push_plain<'r>(
        &mut self,
        section: Section,
        owner: &Name,
        records: impl Iterator<Item = &'r (u32, RData)>,
    ) {
        let records =
            records.map(|(ttl, data)| Record::from_rdata(owner.clone(), *ttl, data.clone()));
        match section {
            Section::Answer => self.answer.answers.extend(records),
            Section::Authority => self.answer.authorities.extend(records),
            Section::Additional => self.answer.additionals.extend(records),
        }
    }
}

/// A section of a message.
#[derive(Clone, Copy)]
enum Section {
    Answer,
    Authority,
    Additional,
}

fn is_security(rtype: RecordType) -> bool {
    matches!(rtype, RecordType::RRSIG | RecordType::NSEC | RecordType::NSEC3)
}

/// Returns the host that a record names, whose addresses its readers will ask for.
fn host_of(data: &RData) -> Option<&Name> {
    match data {
        RData::NS(ns) => Some(&ns.0),
        RData::MX(mx) => Some(&mx.exchange),
        RData::SRV(srv) => Some(&srv.target),
        _ => None,
    }
}
