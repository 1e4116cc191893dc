//! Which pod has which address, from one snapshot to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use cluster::{Cluster, Pod, Text};

use crate::compile::holders::{has_addresses, precedes};

/// The pods that have addresses, by these and by namespace.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    pods: BTreeMap<IpAddr, Arc<Pod>>,
    namespaces: BTreeMap<Text, BTreeSet<IpAddr>>,
}

impl Addresses {
    /// Returns the pod that has an address.
    pub(super) fn get(&self, address: IpAddr) -> Option<&Arc<Pod>> {
        self.pods.get(&address)
    }

    /// Iterates over the names of namespaces with pods.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.namespaces.keys().map(|name| &**name)
    }

    /// Iterates over the addresses of a namespace's pods.
    pub(super) fn in_namespace(&self, name: &str) -> impl Iterator<Item = (IpAddr, &Arc<Pod>)> {
        let addresses = self.namespaces.get(name).into_iter().flatten();
        addresses.filter_map(|address| Some((*address, self.pods.get(address)?)))
    }

    /// Iterates over all addresses.
    pub(super) fn iter(&self) -> impl Iterator<Item = (IpAddr, &Arc<Pod>)> {
        self.pods.iter().map(|(address, pod)| (*address, pod))
    }

    /// Gives an address to a pod or to nobody, and returns who had it.
    pub(super) fn give(&mut self, address: IpAddr, pod: Option<Arc<Pod>>) -> Option<Arc<Pod>> {
        let namespace = pod.as_ref().map(|pod| pod.key.namespace.clone());
        let was = match pod {
            Some(pod) => self.pods.insert(address, pod),
            None => self.pods.remove(&address),
        };
        let left = was.as_ref().map(|pod| &pod.key.namespace);
        if left != namespace.as_ref() {
            if let Some(name) = left
                && let Some(addresses) = self.namespaces.get_mut(name)
            {
                addresses.remove(&address);
                if addresses.is_empty() {
                    self.namespaces.remove(name);
                }
            }
            if let Some(name) = namespace {
                self.namespaces.entry(name).or_default().insert(address);
            }
        }
        was
    }
}

/// Returns the pod of a snapshot that has an address, of those that name it.
pub(super) fn holder(cluster: &Cluster, address: IpAddr) -> Option<&Arc<Pod>> {
    let pods = cluster.pods_by_ip(address).iter().filter(|pod| has_addresses(pod));
    pods.reduce(|first, other| if precedes(other, first) { other } else { first })
}
