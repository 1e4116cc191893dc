//! The sets that rules look things up in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cluster::{Cluster, Pod, Protocol, Text};
use nft::{DataType, Key, KeyRange, Name, Quoted, Set, Value};

use super::id::{Content, Id};
use super::ports::{describe_ranges, protocol_number};
use super::profile::{Namespaces, PodSelection};
use super::ranges::{self, Ranges};
use super::{Family, name};

/// A set, by what is to be in it. Its name says it too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    /// The addresses of selected pods.
    Pods(PodSelection, Family),
    /// Ranges of addresses.
    Blocks(Ranges, Family),
    /// Ranges of ports.
    Ports(Ranges),
    /// The ports that pods declare under names: `address . protocol . port`.
    Named(PortNames, Scope, Family),
}

/// Names of ports, each of a protocol.
pub(super) type PortNames = BTreeSet<(Protocol, Text)>;

/// The sets that rules look things up in, by name.
pub(super) type WantedSets = BTreeMap<Name, Wanted>;

/// The pods whose named ports are looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    /// Those of this node: they receive.
    Node,
    /// All: they are sent to.
    Cluster,
}

impl Wanted {
    /// Returns the name of the set.
    pub(super) fn name(&self) -> Name {
        name(match self {
            Self::Pods(selection, family) => format!("pods{}_{}", family.digit(), selection.id()),
            Self::Blocks(ranges, family) => {
                format!("cidr{}_{}", family.digit(), id_of_ranges("cidr", ranges))
            }
            Self::Ports(ranges) => format!("ports_{}", id_of_ranges("ports", ranges)),
            Self::Named(names, scope, family) => {
                format!("named{}_{}", family.digit(), id_of_names(names, *scope))
            }
        })
    }

    /// Returns the set with these keys; those of ranges have their own.
    pub(super) fn set(&self, keys: impl IntoIterator<Item = Key>) -> Set {
        match self {
            Self::Pods(selection, family) => Set {
                comment: Some(Quoted::lossy(&selection.words())),
                ..Set::of_keys([family.address()], keys)
            },
            Self::Blocks(blocks, family) => {
                let bound = |number| Key::from(ranges::address(number, *family));
                set_of_ranges(family.address(), blocks, bound)
            }
            Self::Ports(ports) => {
                let port = |number| Value::Port(u16::try_from(number).unwrap_or(u16::MAX));
                set_of_ranges(DataType::Port, ports, |number| Key::new(&[port(number)]))
            }
            Self::Named(names, _, family) => {
                let types = [family.address(), DataType::Protocol, DataType::Port];
                let words: Vec<&str> = names.iter().map(|(_, port_name)| &**port_name).collect();
                Set {
                    comment: Some(Quoted::lossy(&format!("ports named {}", words.join(", ")))),
                    ..Set::of_keys(types, keys)
                }
            }
        }
    }
}

impl Scope {
    /// Says whether the ports of a pod are looked up on a node.
    pub(super) fn has(self, pod: &Pod, node: &str) -> bool {
        self == Self::Cluster || pod.node_name.as_deref() == Some(node)
    }
}

/// Says whether a pod is selected.
pub(super) fn selects(selection: &PodSelection, cluster: &Cluster, pod: &Pod) -> bool {
    let is_in_namespace = match &selection.namespaces {
        Namespaces::Named(name) => pod.key.namespace == *name,
        Namespaces::Selected(selector) => {
            let namespace = cluster.namespace(&pod.key.namespace);
            namespace.is_some_and(|namespace| selector.matches(&namespace.labels))
        }
    };
    is_in_namespace && selection.pods.matches(&pod.labels)
}

/// Returns the ports that a pod declares under names, at one of its addresses.
pub(super) fn declared<'a>(
    names: &'a PortNames,
    address: IpAddr,
    pod: &'a Pod,
) -> impl Iterator<Item = Key> + 'a {
    let is_wanted = |port: &&cluster::ContainerPort| {
        names.iter().any(|(protocol, name)| (*protocol, name) == (port.protocol, &port.name))
    };
    pod.ports.iter().filter(is_wanted).map(move |port| {
        let protocol = Value::Protocol(protocol_number(port.protocol));
        Key::new(&[address.into(), protocol, Value::Port(port.port)])
    })
}

fn set_of_ranges(data_type: DataType, ranges: &Ranges, bound: impl Fn(u128) -> Key) -> Set {
    let range = |(first, last)| KeyRange { first: bound(first), last: bound(last) };
    Set::of_ranges([data_type], ranges.iter().map(range))
}

fn id_of_ranges(kind: &str, ranges: &Ranges) -> Id {
    let mut content = Content::of(kind);
    describe_ranges(&mut content, ranges);
    content.id()
}

fn id_of_names(names: &PortNames, scope: Scope) -> Id {
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
    content.id()
}
