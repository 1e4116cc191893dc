//! Who holds which address and which node port.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use cluster::{ObjectKey, Text};
use ipnet::IpNet;

use super::banded::Banded;
use super::range::AddressRange;
use super::state::{RangeUsage, family};
use crate::Family;

/// Who holds an address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Holder {
    /// A Service has it or is to get it.
    Service(ObjectKey),
    /// There is an IPAddress of it.
    Object,
}

/// A network that addresses are given from.
#[derive(Clone, Debug)]
struct Source {
    range: AddressRange,
    used: u64,
    /// The ServiceCIDRs that name it and are not being deleted.
    names: BTreeSet<Text>,
}

/// Who holds which address and which node port. One may have several holders, because what others wrote cannot be undone:
/// it is free when the last one lets go.
#[derive(Clone, Debug)]
pub(super) struct Book {
    sources: BTreeMap<IpNet, Source>,
    holders: BTreeMap<IpAddr, BTreeSet<Holder>>,
    ports: Banded,
    port_range: RangeInclusive<u16>,
    port_holders: BTreeMap<u16, BTreeSet<ObjectKey>>,
}

impl Book {
    /// Returns a book in which everything is free.
    pub(super) fn new(port_range: RangeInclusive<u16>) -> Self {
        let size = u64::from(port_range.end().saturating_sub(*port_range.start())) + 1;
        // KEP-3668: a thirty-second of all, from 16 to 128; none of 16 or less.
        let band = if size <= 16 { 0 } else { (size / 32).clamp(16, 128) };
        Self {
            sources: BTreeMap::new(),
            holders: BTreeMap::new(),
            ports: Banded::new(size - 1, band),
            port_range,
            port_holders: BTreeMap::new(),
        }
    }

    /// Lets addresses be given from a network, on behalf of a ServiceCIDR. One that cannot be a range gives none.
    pub(super) fn open(&mut self, network: IpNet, name: &Text) {
        if !self.sources.contains_key(&network) {
            let Ok(mut range) = AddressRange::new(network) else { return };
            let inside = self.holders.range(network.network()..=network.broadcast());
            let used = inside.filter(|(ip, _)| range.take(**ip)).count();
            let used = u64::try_from(used).unwrap_or(u64::MAX);
            self.sources.insert(network, Source { range, used, names: BTreeSet::new() });
        }
        if let Some(source) = self.sources.get_mut(&network) {
            source.names.insert(name.clone());
        }
    }

    /// Takes the word of a ServiceCIDR for a network back.
    pub(super) fn close(&mut self, network: IpNet, name: &Text) {
        if let Some(source) = self.sources.get_mut(&network) {
            source.names.remove(name);
            if source.names.is_empty() {
                self.sources.remove(&network);
            }
        }
    }

    /// Returns the families that addresses can be given of: those of the first network first.
    pub(super) fn families(&self, first: Option<Family>) -> Vec<Family> {
        let mut families: Vec<Family> = first.into_iter().collect();
        for family in Family::ALL {
            let is_there = self.sources.keys().any(|network| Family::of(*network) == family);
            if is_there && !families.contains(&family) {
                families.push(family);
            }
        }
        families.retain(|family| self.sources.keys().any(|it| Family::of(*it) == *family));
        families
    }

    /// Says whether an address is one that could be given.
    pub(super) fn is_in_range(&self, ip: IpAddr) -> bool {
        self.sources.keys().any(|network| network.contains(&ip))
    }

    /// Notes that somebody holds an address. Again changes nothing.
    pub(super) fn hold(&mut self, ip: IpAddr, holder: Holder) {
        let holders = self.holders.entry(ip).or_default();
        if holders.is_empty() {
            for source in self.sources.values_mut() {
                source.used += u64::from(source.range.take(ip));
            }
        }
        holders.insert(holder);
    }

    /// Notes that somebody has let go of an address; says whether it is free.
    pub(super) fn release(&mut self, ip: IpAddr, holder: &Holder) -> bool {
        let Some(holders) = self.holders.get_mut(&ip) else { return false };
        holders.remove(holder);
        if !holders.is_empty() {
            return false;
        }
        self.holders.remove(&ip);
        for source in self.sources.values_mut() {
            if source.range.free(ip) {
                source.used -= 1;
            }
        }
        true
    }

    /// Returns a Service beside this one that holds an address.
    pub(super) fn other(&self, ip: IpAddr, than: &ObjectKey) -> Option<&ObjectKey> {
        self.holders.get(&ip)?.iter().find_map(|holder| match holder {
            Holder::Service(key) if key != than => Some(key),
            Holder::Service(_) | Holder::Object => None,
        })
    }

    /// Iterates over the Services that hold an address.
    pub(super) fn services_of(&self, ip: IpAddr) -> impl Iterator<Item = ObjectKey> {
        self.holders.get(&ip).into_iter().flatten().filter_map(|holder| match holder {
            Holder::Service(key) => Some(key.clone()),
            Holder::Object => None,
        })
    }

    /// Returns a free address of a family; it stays free. Of several networks the one with the fewest taken comes first.
    pub(super) fn pick(&self, family: Family, seed: u64) -> Option<IpAddr> {
        let mut of_family: Vec<(&IpNet, &Source)> =
            self.sources.iter().filter(|(network, _)| Family::of(**network) == family).collect();
        of_family.sort_by_key(|(network, source)| (source.used, **network));
        of_family.iter().find_map(|(_, source)| source.range.pick(seed))
    }

    /// Notes that a Service holds a node port. Again changes nothing.
    pub(super) fn hold_port(&mut self, port: u16, key: &ObjectKey) {
        if let Some(number) = self.number(port) {
            self.ports.take(number);
        }
        self.port_holders.entry(port).or_default().insert(key.clone());
    }

    /// Notes that a Service has let go of a node port.
    pub(super) fn release_port(&mut self, port: u16, key: &ObjectKey) {
        let Some(holders) = self.port_holders.get_mut(&port) else { return };
        holders.remove(key);
        if holders.is_empty() {
            self.port_holders.remove(&port);
            if let Some(number) = self.number(port) {
                self.ports.free(number);
            }
        }
    }

    /// Returns a Service beside this one that holds a node port.
    pub(super) fn other_of_port(&self, port: u16, than: &ObjectKey) -> Option<&ObjectKey> {
        self.port_holders.get(&port)?.iter().find(|key| *key != than)
    }

    /// Returns a free node port; it stays free.
    pub(super) fn pick_port(&self, seed: u64) -> Option<u16> {
        let number = u16::try_from(self.ports.pick(seed)?).ok()?;
        self.port_range.start().checked_add(number)
    }

    /// Says whether addresses of a network are held that no other network has; `counts` says whether the object of an address
    /// that no Service holds is one of an allocator of Services.
    pub(super) fn is_needed(
        &self,
        network: IpNet,
        but: &Text,
        counts: impl Fn(IpAddr) -> bool,
    ) -> bool {
        let elsewhere = |ip: IpAddr| {
            self.sources.iter().any(|(other, source)| {
                other.contains(&ip) && source.names.iter().any(|name| name != but)
            })
        };
        let mut inside = self.holders.range(network.network()..=network.broadcast());
        inside.any(|(ip, holders)| {
            let is_held = holders.iter().any(|holder| *holder != Holder::Object) || counts(*ip);
            is_held && family(*ip) == Family::of(network) && !elsewhere(*ip)
        })
    }

    /// Returns how full each network is, sorted.
    pub(super) fn usage(&self) -> Vec<RangeUsage> {
        let usage = |(network, source): (&IpNet, &Source)| RangeUsage {
            network: *network,
            used: source.used,
            capacity: source.range.capacity(),
        };
        self.sources.iter().map(usage).collect()
    }

    /// Returns how many node ports are held, and how many there are.
    pub(super) fn port_usage(&self) -> (u64, u64) {
        let used = self.port_holders.keys().filter(|port| self.port_range.contains(port)).count();
        (u64::try_from(used).unwrap_or(u64::MAX), self.ports.last() + 1)
    }

    fn number(&self, port: u16) -> Option<u64> {
        self.port_range.contains(&port).then(|| u64::from(port - self.port_range.start()))
    }
}
