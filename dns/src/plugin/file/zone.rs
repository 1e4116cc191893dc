//! A zone in memory: names in canonical order, with their record sets.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;

use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};

use crate::zone_file;

/// How many names before a name are looked at for an NSEC record. In a signed zone the first one with records of
/// its own has it.
const MAX_STEPS_BACK: usize = 1000;

/// The records of a zone.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    origin: LowerName,
    soa_ttl: u32,
    soa: SOA,
    /// Every name that exists; empty non-terminals (RFC 8499 §7), too, without record sets.
    nodes: BTreeMap<LowerName, Node>,
    /// Whether there are NSEC records.
    is_signed: bool,
    /// How many records are not in the zone, and the owner of the first.
    strangers: Option<(usize, Name)>,
}

/// The record sets of a name.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Node(Vec<RecordSet>);

/// The records of a name that have the same type.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct RecordSet {
    pub(crate) rtype: RecordType,
    /// TTLs in seconds and data, in the order of the file.
    pub(crate) records: Vec<(u32, RData)>,
}

/// Takes the records of a zone, one by one.
#[derive(Debug)]
pub(crate) struct ZoneBuilder {
    origin: LowerName,
    nodes: BTreeMap<LowerName, Node>,
    strangers: Option<(usize, Name)>,
}

impl ZoneBuilder {
    pub(crate) fn new(origin: LowerName) -> Self {
        Self { origin, nodes: BTreeMap::new(), strangers: None }
    }

    /// Adds a record; one that is not in the zone is left out, as every name server does.
    ///
    /// # Errors
    /// It is a second SOA record, or one that is not the zone's.
    pub(crate) fn add(&mut self, record: Record) -> Result<(), String> {
        let owner = LowerName::new(&record.name);
        let rtype = record.record_type();
        if rtype == RecordType::SOA && owner != self.origin {
            return Err(format!(
                "the SOA record is that of {owner}, not of the zone {}; write @ as its owner, or name \
                 the right zone in the Corefile",
                self.origin
            ));
        }
        if !self.origin.zone_of(&owner) {
            self.strangers.get_or_insert((0, record.name)).0 += 1;
            return Ok(());
        }
        let node = self.nodes.entry(owner).or_default();
        let set = node.set_mut(rtype);
        if rtype == RecordType::SOA && set.records.first().is_some_and(|(_, a)| *a != record.data) {
            return Err("a zone has one SOA record; remove this one".into());
        }
        set.records.push((record.ttl, record.data));
        Ok(())
    }

    /// Returns the zone; none when it has no SOA record.
    pub(crate) fn finish(mut self) -> Option<Zone> {
        let (soa_ttl, RData::SOA(soa)) =
            self.nodes.get(&self.origin)?.set(RecordType::SOA)?.records.first()?.clone()
        else {
            return None;
        };
        self.nodes.values_mut().flat_map(|node| &mut node.0).for_each(RecordSet::forget_doubles);
        let is_signed = self.nodes.values().any(|node| node.set(RecordType::NSEC).is_some());
        let mut zone = Zone {
            origin: self.origin,
            soa_ttl,
            soa,
            nodes: self.nodes,
            is_signed,
            strangers: self.strangers,
        };
        zone.add_empty_non_terminals();
        Some(zone)
    }
}

impl Zone {
    fn add_empty_non_terminals(&mut self) {
        let mut missing = HashSet::new();
        for name in self.nodes.keys() {
            let mut above = name.base_name();
            while self.origin.zone_of(&above)
                && !self.nodes.contains_key(&above)
                && missing.insert(above.clone())
            {
                above = above.base_name();
            }
        }
        for name in missing {
            self.nodes.entry(name).or_default();
        }
    }

    /// Returns the apex.
    pub(crate) fn origin(&self) -> &LowerName {
        &self.origin
    }

    /// Returns the SOA record of answers that say no: its TTL is at most the MINIMUM field (RFC 2308 §3).
    pub(crate) fn negative_soa(&self) -> Record {
        let ttl = self.soa_ttl.min(self.soa.minimum);
        Record::from_rdata(self.origin.clone().into(), ttl, RData::SOA(self.soa.clone()))
    }

    /// Returns the serial number.
    pub(crate) fn serial(&self) -> u32 {
        self.soa.serial
    }

    /// Counts the records.
    pub(crate) fn len(&self) -> usize {
        self.nodes.values().flat_map(|node| &node.0).map(|set| set.records.len()).sum()
    }

    /// Returns how many records were left out because they are not in the zone, and the owner of the first.
    pub(crate) fn strangers(&self) -> Option<&(usize, Name)> {
        self.strangers.as_ref()
    }

    /// Returns a name's record sets; none when the name does not exist.
    pub(crate) fn node(&self, name: &LowerName) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// Like [`Zone::node`], with the name.
    pub(crate) fn node_entry(&self, name: &LowerName) -> Option<(&LowerName, &Node)> {
        self.nodes.get_key_value(name)
    }

    /// Returns the apex's record sets.
    pub(crate) fn apex(&self) -> Option<&Node> {
        self.nodes.get(&self.origin)
    }

    /// Returns the name with an NSEC record that is the last at or before another one in canonical order
    /// (RFC 4034 §6.1): its NSEC record says what is not between it and the next.
    pub(crate) fn covering(&self, name: &LowerName) -> Option<(&LowerName, &Node)> {
        if !self.is_signed {
            return None;
        }
        let before = (Bound::Unbounded, Bound::Included(name));
        let mut before = self.nodes.range::<LowerName, _>(before).rev().take(MAX_STEPS_BACK);
        before.find(|(_, node)| node.set(RecordType::NSEC).is_some())
    }
}

impl Node {
    /// Returns the records of a type.
    pub(crate) fn set(&self, rtype: RecordType) -> Option<&RecordSet> {
        self.0.iter().find(|set| set.rtype == rtype)
    }

    /// Returns every record set.
    pub(crate) fn sets(&self) -> &[RecordSet] {
        &self.0
    }

    /// Returns the signatures of a type (RFC 4034 §3.1.1).
    pub(crate) fn signatures(&self, covered: RecordType) -> impl Iterator<Item = &(u32, RData)> {
        let records = self.set(RecordType::RRSIG).into_iter().flat_map(|set| &set.records);
        records.filter(move |(_, data)| covers(data, covered))
    }

    fn set_mut(&mut self, rtype: RecordType) -> &mut RecordSet {
        let at = self.0.iter().position(|set| set.rtype == rtype);
        let at = at.unwrap_or_else(|| {
            self.0.push(RecordSet { rtype, records: Vec::new() });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

fn covers(data: &RData, covered: RecordType) -> bool {
    let RData::Unknown { rdata, .. } = data else { return false };
    rdata.anything.starts_with(&u16::from(covered).to_be_bytes())
}

impl RecordSet {
    /// Returns the target of the first record, if it is a CNAME or DNAME record.
    pub(crate) fn target(&self) -> Option<Name> {
        match &self.records.first()?.1 {
            RData::CNAME(name) => Some(name.0.clone()),
            RData::Unknown { code: RecordType::DNAME, rdata } => {
                zone_file::data::name_in(&rdata.anything)
            }
            _ => None,
        }
    }

    /// Keeps the first of equal records (RFC 2181 §5).
    fn forget_doubles(&mut self) {
        if self.records.len() < 2 {
            return;
        }
        let mut seen = HashSet::new();
        let is_new: Vec<bool> = self.records.iter().map(|(_, data)| seen.insert(data)).collect();
        let mut is_new = is_new.into_iter();
        self.records.retain(|_| is_new.next().unwrap_or(true));
    }
}
