//! The sets of a ruleset that follows the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use cluster::{Changed, Cluster, Namespace, Pod, Selector, Text};
use nft::{Chain, Edits, Key, Name, Ruleset, Statement};

use super::addresses::Addresses;
use crate::compile::Family;
use crate::compile::objects::{Wanted, WantedSets, declared, selects};
use crate::compile::profile::{Namespaces, PodSelection};

/// The sets that chains look things up in, and where to find those that a change is about.
#[derive(Debug, Default)]
pub(super) struct LiveSets {
    sets: BTreeMap<Name, LiveSet>,
    /// Those of pods of one namespace, by its name.
    of_namespace: BTreeMap<Text, BTreeSet<Name>>,
    /// Those of pods of selected namespaces.
    of_selected: BTreeSet<Name>,
    /// Those of named ports.
    of_ports: BTreeSet<Name>,
}

#[derive(Debug)]
struct LiveSet {
    wanted: Wanted,
    /// How many chains look into it.
    chains: usize,
}

/// An address that passes from one pod, or another state of it, to the next.
pub(super) struct Move<'a> {
    pub(super) address: IpAddr,
    pub(super) was: Option<&'a Pod>,
    pub(super) is: Option<&'a Pod>,
    /// The snapshots before and after.
    pub(super) clusters: (&'a Cluster, &'a Cluster),
    /// The name of this node.
    pub(super) node: &'a str,
}

impl LiveSets {
    /// Brings an address out of the sets of the pod that had it, and into those of the one that has it.
    pub(super) fn follow(&self, moved: &Move<'_>, edits: &mut Edits, ruleset: &mut Ruleset) {
        let pods = || moved.was.into_iter().chain(moved.is);
        let namespaces: BTreeSet<&Text> = pods().map(|pod| &pod.key.namespace).collect();
        let of_namespace = namespaces.iter().filter_map(|name| self.of_namespace.get(*name));
        let names = of_namespace.flatten().chain(&self.of_selected).chain(&self.of_ports);
        for (name, set) in names.filter_map(|name| self.sets.get_key_value(name)) {
            let (was, is) = (moved.keys_before(&set.wanted), moved.keys_after(&set.wanted));
            for key in was.difference(&is) {
                edits.set_key(ruleset, name, key.clone(), false);
            }
            for key in is.difference(&was) {
                edits.set_key(ruleset, name, key.clone(), true);
            }
        }
    }

    /// Brings the pods of a namespace whose labels changed, or that came or went, into the sets of namespaces that it
    /// belongs to, and out of the others.
    pub(super) fn look_into(
        &self,
        changed: Changed<'_, Namespace>,
        pods: &[(IpAddr, &Arc<Pod>)],
        edits: &mut Edits,
        ruleset: &mut Ruleset,
    ) {
        let is_selected = |namespace: Option<&Arc<Namespace>>, selector: &Selector| {
            namespace.is_some_and(|namespace| selector.matches(&namespace.labels))
        };
        for (name, set) in self.of_selected.iter().filter_map(|name| self.sets.get_key_value(name))
        {
            let Wanted::Pods(selection, family) = &set.wanted else { continue };
            let Namespaces::Selected(selector) = &selection.namespaces else { continue };
            let is_in = is_selected(changed.new, selector);
            if is_in == is_selected(changed.old, selector) {
                continue;
            }
            let of_family = pods.iter().filter(|(address, _)| Family::of(*address) == *family);
            for (address, _) in of_family.filter(|(_, pod)| selection.pods.matches(&pod.labels)) {
                edits.set_key(ruleset, name, Key::from(*address), is_in);
            }
        }
    }

    /// Notes a chain that looks into sets. Those that are not there are made.
    pub(super) fn need(
        &mut self,
        wanted: WantedSets,
        (cluster, addresses, node): (&Cluster, &Addresses, &str),
        edits: &mut Edits,
        ruleset: &mut Ruleset,
    ) {
        for (name, wanted) in wanted {
            if let Some(set) = self.sets.get_mut(&name) {
                set.chains += 1;
                continue;
            }
            let set = wanted.set(keys(&wanted, cluster, addresses, node));
            edits.put_set(ruleset, &name, Arc::new(set));
            if let Some(index) = self.index(&wanted) {
                index.insert(name.clone());
            }
            self.sets.insert(name, LiveSet { wanted, chains: 1 });
        }
    }

    /// Notes that a chain is gone, and takes the sets away that only it looked into.
    pub(super) fn leave(&mut self, chain: &Chain, edits: &mut Edits, ruleset: &mut Ruleset) {
        let statements = chain.rules.iter().flat_map(|rule| &rule.statements);
        let looked_into: BTreeSet<&Name> = statements
            .filter_map(|statement| match statement {
                Statement::Lookup { set, .. } => Some(set),
                _ => None,
            })
            .collect();
        for name in looked_into {
            // Those of the skeleton are not counted.
            let Some(set) = self.sets.get_mut(name) else { continue };
            set.chains -= 1;
            if set.chains > 0 {
                continue;
            }
            edits.take_set(ruleset, name);
            if let Some(set) = self.sets.remove(name)
                && let Some(index) = self.index(&set.wanted)
            {
                index.remove(name);
            }
        }
        self.of_namespace.retain(|_, names| !names.is_empty());
    }

    /// Returns the sets that the same changes are about; none for those that change with nothing.
    fn index(&mut self, wanted: &Wanted) -> Option<&mut BTreeSet<Name>> {
        match wanted {
            Wanted::Pods(PodSelection { namespaces: Namespaces::Named(name), .. }, _) => {
                Some(self.of_namespace.entry(name.clone()).or_default())
            }
            Wanted::Pods(..) => Some(&mut self.of_selected),
            Wanted::Named(..) => Some(&mut self.of_ports),
            Wanted::Blocks(..) | Wanted::Ports(_) => None,
        }
    }
}

impl Move<'_> {
    /// Returns the keys of the address in a set, before.
    fn keys_before(&self, wanted: &Wanted) -> BTreeSet<Key> {
        self.was
            .map(|pod| keys_of(wanted, self.clusters.0, self.address, pod, self.node))
            .unwrap_or_default()
    }

    /// Returns the keys of the address in a set, after.
    fn keys_after(&self, wanted: &Wanted) -> BTreeSet<Key> {
        self.is
            .map(|pod| keys_of(wanted, self.clusters.1, self.address, pod, self.node))
            .unwrap_or_default()
    }
}

/// Returns the keys that an address of a pod has in a set.
fn keys_of(
    wanted: &Wanted,
    cluster: &Cluster,
    address: IpAddr,
    pod: &Pod,
    node: &str,
) -> BTreeSet<Key> {
    let is_of_family = |family: &Family| *family == Family::of(address);
    match wanted {
        Wanted::Pods(selection, family) if is_of_family(family) => {
            selects(selection, cluster, pod).then(|| Key::from(address)).into_iter().collect()
        }
        Wanted::Named(names, scope, family) if is_of_family(family) && scope.has(pod, node) => {
            declared(names, address, pod).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// Returns the keys of a set.
fn keys(wanted: &Wanted, cluster: &Cluster, addresses: &Addresses, node: &str) -> Vec<Key> {
    let of = |(address, pod): (IpAddr, &Arc<Pod>)| keys_of(wanted, cluster, address, pod, node);
    match wanted {
        Wanted::Pods(PodSelection { namespaces, .. }, _) => {
            let is_meant = |name: &str| match namespaces {
                Namespaces::Named(named) => **named == *name,
                Namespaces::Selected(selector) => {
                    let namespace = cluster.namespace(name);
                    namespace.is_some_and(|namespace| selector.matches(&namespace.labels))
                }
            };
            let meant = addresses.namespaces().filter(|name| is_meant(name));
            meant.flat_map(|name| addresses.in_namespace(name)).flat_map(of).collect()
        }
        Wanted::Named(..) => addresses.iter().flat_map(of).collect(),
        Wanted::Blocks(..) | Wanted::Ports(_) => Vec::new(),
    }
}
