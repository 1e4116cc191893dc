//! Which pod has which address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use cluster::{Cluster, Phase, Pod};

/// Every address of a pod's own, and the pod; and the pods of each namespace.
#[derive(Debug)]
pub(super) struct Holders<'a> {
    by_address: BTreeMap<IpAddr, &'a Arc<Pod>>,
    /// Pods that have at least one address, in no particular order.
    by_namespace: BTreeMap<&'a str, Vec<Holder<'a>>>,
}

/// A pod and the addresses that are its own.
#[derive(Debug)]
pub(super) struct Holder<'a> {
    pub(super) pod: &'a Pod,
    pub(super) addresses: Vec<IpAddr>,
}

impl<'a> Holders<'a> {
    /// Gives each address to one of the pods that have it.
    pub(super) fn of(cluster: &'a Cluster) -> Self {
        let mut by_address: BTreeMap<IpAddr, &Arc<Pod>> = BTreeMap::new();
        for pod in cluster.pods().filter(|pod| has_addresses(pod)) {
            for ip in &pod.ips {
                by_address
                    .entry(*ip)
                    .and_modify(|other| {
                        if precedes(pod, other) {
                            *other = pod;
                        }
                    })
                    .or_insert(pod);
            }
        }
        let by_namespace = by_namespace(&by_address);
        Self { by_address, by_namespace }
    }

    /// Iterates over the addresses and their pods, in the order of addresses.
    pub(super) fn iter(&self) -> impl Iterator<Item = (IpAddr, &'a Arc<Pod>)> {
        self.by_address.iter().map(|(address, pod)| (*address, *pod))
    }

    /// Iterates over the names of namespaces with pods.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &'a str> {
        self.by_namespace.keys().copied()
    }

    /// Returns the pods of a namespace.
    pub(super) fn in_namespace(&self, name: &str) -> &[Holder<'a>] {
        self.by_namespace.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Says whether the addresses of a pod are its own: not those of its node, and not given up.
pub(super) fn has_addresses(pod: &Pod) -> bool {
    !pod.host_network && !matches!(pod.phase, Phase::Succeeded | Phase::Failed)
}

/// Says whether a pod has an address rather than another one: it stays, or both do and it started later.
pub(super) fn precedes(pod: &Pod, other: &Pod) -> bool {
    match (pod.terminating, other.terminating) {
        (false, true) => true,
        (true, false) => false,
        _ => match pod.started.cmp(&other.started) {
            std::cmp::Ordering::Equal => pod.key < other.key,
            order => order.is_gt(),
        },
    }
}

fn by_namespace<'a>(
    by_address: &BTreeMap<IpAddr, &'a Arc<Pod>>,
) -> BTreeMap<&'a str, Vec<Holder<'a>>> {
    let mut places: BTreeMap<*const Pod, (&str, usize)> = BTreeMap::new();
    let mut namespaces: BTreeMap<&str, Vec<Holder<'_>>> = BTreeMap::new();
    for (address, pod) in by_address {
        let (namespace, place) = *places.entry(Arc::as_ptr(pod)).or_insert_with(|| {
            let pods = namespaces.entry(&*pod.key.namespace).or_default();
            pods.push(Holder { pod, addresses: Vec::new() });
            (&*pod.key.namespace, pods.len() - 1)
        });
        let pods = namespaces.entry(namespace).or_default();
        if let Some(holder) = pods.get_mut(place) {
            holder.addresses.push(*address);
        }
    }
    namespaces
}
