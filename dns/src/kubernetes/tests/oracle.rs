//! A second statement of what a zone holds: a zone file that lists every record of the cluster.
//!
//! It shares nothing with what it is compared to but the model. What no zone file can say, the quirks
//! that clusters rely on, is stated one by one in [`ZoneFile::answer`].

mod lists;
mod records;

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::rr::{Name, RData, Record, RecordType};
use regex::Regex;

use super::fixture::World;
use crate::kubernetes::{PodMode, Status, Zone, ZoneOptions};

/// Pod labels, the address that each is, and whether it is spelled as the API would. No other label in
/// these tests is a pod's.
pub(super) const POD_LABELS: [(&str, &str, bool); 9] = [
    ("10-0-0-1", "10.0.0.1", true),
    ("10-0-0-2", "10.0.0.2", true),
    ("10-0-0-3", "10.0.0.3", true),
    ("10-0-0-9", "10.0.0.9", true),
    ("--ffff-a00-1", "10.0.0.1", false),
    ("fd00--1", "fd00::1", true),
    ("fd00-0-0-0-0-0-0-1", "fd00::1", false),
    ("2001-db8--", "2001:db8::", true),
    ("2001-db8--0", "2001:db8::", false),
];

/// Names of one to three octets, or of up to 31 nibbles.
const PARTS_OF_ADDRESSES: &str =
    r"^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){1,3}in-addr\.arpa\.$|^([0-9a-f]\.){1,31}ip6\.arpa\.$";

/// A topology zone that no endpoint is in.
pub(super) const NOWHERE: &str = "nowhere";

/// A record: owner, type, TTL and data, in lower case.
pub(super) type Line = (String, RecordType, u32, String);

/// Every record and every name of the zones of a block.
pub(super) struct ZoneFile {
    zone: Zone,
    serial: u64,
    lines: BTreeMap<(String, RecordType), BTreeSet<Line>>,
    /// The addresses that go with SRV and NS records, by their owner.
    additionals: BTreeMap<String, BTreeSet<Line>>,
    /// Names with records of services and pods, and those above them that exist without any.
    names: BTreeSet<String>,
    /// Names of ExternalName Services, also of those whose target is no name.
    aliases: BTreeSet<String>,
    parts_of_addresses: Regex,
    /// A name of a topology zone: what is before it, the zone, and what is behind.
    zonal: Regex,
}

/// What an answer has to be.
#[derive(PartialEq, Debug)]
pub(super) struct Expected {
    pub(super) status: Status,
    pub(super) answers: BTreeSet<Line>,
    pub(super) additionals: BTreeSet<Line>,
    pub(super) chase: Option<String>,
}

impl ZoneFile {
    pub(super) fn of(world: &World) -> Self {
        let cluster = world.cluster();
        let mut file = Self {
            zone: world.zone.clone(),
            serial: cluster.changed_at(),
            lines: BTreeMap::new(),
            parts_of_addresses: Regex::new(PARTS_OF_ADDRESSES).unwrap(),
            zonal: Regex::new(r"^(.+)(\.(?:pin|prefer)\._zone\.[^.]+\.[^.]+\.svc\..*)$").unwrap(),
            additionals: BTreeMap::new(),
            names: BTreeSet::new(),
            aliases: BTreeSet::new(),
        };
        file.write(&cluster);
        file
    }

    /// Iterates over every name that something is at, and reverse names of addresses.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let owners = self.lines.keys().map(|(owner, _)| &**owner);
        self.names.iter().map(|name| &**name).chain(owners)
    }

    /// Answers a question about a name in lower case of the zone `apex`.
    pub(super) fn answer(&self, name: &str, apex: &str, qtype: RecordType) -> Expected {
        use RecordType::{A, AAAA, AXFR, CNAME, IXFR, NS, PTR, SOA, SRV, TXT};
        let strict = self.options().strict;
        let is_node = |node: &str| name == format!("{node}.{apex}");
        let denied_unless_strict = if strict { Expected::nodata() } else { Expected::name_error() };
        match qtype {
            AXFR | IXFR => return Expected { status: Status::Refused, ..Expected::nodata() },
            SOA | NS if name == apex => return self.data(name, qtype),
            TXT if is_node("dns-version") => return self.data(name, TXT),
            // Quirk: every name below the apex is NODATA for SOA, also one that does not exist.
            SOA if !strict => return Expected::nodata(),
            // Quirk: for TXT and PTR there is no `ns.dns`.
            TXT | PTR if is_node("ns.dns") => return denied_unless_strict,
            _ if is_node("ns.dns") => return self.data_of(name, qtype, &[A, AAAA]),
            // Quirk: for types other than TXT there is no `dns-version`, and none of the names above others.
            _ if is_node("dns-version") || is_node("dns") => return denied_unless_strict,
            // Quirk: for types other than PTR addresses have no names.
            PTR if self.has(name, PTR) => return self.data(name, PTR),
            _ if self.has(name, PTR) => return denied_unless_strict,
            _ => {}
        }
        let owner = self.of_any_zone(&self.without_extra_labels(name, apex), apex);
        if !self.names.contains(&owner) {
            // Quirk: empty non-terminals do not exist; with `strict` every part of an address does.
            let above = strict
                && (self.is_above_others(name, apex) || self.parts_of_addresses.is_match(name));
            return if above { Expected::nodata() } else { Expected::name_error() };
        }
        let has_address = self.has(&owner, A) || self.has(&owner, AAAA);
        match qtype {
            A | AAAA if self.aliases.contains(&owner) => self.follow(name, apex, qtype),
            A | AAAA | SRV | CNAME => self.data_of(&owner, qtype, &[qtype]).owned_by(name, &owner),
            // Quirk: for TXT there are no names without an address.
            TXT if !has_address
                && !self.aliases.contains(&owner)
                && !owner.contains(".pin._zone.") =>
            {
                denied_unless_strict
            }
            _ => Expected::nodata(),
        }
    }

    /// Topology zones that no endpoint is in are all alike: the file has one of them.
    fn of_any_zone(&self, name: &str, apex: &str) -> String {
        let is_zonal = self.options().zonal && !self.is_cluster_set(apex);
        let below = name.strip_suffix(apex).unwrap_or_default();
        match self.zonal.captures(name) {
            // Five labels behind the zone, all below the apex.
            Some(parts)
                if is_zonal && !self.names.contains(name) && below.matches('.').count() > 5 =>
            {
                format!("{NOWHERE}{}", &parts[2])
            }
            _ => name.to_owned(),
        }
    }

    fn is_cluster_set(&self, apex: &str) -> bool {
        self.options().multicluster.iter().any(|zone| text(zone) == apex)
    }

    /// Quirk: up to two labels before a pod's name are not looked at.
    fn without_extra_labels(&self, name: &str, apex: &str) -> String {
        let below = name.strip_suffix(apex).unwrap_or(name).trim_end_matches('.');
        let labels: Vec<&str> = below.split('.').collect();
        match labels.as_slice() {
            [rest @ .., label, namespace, "pod"] if rest.len() <= 2 && !self.options().strict => {
                format!("{label}.{namespace}.pod.{apex}")
            }
            _ => name.to_owned(),
        }
    }

    /// The records of a chain of aliases: CNAMEs up to eight while they stay in the zone, and addresses.
    fn follow(&self, name: &str, apex: &str, qtype: RecordType) -> Expected {
        let strict = self.options().strict;
        let mut found = Expected::nodata();
        let mut owner = name.to_owned();
        let complete = loop {
            let Some(target) = self.alias_of(&owner) else { break false };
            let is_below = target == owner || target.ends_with(&format!(".{owner}"));
            let is_known = found.answers.iter().any(|(owner, ..)| *owner == target);
            if is_below || is_known || found.answers.len() == 8 {
                break false;
            }
            found.answers.insert((owner, RecordType::CNAME, self.options().ttl, target.clone()));
            if self.apex_of(&target).as_deref() != Some(apex) {
                found.chase = Some(target);
                break true;
            }
            if self.aliases.contains(&target) {
                owner = target;
                continue;
            }
            let end = self.answer(&target, apex, qtype);
            let has_addresses = !end.answers.is_empty();
            found.answers.extend(end.answers);
            // Quirk: what became of the target is not told.
            found.status = if strict { end.status } else { Status::Exists };
            break has_addresses;
        };
        // Quirk: aliases that lead to no address are left out.
        if complete || strict { found } else { Expected::nodata() }
    }

    /// The longest zone that a name is in.
    fn apex_of(&self, name: &str) -> Option<String> {
        let zones = self.zone.zones.iter().map(|zone| text(zone));
        let around = zones.filter(|zone| name == zone || name.ends_with(&format!(".{zone}")));
        around.max_by_key(String::len)
    }

    fn alias_of(&self, owner: &str) -> Option<String> {
        self.records(owner, RecordType::CNAME).into_iter().next().map(|(.., target)| target)
    }

    fn is_above_others(&self, name: &str, apex: &str) -> bool {
        let end = format!(".{name}");
        name.ends_with(&format!(".{apex}")) && self.names.iter().any(|other| other.ends_with(&end))
    }

    fn has(&self, owner: &str, qtype: RecordType) -> bool {
        !self.records(owner, qtype).is_empty()
    }

    fn data(&self, owner: &str, qtype: RecordType) -> Expected {
        self.data_of(owner, qtype, &[qtype])
    }

    /// The records of a type and what goes with them, if the type is one of those that the name can have.
    fn data_of(&self, owner: &str, qtype: RecordType, types: &[RecordType]) -> Expected {
        if !types.contains(&qtype) {
            return Expected::nodata();
        }
        let answers = self.records(owner, qtype);
        let with = matches!(qtype, RecordType::SRV | RecordType::NS);
        let additionals = self.additionals.get(owner).filter(|_| with && !answers.is_empty());
        let additionals = additionals.cloned().unwrap_or_default();
        Expected { answers, additionals, ..Expected::nodata() }
    }

    fn records(&self, owner: &str, qtype: RecordType) -> BTreeSet<Line> {
        self.lines.get(&(owner.to_owned(), qtype)).cloned().unwrap_or_default()
    }

    fn insert(&mut self, line: Line) {
        self.lines.entry((line.0.clone(), line.1)).or_default().insert(line);
    }

    fn options(&self) -> &ZoneOptions {
        &self.zone.options
    }

    fn serves_pods(&self) -> bool {
        self.options().pods != PodMode::Disabled
    }
}

impl Expected {
    fn nodata() -> Self {
        let (answers, additionals) = (BTreeSet::new(), BTreeSet::new());
        Self { status: Status::Exists, answers, additionals, chase: None }
    }

    fn name_error() -> Self {
        Self { status: Status::NameError, ..Self::nodata() }
    }

    fn owned_by(mut self, name: &str, owner: &str) -> Self {
        let rename = |line: Line| {
            if line.0 == owner { (name.to_owned(), line.1, line.2, line.3) } else { line }
        };
        self.answers = self.answers.into_iter().map(rename).collect();
        self
    }
}

/// Writes a record of an answer as a line.
pub(super) fn line(record: &Record) -> Line {
    let data = match &record.data {
        RData::CNAME(name) => text(name),
        RData::NS(name) => text(name),
        RData::PTR(name) => text(name),
        RData::SRV(srv) => {
            format!("{} {} {} {}", srv.priority, srv.weight, srv.port, text(&srv.target))
        }
        other => other.to_string().to_lowercase(),
    };
    (text(&record.name), record.record_type(), record.ttl, data)
}

/// Writes a name in lower case; bytes of no host name as numbers.
pub(super) fn text(name: &Name) -> String {
    let byte = |byte: &u8| match byte {
        b'-' | b'_' | b'*' => char::from(*byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_ascii_lowercase().to_string(),
        byte => format!("\\{byte:03}"),
    };
    let labels = name.iter().map(|label| label.iter().map(byte).collect::<String>() + ".");
    let text: String = labels.collect();
    if text.is_empty() { ".".to_owned() } else { text }
}
