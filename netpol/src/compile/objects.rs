//! The sets that rules look things up in, each made once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::{Cluster, Protocol, Text};
use nft::{DataType, Key, KeyRange, Name, Quoted, Set, Value};

use super::holders::Holders;
use super::id::Content;
use super::ports::{describe_ranges, protocol_number};
use super::profile::{Namespaces, PodSelection};
use super::ranges::{self, Ranges};
use super::{Family, name};

/// Makes sets on demand, and gathers them.
pub(super) struct Sets<'a> {
    cluster: &'a Cluster,
    holders: &'a Holders<'a>,
    node: &'a str,
    made: BTreeMap<Name, Arc<Set>>,
}

/// The pods whose named ports are looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    /// Those of this node: they receive.
    Node,
    /// All: they are sent to.
    Cluster,
}

impl<'a> Sets<'a> {
    pub(super) fn new(cluster: &'a Cluster, holders: &'a Holders<'a>, node: &'a str) -> Self {
        Self { cluster, holders, node, made: BTreeMap::new() }
    }

    pub(super) fn finish(self) -> BTreeMap<Name, Arc<Set>> {
        self.made
    }

    /// Returns the set of the addresses of selected pods.
    pub(super) fn pods(&mut self, selection: &PodSelection, family: Family) -> Name {
        let set_name = name(format!("pods{}_{}", family.digit(), selection.id()));
        if !self.made.contains_key(&set_name) {
            let set = Set {
                comment: Some(Quoted::lossy(&selection.words())),
                ..Set::of_keys([family.address()], self.selected(selection, family))
            };
            self.made.insert(set_name.clone(), Arc::new(set));
        }
        set_name
    }

    fn selected(&self, selection: &PodSelection, family: Family) -> Vec<Key> {
        let namespaces: Vec<&str> = match &selection.namespaces {
            Namespaces::Named(name) => vec![name],
            Namespaces::Selected(selector) => {
                let selects = |name: &&str| {
                    let namespace = self.cluster.namespace(name);
                    namespace.is_some_and(|namespace| selector.matches(&namespace.labels))
                };
                self.holders.namespaces().filter(selects).collect()
            }
        };
        namespaces
            .into_iter()
            .flat_map(|name| self.holders.in_namespace(name))
            .filter(|holder| selection.pods.matches(&holder.pod.labels))
            .flat_map(|holder| holder.addresses.iter().copied())
            .filter(|address| Family::of(*address) == family)
            .map(Key::from)
            .collect()
    }

    /// Returns the set of ranges of addresses.
    pub(super) fn blocks(&mut self, blocks: &Ranges, family: Family) -> Name {
        let bound = |number| Key::from(ranges::address(number, family));
        self.ranges("cidr", Some(family), family.address(), blocks, bound)
    }

    /// Returns the set of ranges of ports.
    pub(super) fn ports(&mut self, ports: &Ranges) -> Name {
        let bound = |number| Key::new(&[Value::Port(u16::try_from(number).unwrap_or(u16::MAX))]);
        self.ranges("ports", None, DataType::Port, ports, bound)
    }

    fn ranges(
        &mut self,
        kind: &str,
        family: Option<Family>,
        data_type: DataType,
        ranges: &Ranges,
        bound: impl Fn(u128) -> Key,
    ) -> Name {
        let mut content = Content::of(kind);
        describe_ranges(&mut content, ranges);
        let digit = family.map(|family| family.digit().to_string()).unwrap_or_default();
        let set_name = name(format!("{kind}{digit}_{}", content.id()));
        self.made.entry(set_name.clone()).or_insert_with(|| {
            let range = |(first, last)| KeyRange { first: bound(first), last: bound(last) };
            Arc::new(Set::of_ranges([data_type], ranges.iter().map(range)))
        });
        set_name
    }

    /// Returns the set of the ports that pods declare under names: `address . protocol . port`.
    pub(super) fn named(
        &mut self,
        names: &BTreeSet<(Protocol, Text)>,
        scope: Scope,
        family: Family,
    ) -> Name {
        let mut content = Content::of("named");
        content.text(match scope {
            Scope::Node => "node",
            Scope::Cluster => "cluster",
        });
        content.number(names.len());
        for (protocol, port_name) in names {
            content.number(usize::from(protocol_number(*protocol)));
            content.text(port_name);
        }
        let set_name = name(format!("named{}_{}", family.digit(), content.id()));
        if !self.made.contains_key(&set_name) {
            let types = [family.address(), DataType::Protocol, DataType::Port];
            let words: Vec<&str> = names.iter().map(|(_, port_name)| &**port_name).collect();
            let set = Set {
                comment: Some(Quoted::lossy(&format!("ports named {}", words.join(", ")))),
                ..Set::of_keys(types, self.declared(names, scope, family))
            };
            self.made.insert(set_name.clone(), Arc::new(set));
        }
        set_name
    }

    fn declared(
        &self,
        names: &BTreeSet<(Protocol, Text)>,
        scope: Scope,
        family: Family,
    ) -> Vec<Key> {
        let mut keys = Vec::new();
        for (address, pod) in self.holders.iter() {
            let is_here = scope == Scope::Cluster || pod.node_name.as_deref() == Some(self.node);
            if !is_here || Family::of(address) != family {
                continue;
            }
            let declared = pod.ports.iter().filter(|port| {
                names
                    .iter()
                    .any(|(protocol, name)| (*protocol, name) == (port.protocol, &port.name))
            });
            keys.extend(declared.map(|port| {
                let protocol = Value::Protocol(protocol_number(port.protocol));
                Key::new(&[address.into(), protocol, Value::Port(port.port)])
            }));
        }
        keys
    }
}
