//! Which addresses a peer of a rule stands for.

use std::net::IpAddr;

use cluster::{Cluster, IpBlock, Peer, Pod, Selector};

use crate::pod_at;

/// Says whether an address is the peer's. A peer is written in a policy of `namespace`.
///
/// Blocks are plain addresses: those of pods count as all others. Selectors stand for the pods that have the address,
/// never for pods in a node's network.
pub(crate) fn peer_matches(
    cluster: &Cluster,
    namespace: &str,
    peer: &Peer,
    address: IpAddr,
) -> bool {
    match peer {
        Peer::Nobody => false,
        Peer::IpBlock(block) => is_in_block(block, address),
        Peer::Pods { pods, namespaces } => pod_at(cluster, address).is_some_and(|pod| {
            namespace_matches(cluster, namespace, namespaces.as_ref(), pod)
                && pods.as_ref().is_none_or(|selector| selector.matches(&pod.labels))
        }),
    }
}

fn is_in_block(block: &IpBlock, address: IpAddr) -> bool {
    block.cidr.contains(&address) && !block.except.iter().any(|except| except.contains(&address))
}

/// Without a selector, the policy's own namespace is meant. A namespace that is not known has no labels to be selected
/// by, not even by a selector of everything: it may not exist any more.
pub(crate) fn namespace_matches(
    cluster: &Cluster,
    own: &str,
    selector: Option<&Selector>,
    pod: &Pod,
) -> bool {
    match selector {
        None => *pod.key.namespace == *own,
        Some(selector) => cluster
            .namespace(&pod.key.namespace)
            .is_some_and(|namespace| selector.matches(&namespace.labels)),
    }
}
