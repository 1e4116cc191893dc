//! The answer to a question about a zone of the cluster.

use std::collections::BTreeSet;

use cluster::{Cluster, Text};
use hickory_proto::rr::{LowerName, Name, Record, RecordType};

use super::name::{self, Below, Naming, Of, Parsed};
use super::records::{self, Apex};
use super::services::{self, Entry, Found, Target, Targets};
use super::zone::Zone;
use super::{Rule, Ruling, nameserver, reverse};

/// The longest chain of CNAMEs inside the cluster that an answer follows.
const MAX_ALIASES: usize = 8;

/// A question of class IN.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The qname in the case in which it was asked.
    pub name: &'a Name,
    /// The qname in lower case.
    pub lower: &'a LowerName,
    /// The qtype.
    pub qtype: RecordType,
}

/// The answer of one zone.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// What became of the name.
    pub status: Status,
    /// The answer section, CNAME records before what they point at.
    pub answers: Vec<Record>,
    /// The additional section.
    pub additionals: Vec<Record>,
    /// The SOA record for the authority section of every answer that has none else.
    pub soa: Option<Record>,
    /// The rest of the answer has to be looked up elsewhere.
    pub chase: Option<Chase>,
    /// Whether the chain of aliases was longer than [`MAX_ALIASES`], and ends there.
    pub is_cut: bool,
    /// Why the answer is what it is.
    pub ruling: Ruling,
}

impl Answer {
    /// Says whether the zone knows the name: a name error behind an alias is an answer about a name of it.
    pub fn exists(&self) -> bool {
        self.status != Status::NameError || !self.answers.is_empty()
    }
}

/// What became of the name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// It exists: NOERROR, with records or without (NODATA).
    Exists,
    /// It does not exist: NXDOMAIN.
    NameError,
    /// It may exist; the cluster is not known completely yet: SERVFAIL.
    NotSynced,
    /// The server does not do this: REFUSED.
    Refused,
}

/// The last alias of an answer leads out of the zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chase {
    /// The name to look up with the type that was asked for.
    pub target: Name,
}

/// Answers a question about a name at or below `apex`, one of the zones of the block.
///
/// Sources: Kubernetes DNS specification 1.1.0; where it is silent, the recorded answers of CoreDNS.
pub fn answer(cluster: &Cluster, zone: &Zone, apex: &LowerName, question: Question<'_>) -> Answer {
    let apex_records = Apex::of(question.name, apex, zone.options.ttl);
    let view = View { cluster, zone, apex, records: &apex_records, question };
    let found = match view.decide() {
        Err(ruling) if zone.options.strict && view.is_empty_non_terminal() => {
            Ok(Partial::nothing(Ruling { rule: Rule::NoSuchType, ..ruling }))
        }
        other => other,
    };
    view.finish(found)
}

/// One question in front of one state of the cluster.
pub(super) struct View<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) zone: &'a Zone,
    pub(super) apex: &'a LowerName,
    pub(super) records: &'a Apex,
    pub(super) question: Question<'a>,
}

/// The sections of an answer about a name that exists.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) ruling: Ruling,
    pub(super) answers: Vec<Record>,
    pub(super) additionals: Vec<Record>,
    pub(super) chase: Option<Chase>,
    /// With `strict`: the last alias leads to a name that does not exist.
    pub(super) dangling: bool,
    /// See [`Answer::is_cut`].
    pub(super) is_cut: bool,
}

impl Partial {
    pub(super) fn nothing(ruling: Ruling) -> Self {
        Self::of(ruling, Vec::new())
    }

    pub(super) fn of(ruling: Ruling, answers: Vec<Record>) -> Self {
        Self {
            ruling,
            answers,
            additionals: Vec::new(),
            chase: None,
            dangling: false,
            is_cut: false,
        }
    }
}

impl View<'_> {
    fn decide(&self) -> Result<Partial, Ruling> {
        match self.question.qtype {
            RecordType::A | RecordType::AAAA if nameserver::is_name_server(self) => {
                Ok(nameserver::addresses(self))
            }
            RecordType::A | RecordType::AAAA => self.addresses(),
            RecordType::SRV => self.services(),
            RecordType::CNAME => self.alias(),
            RecordType::TXT => self.text(),
            RecordType::PTR => self.pointer(),
            RecordType::SOA => self.soa(),
            RecordType::NS if self.is_apex() => Ok(nameserver::name_servers(self)),
            RecordType::AXFR | RecordType::IXFR => {
                Ok(Partial::nothing(Rule::TransferRefused.alone()))
            }
            _ => self.other(),
        }
    }

    fn finish(&self, found: Result<Partial, Ruling>) -> Answer {
        let soa = || self.records.soa(self.cluster.changed_at());
        let synced = self.cluster.synced().contains_all(self.zone.required_in(self.apex));
        match found {
            Err(ruling) => {
                let status = if synced { Status::NameError } else { Status::NotSynced };
                let ruling =
                    if synced { ruling } else { Ruling { rule: Rule::NotSynced, ..ruling } };
                Answer { status, soa: soa(), ..Answer::from(Partial::nothing(ruling)) }
            }
            Ok(partial) if partial.ruling.rule == Rule::TransferRefused => {
                Answer { status: Status::Refused, ..Answer::from(partial) }
            }
            Ok(partial) if partial.dangling => {
                let status = if synced { Status::NameError } else { Status::NotSynced };
                Answer { status, soa: soa(), ..Answer::from(partial) }
            }
            Ok(partial) if partial.answers.is_empty() => {
                // Endpoints of the other family may not have been seen yet.
                let unsure = matches!(
                    partial.ruling.rule,
                    Rule::Headless | Rule::Endpoint | Rule::Within | Rule::NoEndpointWithin
                );
                let status = if unsure && !synced { Status::NotSynced } else { Status::Exists };
                Answer { status, soa: soa(), ..Answer::from(partial) }
            }
            // Behind an alias, too, NODATA needs the SOA record (RFC 2308 §2.2).
            Ok(partial) if self.zone.options.strict && self.ends_in_alias(&partial) => {
                Answer { soa: soa(), ..Answer::from(partial) }
            }
            Ok(partial) => partial.into(),
        }
    }

    /// Says whether the answer is an alias of a name in the zone that has no records of the type.
    fn ends_in_alias(&self, partial: &Partial) -> bool {
        let is_alias = |record: &Record| record.record_type() == RecordType::CNAME;
        self.question.qtype != RecordType::CNAME
            && partial.chase.is_none()
            && partial.answers.last().is_some_and(is_alias)
    }

    pub(super) fn is_apex(&self) -> bool {
        self.question.lower == self.apex
    }

    fn zone_labels(&self) -> usize {
        name::count_labels(self.apex)
    }

    fn parse<'n>(&self, name: &'n LowerName) -> Result<Parsed<'n>, Rule> {
        name::parse(name, self.zone_labels(), self.zone.naming(self.apex))
    }

    /// Looks the qname up.
    pub(super) fn find(&self) -> Result<Found<'_>, Ruling> {
        let parsed = self.parse(self.question.lower).map_err(Rule::alone)?;
        services::find(self.cluster, self.zone, &parsed)
    }

    fn addresses(&self) -> Result<Partial, Ruling> {
        let found = self.find()?;
        Ok(match found.targets {
            Targets::Addresses(targets) => {
                let answers = self.address_records(self.question.name, &targets);
                Partial::of(found.ruling, answers)
            }
            Targets::Alias(target) => self.follow(found.ruling, target),
        })
    }

    fn address_records(&self, owner: &Name, targets: &[Target<'_>]) -> Vec<Record> {
        let mut seen = BTreeSet::new();
        let ips = targets.iter().map(|target| target.ip);
        ips.filter(|ip| records::is_of_type(*ip, self.question.qtype) && seen.insert(*ip))
            .map(|ip| records::address(owner.clone(), self.records.ttl, ip))
            .collect()
    }

    /// Follows aliases while they stay in the zone.
    fn follow(&self, ruling: Ruling, target: &Text) -> Partial {
        let mut partial = Partial::nothing(ruling);
        let mut owner = self.question.name.clone();
        let mut target = target;
        while let Some(name) = alias_target(&owner, target) {
            partial.is_cut = partial.answers.len() >= MAX_ALIASES;
            if partial.is_cut || repeats(&partial.answers, &name) {
                break;
            }
            partial.answers.push(records::alias(owner, self.records.ttl, name.clone()));
            let lower = LowerName::new(&name);
            if self.zone.matching(&lower) != Some(self.apex) {
                partial.chase = Some(Chase { target: name });
                return partial;
            }
            match self.find_target(&name, &lower) {
                Ok(Found { targets: Targets::Addresses(targets), .. }) => {
                    let addresses = self.address_records(&name, &targets);
                    return self.complete(partial, addresses);
                }
                Ok(Found { targets: Targets::Alias(next), .. }) => (owner, target) = (name, next),
                Err(_) if self.zone.options.strict => {
                    partial.dangling = true;
                    return partial;
                }
                Err(_) => break,
            }
        }
        self.complete(partial, Vec::new())
    }

    /// Ends a chain of aliases. CoreDNS leaves out a chain that leads to no record.
    fn complete(&self, mut partial: Partial, addresses: Vec<Record>) -> Partial {
        if addresses.is_empty() && !self.zone.options.strict {
            partial.answers.clear();
        }
        partial.answers.extend(addresses);
        partial
    }

    fn find_target(&self, name: &Name, lower: &LowerName) -> Result<Found<'_>, Ruling> {
        let parsed = self.parse(lower).map_err(Rule::alone);
        let target = View { question: Question { name, lower, ..self.question }, ..*self };
        if nameserver::is_name_server(&target) {
            return Ok(nameserver::found(self.cluster, self.zone));
        }
        match parsed.and_then(|parsed| services::find(self.cluster, self.zone, &parsed)) {
            Err(ruling) if self.zone.options.strict && target.is_empty_non_terminal() => {
                Ok(Found { ruling, targets: Targets::Addresses(Vec::new()) })
            }
            found => found,
        }
    }

    fn services(&self) -> Result<Partial, Ruling> {
        if nameserver::is_name_server(self) {
            return Ok(Partial::nothing(Rule::NameServer.alone()));
        }
        let found = self.find()?;
        let Targets::Addresses(targets) = &found.targets else {
            return Ok(Partial::nothing(found.ruling));
        };
        let mut partial = Partial::nothing(found.ruling);
        let weight = weight_of_each(targets.len());
        let (mut ports, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for Target { ip, port, owner } in targets {
            let (Some(port), Some(name)) = (*port, self.records.child(owner.labels())) else {
                continue;
            };
            if ports.insert((owner, port)) {
                let record = records::service(
                    self.question.name.clone(),
                    self.records.ttl,
                    weight,
                    port,
                    name.clone(),
                );
                partial.answers.push(record);
            }
            if addresses.insert((owner, *ip)) {
                partial.additionals.push(records::address(name, self.records.ttl, *ip));
            }
        }
        Ok(partial)
    }

    fn alias(&self) -> Result<Partial, Ruling> {
        if nameserver::is_name_server(self) {
            return Ok(Partial::nothing(Rule::NameServer.alone()));
        }
        let found = self.find()?;
        let answers = match found.targets {
            Targets::Alias(target) => parse_target(target)
                .map(|target| records::alias(self.question.name.clone(), self.records.ttl, target))
                .into_iter()
                .collect(),
            Targets::Addresses(_) => Vec::new(),
        };
        Ok(Partial::of(found.ruling, answers))
    }

    fn text(&self) -> Result<Partial, Ruling> {
        if self.is_schema_version() {
            let record = records::schema_version(self.question.name.clone());
            return Ok(Partial::of(Rule::SchemaVersion.alone(), vec![record]));
        }
        let found = self.find()?;
        match &found.targets {
            // CoreDNS denies names without any record, though they exist.
            Targets::Addresses(targets)
                if targets.is_empty()
                    && found.ruling.rule != Rule::NoEndpointWithin
                    && !self.zone.options.strict =>
            {
                Err(found.ruling)
            }
            Targets::Addresses(_) | Targets::Alias(_) => Ok(Partial::nothing(found.ruling)),
        }
    }

    fn is_schema_version(&self) -> bool {
        let lower = self.question.lower;
        name::count_labels(lower) == self.zone_labels() + 1
            && lower.iter().next() == Some(b"dns-version")
    }

    fn pointer(&self) -> Result<Partial, Ruling> {
        match reverse::address_of(self.question.lower) {
            Some(ip) => reverse::pointers(self, ip),
            None => Ok(Partial::nothing(self.find()?.ruling)),
        }
    }

    fn soa(&self) -> Result<Partial, Ruling> {
        if self.is_apex() {
            let soa = self.records.soa(self.cluster.changed_at());
            return Ok(Partial::of(Rule::Soa.alone(), soa.into_iter().collect()));
        }
        if self.zone.options.strict {
            return self.other();
        }
        // CoreDNS says NODATA for every name, whether or not it exists.
        Ok(Partial::nothing(Rule::NoSuchType.alone()))
    }

    /// A type that no name of the cluster has.
    fn other(&self) -> Result<Partial, Ruling> {
        if nameserver::is_name_server(self) {
            return Ok(Partial::nothing(Rule::NameServer.alone()));
        }
        let found = self.find()?;
        Ok(Partial::nothing(Ruling { rule: Rule::NoSuchType, ..found.ruling }))
    }

    /// Says whether the name has no records but names below it do, or has records of another type:
    /// then it exists (RFC 8020 §2, RFC 2308 §2.2).
    fn is_empty_non_terminal(&self) -> bool {
        let below_zone = name::count_labels(self.question.lower) - self.zone_labels();
        let first = self.question.lower.iter().next();
        match below_zone {
            1 if matches!(first, Some(b"dns" | b"dns-version")) => return true,
            2 if nameserver::is_name_server(self) => return true,
            _ => {}
        }
        match reverse::address_of(self.question.lower) {
            Some(ip) => reverse::pointers(self, ip).is_ok(),
            None => {
                reverse::is_part_of_address(self.question.lower) || self.is_above_names_of_service()
            }
        }
    }

    /// Says whether names of a Service's ports, of its clusters or of its topology zones are below the name.
    fn is_above_names_of_service(&self) -> bool {
        let Ok(Parsed::Service { of, namespace, service, below }) = self.parse(self.question.lower)
        else {
            return false;
        };
        let exists = |below| {
            let parsed = Parsed::Service { of, namespace, service, below };
            services::find(self.cluster, self.zone, &parsed)
        };
        let is_zonal = self.zone.naming(self.apex) == Naming::Zonal;
        match below {
            // A pinned zone of a headless Service exists whether or not an endpoint is in it, and so does
            // what is above it.
            Below::Nothing
            | Below::Endpoint("_zone")
            | Below::Port { port: "pin", protocol: "zone" }
                if is_zonal =>
            {
                match exists(Below::Nothing) {
                    Ok(found) => found.ruling.rule == Rule::Headless,
                    Err(ruling) => ruling.rule == Rule::NoReadyEndpoints,
                }
            }
            Below::Port { port: "prefer", protocol: "zone" } if is_zonal => {
                exists(Below::Nothing).is_ok_and(|found| found.ruling.rule == Rule::Headless)
            }
            Below::Endpoint(label) => {
                let import = self.cluster.import(namespace, service).filter(|_| of == Of::Import);
                let is_served = self.zone.exposes_namespace(self.cluster, namespace);
                let is_cluster = import.filter(|_| is_served).is_some_and(|service| {
                    services::has_cluster(self.cluster, self.zone, Entry { of, service }, label)
                });
                let below = Below::Port { port: "", protocol: name::bare(label) };
                is_cluster || exists(below).is_ok()
            }
            Below::Nothing | Below::Port { .. } | Below::EndpointOf { .. } | Below::Within(_) => {
                false
            }
        }
    }
}

impl From<Partial> for Answer {
    fn from(partial: Partial) -> Self {
        let Partial { ruling, answers, additionals, chase, dangling: _, is_cut } = partial;
        Self { status: Status::Exists, answers, additionals, soa: None, chase, is_cut, ruling }
    }
}

/// Returns the weight of one of several equal targets: together they have 100, each at least 1.
pub(super) fn weight_of_each(targets: usize) -> u16 {
    u16::try_from(100 / targets.max(1)).unwrap_or(100).max(1)
}

/// Returns the name that a Service spells, with or without its final dot; none when it is no name.
fn parse_target(target: &str) -> Option<Name> {
    let labels = target.strip_suffix('.').unwrap_or(target).split('.');
    let mut name = Name::from_labels(labels.map(str::as_bytes)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// Returns the target of an alias unless it is the owner or below it, which would never end.
fn alias_target(owner: &Name, target: &str) -> Option<Name> {
    parse_target(target).filter(|target| !owner.zone_of(target))
}

fn repeats(chain: &[Record], target: &Name) -> bool {
    chain.iter().any(|record| record.name == *target)
}
