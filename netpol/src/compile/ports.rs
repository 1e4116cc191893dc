//! The ports of rules, put together.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{PolicyPort, PortMatch, Protocol, Text};

use super::id::Content;
use super::ranges::Ranges;

/// What traffic is allowed with a peer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Ports {
    /// Some ports of TCP, UDP and SCTP.
    Some(PortSet),
    /// All traffic of every protocol.
    All,
}

/// Some ports, by number and by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct PortSet {
    /// Numbers of each protocol.
    pub(super) numbers: BTreeMap<Protocol, Ranges>,
    /// Names, which stand for the numbers that the destination declares.
    pub(super) names: BTreeSet<(Protocol, Text)>,
}

impl Ports {
    /// Returns the ports of a rule: without any, everything is allowed.
    pub(super) fn of_rule(ports: &[PolicyPort]) -> Self {
        if ports.is_empty() {
            return Self::All;
        }
        Self::Some(PortSet::of(ports))
    }

    /// Returns what no traffic is in.
    pub(super) fn none() -> Self {
        Self::Some(PortSet::default())
    }

    /// Says whether no traffic is in it.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::Some(set) if set.numbers.is_empty() && set.names.is_empty())
    }

    /// Adds what is in another.
    pub(super) fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Some(set), Self::Some(others)) => {
                for (protocol, ranges) in &others.numbers {
                    set.add_numbers(*protocol, ranges.clone());
                }
                set.names.extend(others.names.iter().cloned());
            }
        }
    }

    pub(super) fn describe(&self, content: &mut Content) {
        let Self::Some(set) = self else { return content.text("all") };
        content.text("some");
        content.number(set.numbers.len());
        for (protocol, ranges) in &set.numbers {
            content.number(usize::from(protocol_number(*protocol)));
            describe_ranges(content, ranges);
        }
        content.number(set.names.len());
        for (protocol, name) in &set.names {
            content.number(usize::from(protocol_number(*protocol)));
            content.text(name);
        }
    }
}

impl PortSet {
    /// Unites all ports at once: a rule may have tens of thousands.
    fn of(ports: &[PolicyPort]) -> Self {
        let range = |first: u16, last: u16| Ranges::between(first.into(), last.into());
        let mut numbers: BTreeMap<Protocol, Vec<Ranges>> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for port in ports {
            let ranges = match &port.ports {
                PortMatch::Any => range(0, u16::MAX),
                PortMatch::Range(first, last) => range(*first, *last),
                PortMatch::Named(name) => {
                    names.insert((port.protocol, name.clone()));
                    continue;
                }
                PortMatch::Nothing => continue,
            };
            numbers.entry(port.protocol).or_default().push(ranges);
        }
        let mut set = Self { numbers: BTreeMap::new(), names };
        for (protocol, ranges) in numbers {
            set.add_numbers(protocol, Ranges::union(ranges));
        }
        set
    }

    fn add_numbers(&mut self, protocol: Protocol, ranges: Ranges) {
        if !ranges.is_empty() {
            let known = self.numbers.entry(protocol).or_default();
            *known = Ranges::union([std::mem::take(known), ranges]);
        }
    }
}

pub(super) fn describe_ranges(content: &mut Content, ranges: &Ranges) {
    content.number(ranges.iter().count());
    for (first, last) in ranges.iter() {
        content.octets(&first.to_be_bytes());
        content.octets(&last.to_be_bytes());
    }
}

/// Returns the number of a protocol in the IP header.
pub(super) fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => nft::protocol::TCP,
        Protocol::Udp => nft::protocol::UDP,
        Protocol::Sctp => nft::protocol::SCTP,
    }
}
