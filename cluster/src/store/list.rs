//! What a list that is under way has shown of the objects that are in the model.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::index::{Index, Keyed};
use crate::relations::ByName;
use crate::{Cluster, Kind, ObjectKey};

/// Where the objects of the model are that a list has shown: eight octets each, and not their names.
///
/// An object that was there before the list stays at its address until it is replaced, and one that has come since
/// has been seen: an address that something has left and something else has got is none that was not seen.
pub(super) type Seen = HashSet<usize, RandomState>;

/// Returns where an object is.
pub(super) fn address<V>(object: &Arc<V>) -> usize {
    Arc::as_ptr(object).addr()
}

/// Returns where the object of this name is, if there is one.
pub(super) fn find(cluster: &Cluster, kind: Kind, key: &ObjectKey) -> Option<usize> {
    let key = key.borrowed();
    match kind {
        Kind::Namespace => cluster.namespaces.get(key).first().map(address),
        Kind::Node => cluster.nodes.get(key).first().map(address),
        Kind::Pod => cluster.pods.get(key).first().map(address),
        Kind::Service => cluster.services.get(key).first().map(address),
        Kind::EndpointSlice => cluster.slices.get(key).first().map(address),
        Kind::NetworkPolicy => cluster.policies.get(key).first().map(address),
        Kind::ServiceImport => cluster.imports.get(key).first().map(address),
    }
}

/// Returns the names of the objects of a kind that have not been seen.
pub(super) fn not_seen(cluster: &Cluster, kind: Kind, seen: &Seen) -> Vec<ObjectKey> {
    match kind {
        Kind::Namespace => names(&cluster.namespaces, seen),
        Kind::Node => names(&cluster.nodes, seen),
        Kind::Pod => names(&cluster.pods, seen),
        Kind::Service => names(&cluster.services, seen),
        Kind::EndpointSlice => names(&cluster.slices, seen),
        Kind::NetworkPolicy => names(&cluster.policies, seen),
        Kind::ServiceImport => names(&cluster.imports, seen),
    }
}

fn names<V: Keyed>(objects: &Index<ByName<V>>, seen: &Seen) -> Vec<ObjectKey> {
    let gone = objects.iter().filter(|object| !seen.contains(&address(object)));
    gone.map(|object| ObjectKey::from(object.key())).collect()
}
