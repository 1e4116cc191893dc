//! Names of a question that nothing in the cluster has.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use cluster::{Cluster, Text};

use crate::words::several;

/// Finds a namespace. Manifests may lack its object, so that what is in it counts, too.
///
/// # Errors
/// There is none; the error names some that there are.
pub(super) fn namespace(cluster: &Cluster, name: &str) -> Result<()> {
    let own = cluster.namespaces().map(|namespace| &namespace.name);
    let of_pods = cluster.pods().map(|pod| &pod.key.namespace);
    let of_policies = cluster.policies().map(|policy| &policy.key.namespace);
    find("namespace", "Namespace", name, own.chain(of_pods).chain(of_policies))
}

/// Finds a node: by its object, or by what is scheduled to it.
///
/// # Errors
/// As [`namespace`].
pub(super) fn node(cluster: &Cluster, name: &str) -> Result<()> {
    let own = cluster.nodes().map(|node| &node.name);
    find("node", "Node", name, own.chain(cluster.pods().filter_map(|pod| pod.node_name.as_ref())))
}

fn find<'a>(
    what: &str,
    kind: &str,
    name: &str,
    known: impl Iterator<Item = &'a Text>,
) -> Result<()> {
    let names: BTreeSet<&str> = known.map(|known| &**known).collect();
    if names.contains(name) {
        return Ok(());
    }
    let names: Vec<&str> = names.into_iter().collect();
    bail!("there is no {what} {name}; the cluster has {}", several(kind, &names))
}
