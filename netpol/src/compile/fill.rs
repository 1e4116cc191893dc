//! What is in the sets of a whole ruleset.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::Cluster;
use nft::{Key, Name, Set};

use super::Family;
use super::holders::Holders;
use super::objects::{Wanted, WantedSets, declared};
use super::profile::{Namespaces, PodSelection};

/// Makes the sets that rules look things up in.
pub(super) fn fill(
    wanted: &WantedSets,
    cluster: &Cluster,
    holders: &Holders<'_>,
    node: &str,
) -> BTreeMap<Name, Arc<Set>> {
    let keys = |wanted: &Wanted| match wanted {
        Wanted::Pods(selection, family) => selected(selection, *family, cluster, holders),
        Wanted::Named(names, scope, family) => holders
            .iter()
            .filter(|(address, pod)| Family::of(*address) == *family && scope.has(pod, node))
            .flat_map(|(address, pod)| declared(names, address, pod))
            .collect(),
        Wanted::Blocks(..) | Wanted::Ports(_) => Vec::new(),
    };
    let set = |(name, wanted): (&Name, &Wanted)| (name.clone(), Arc::new(wanted.set(keys(wanted))));
    wanted.iter().map(set).collect()
}

fn selected(
    selection: &PodSelection,
    family: Family,
    cluster: &Cluster,
    holders: &Holders<'_>,
) -> Vec<Key> {
    let namespaces: Vec<&str> = match &selection.namespaces {
        Namespaces::Named(name) => vec![name],
        Namespaces::Selected(selector) => {
            let selects = |name: &&str| {
                let namespace = cluster.namespace(name);
                namespace.is_some_and(|namespace| selector.matches(&namespace.labels))
            };
            holders.namespaces().filter(selects).collect()
        }
    };
    namespaces
        .into_iter()
        .flat_map(|name| holders.in_namespace(name))
        .filter(|holder| selection.pods.matches(&holder.pod.labels))
        .flat_map(|holder| holder.addresses.iter().copied())
        .filter(|address| Family::of(*address) == family)
        .map(Key::from)
        .collect()
}
