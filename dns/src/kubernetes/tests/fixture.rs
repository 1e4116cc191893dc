//! A cluster to ask, written in short notations, and answers as text.
//!
//! ```text
//! object      name, or namespace/name; the namespace is testns unless given
//! ports       "http:tcp:80 :udp:53 any:tcp:"    name, protocol, number; the last one without a number
//! endpoints   "10.1.0.1 a=10.1.0.2,10.1.0.3 !10.1.0.4 10.1.0.5@pod-0"
//!             a is a hostname, ! an endpoint that is not ready, pod-0 the pod behind it
//!             10.1.0.1%eu-1a is in the topology zone eu-1a
//! name        relative to cluster.local unless it ends with a dot
//! ```

mod objects;

use std::fmt::Write;
use std::sync::Arc;

use cluster::{Cluster, Event, Kind, KindSet, Object, ObjectKey, Store};
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};

use crate::kubernetes::{Answer, Question, Status, Zone, ZoneOptions, answer};

pub(super) use objects::{
    cluster_ip, external, headless, import, imported, ips, key, namespace, pod, slice,
};

/// When the last change to the cluster happened: the serial of its SOA records.
pub(super) const CHANGED_AT: u64 = 1_700_000_000;

/// A cluster and the zones that are served of it.
pub(super) struct World {
    store: Store,
    pub(super) zone: Zone,
}

/// One line of a table: what it shows, qname, qtype, and the answer as [`World::ask`] writes it.
pub(super) type Case<'a> = (&'a str, &'a str, RecordType, &'a str);

impl World {
    /// Returns a synced cluster with the Namespace `testns`, and a block for `cluster.local` and
    /// the reverse zones.
    pub(super) fn empty() -> Self {
        let zones = ["cluster.local.", "in-addr.arpa.", "ip6.arpa."];
        let zone = Zone {
            zones: zones.iter().map(|zone| zone.parse().unwrap()).collect(),
            options: ZoneOptions::default(),
            own_addresses: ips("10.9.0.1 fd09::1"),
        };
        let mut world = Self { store: Store::new(), zone };
        for kind in Kind::ALL {
            world.sync(kind);
        }
        world.add(namespace("testns"))
    }

    /// Returns the same cluster before anything is listed.
    pub(super) fn unsynced() -> Self {
        let mut world = Self::empty();
        world.store = Store::new();
        world.add(namespace("testns"))
    }

    pub(super) fn add(mut self, object: Object) -> Self {
        self.put(object);
        self
    }

    pub(super) fn put(&mut self, object: Object) {
        self.store.apply(Event::Upsert(object), CHANGED_AT);
    }

    pub(super) fn remove(&mut self, kind: Kind, key: &ObjectKey) {
        self.store.apply(Event::Delete(kind, key.clone()), CHANGED_AT);
    }

    /// Ends a list of a kind in which all is what is known already.
    pub(super) fn sync(&mut self, kind: Kind) {
        self.store.apply(Event::ListStart(kind), CHANGED_AT);
        for object in self.store.snapshot().objects().into_iter().filter(|o| o.kind() == kind) {
            self.put(object);
        }
        self.store.apply(Event::ListEnd(kind), CHANGED_AT);
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut ZoneOptions)) -> Self {
        change(&mut self.zone.options);
        self
    }

    pub(super) fn strict(self) -> Self {
        self.with(|options| options.strict = true)
    }

    pub(super) fn serving(mut self, zones: &[&str]) -> Self {
        self.zone.zones = zones.iter().map(|zone| zone.parse().unwrap()).collect();
        self
    }

    pub(super) fn cluster(&self) -> Arc<Cluster> {
        self.store.snapshot()
    }

    pub(super) fn synced(&self) -> KindSet {
        self.store.cluster().synced()
    }

    /// Asks for a name that may hold any bytes.
    pub(super) fn ask_name(&self, name: &Name, qtype: RecordType) -> Answer {
        let lower = LowerName::new(name);
        let apex = self.zone.matching(&lower).expect("the name is in a zone");
        answer(self.store.cluster(), &self.zone, apex, Question { name, lower: &lower, qtype })
    }

    /// Asks, and writes the answer:
    ///
    /// ```text
    /// NODATA, NXDOMAIN, SERVFAIL, REFUSED    without records
    /// 10.0.0.1, 10.0.0.2                     the data of records with the qname, qtype and zone's TTL
    /// web CNAME x.test. -> x.test.           other records; the rest is to be looked up
    /// 0 100 80 web + web A 10.0.0.1          additional records
    /// ```
    pub(super) fn ask(&self, name: &str, qtype: RecordType) -> String {
        let name = absolute(name);
        let answer = self.ask_name(&name, qtype);
        self.check_sections(&answer, &name, qtype);
        let mut text = match answer.status {
            Status::Exists if answer.answers.is_empty() => "NODATA".to_owned(),
            Status::Exists => String::new(),
            Status::NameError => "NXDOMAIN".to_owned(),
            Status::NotSynced => "SERVFAIL".to_owned(),
            Status::Refused => "REFUSED".to_owned(),
        };
        let ttl = self.zone.options.ttl;
        let plain = |r: &Record| r.name == name && r.record_type() == qtype && r.ttl == ttl;
        let write = |r: &Record| if plain(r) { data(r) } else { record(r, ttl) };
        let (aliases, rest): (Vec<_>, Vec<_>) =
            answer.answers.iter().partition(|r| r.record_type() == RecordType::CNAME);
        let mut answers: Vec<String> = aliases.into_iter().map(write).collect();
        answers.extend(sorted(rest.into_iter().map(write)));
        if !text.is_empty() && !answers.is_empty() {
            text += " ";
        }
        text += &answers.join(", ");
        if !answer.additionals.is_empty() {
            let additionals = sorted(answer.additionals.iter().map(|r| record(r, ttl)));
            write!(text, " + {}", additionals.join(", ")).unwrap();
        }
        if let Some(chase) = answer.chase {
            write!(text, " -> {}", relative(&chase.target)).unwrap();
        }
        text
    }

    /// What holds for every answer: aliases come first, negative ones have the SOA record of their zone.
    fn check_sections(&self, answer: &Answer, name: &Name, qtype: RecordType) {
        let aliases = answer.answers.iter().map(|r| r.record_type() == RecordType::CNAME);
        assert!(aliases.is_sorted_by(|a, b| a >= b), "{name}: aliases first: {answer:?}");
        let negative = answer.status == Status::NameError
            || answer.status == Status::NotSynced
            || (answer.status == Status::Exists && answer.answers.is_empty());
        let dangles = self.zone.options.strict && ends_in_alias(answer, qtype);
        assert_eq!(answer.soa.is_some(), negative || dangles, "{name}: {answer:?}");
        let apex = self.zone.matching(&LowerName::new(name)).unwrap();
        if let Some(soa) = &answer.soa {
            assert_eq!(LowerName::new(&soa.name), *apex, "{name}");
        }
    }

    /// Asks every question of a table.
    #[track_caller]
    pub(super) fn check(&self, cases: &[Case<'_>]) {
        for (case, name, qtype, expected) in cases {
            assert_eq!(self.ask(name, *qtype), *expected, "{case}: {name} {qtype}");
        }
    }
}

/// Says whether nothing stands behind the last alias of an answer, and nothing will.
pub(super) fn ends_in_alias(answer: &Answer, qtype: RecordType) -> bool {
    let last = answer.answers.last().map(Record::record_type);
    last == Some(RecordType::CNAME) && qtype != RecordType::CNAME && answer.chase.is_none()
}

/// The cluster of CoreDNS's own tests (fixture F of the reference).
pub(super) fn fixture_f() -> World {
    World::empty()
        .add(cluster_ip("svc1", "10.0.0.1", "http:tcp:80"))
        .add(slice("svc1-a", "svc1", "ep1a=172.0.0.1", "http:tcp:80"))
        .add(cluster_ip("svcempty", "10.0.0.1", "http:tcp:80"))
        .add(cluster_ip("svc6", "1234:abcd::1", "http:tcp:80"))
        .add(cluster_ip("svc-dual-stack", "10.0.0.3 10::3", "http:tcp:80"))
        .add(cluster_ip("svc-1-a", "10.0.0.5", "http:tcp:80 https:tcp:443"))
        .add(headless("hdls1", "http:tcp:80"))
        .add(slice(
            "hdls1-v4",
            "hdls1",
            "172.0.0.2 172.0.0.3 dup-name=172.0.0.4 dup-name=172.0.0.5",
            "http:tcp:80",
        ))
        .add(slice("hdls1-v6", "hdls1", "5678:abcd::1 5678:abcd::2", "http:tcp:80"))
        .add(headless("hdlsprtls", ""))
        .add(slice("hdlsprtls-a", "hdlsprtls", "172.0.0.20", ""))
        .add(external("external", "ext.interwebs.test"))
        .add(external("external-to-service", "svc1.testns.svc.cluster.local"))
}

pub(super) fn absolute(name: &str) -> Name {
    let full = match name.strip_suffix('.') {
        Some(full) => full.to_owned(),
        None if name == "@" => "cluster.local".to_owned(),
        None => format!("{name}.cluster.local"),
    };
    let labels = full.split('.').map(str::as_bytes);
    let mut name = Name::from_labels(labels).unwrap();
    name.set_fqdn(true);
    name
}

fn relative(name: &Name) -> String {
    let text = name.to_ascii();
    match text.strip_suffix("cluster.local.") {
        Some("") => "@".to_owned(),
        Some(below) => below.trim_end_matches('.').to_owned(),
        None => text,
    }
}

/// Writes a record as a line of a zone file; the TTL only when it is not the zone's.
fn record(record: &Record, ttl: u32) -> String {
    let seconds = if record.ttl == ttl { String::new() } else { format!("{} ", record.ttl) };
    format!("{} {seconds}{} {}", relative(&record.name), record.record_type(), data(record))
}

fn data(record: &Record) -> String {
    match &record.data {
        RData::CNAME(name) => relative(name),
        RData::NS(name) => relative(name),
        RData::PTR(name) => relative(name),
        RData::SRV(srv) => {
            format!("{} {} {} {}", srv.priority, srv.weight, srv.port, relative(&srv.target))
        }
        other => other.to_string(),
    }
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}
