//! What changed from one snapshot to a later one.

use std::sync::Arc;

use crate::{Cluster, Namespace, NetworkPolicy, Pod};

/// The objects that NetworkPolicies are about and that differ between two snapshots.
///
/// Snapshots of one [`Store`](crate::Store) share what did not change, so that this is found at the cost of the changes,
/// however many lie between the two. Of snapshots that share nothing, it is all that they hold.
#[derive(Clone, Debug, Default)]
pub struct Difference<'a> {
    /// Namespaces, sorted by name.
    pub namespaces: Vec<Changed<'a, Namespace>>,
    /// Pods, sorted by namespace and name.
    pub pods: Vec<Changed<'a, Pod>>,
    /// NetworkPolicies, sorted by namespace and name.
    pub policies: Vec<Changed<'a, NetworkPolicy>>,
}

/// An object that is not what it was; at least one of both is there. They may be equal.
#[derive(Debug)]
pub struct Changed<'a, V> {
    /// What it was; none when it was not there.
    pub old: Option<&'a Arc<V>>,
    /// What it is; none when it is not there any more.
    pub new: Option<&'a Arc<V>>,
}

impl<V> Clone for Changed<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Changed<'_, V> {}

impl Cluster {
    /// Finds what differs from an older snapshot.
    pub fn since<'a>(&'a self, old: &'a Self) -> Difference<'a> {
        Difference {
            namespaces: self.namespaces.since(&old.namespaces),
            pods: self.pods.since(&old.pods),
            policies: self.policies.since(&old.policies),
        }
    }
}

#[cfg(test)]
mod tests;
