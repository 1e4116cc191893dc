//! What readers see: one consistent state of the cluster.

use std::net::IpAddr;
use std::sync::Arc;

use imbl::HashMap;

use crate::index::Index;
use crate::{
    EndpointSlice, KeyRef, Kind, KindSet, Namespace, NetworkPolicy, Node, Object, ObjectKey, Pod,
    Service, Text,
};

/// An immutable state of the cluster.
///
/// A clone is cheap and shares everything; a [`Store`](crate::Store) makes the next snapshot by
/// changing only what an event changed. Two snapshots are equal when they hold the same objects and
/// have the same kinds synced, whatever the order in which events came.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub(crate) synced: KindSet,
    pub(crate) changed_at: u64,
    pub(crate) revision: u64,
    pub(crate) namespaces: HashMap<Text, Arc<Namespace>>,
    pub(crate) nodes: HashMap<Text, Arc<Node>>,
    pub(crate) pods: HashMap<ObjectKey, Arc<Pod>>,
    pub(crate) services: HashMap<ObjectKey, Arc<Service>>,
    pub(crate) imports: HashMap<ObjectKey, Arc<Service>>,
    pub(crate) slices: HashMap<ObjectKey, Arc<EndpointSlice>>,
    pub(crate) policies: HashMap<ObjectKey, Arc<NetworkPolicy>>,
    pub(crate) pods_by_ip: Index<IpAddr, Pod>,
    pub(crate) services_by_cluster_ip: Index<IpAddr, Service>,
    pub(crate) services_by_external_ip: Index<IpAddr, Service>,
    pub(crate) slices_by_import: Index<ObjectKey, EndpointSlice>,
    pub(crate) slices_by_service: Index<ObjectKey, EndpointSlice>,
    pub(crate) slices_by_address: Index<IpAddr, EndpointSlice>,
}

impl PartialEq for Cluster {
    fn eq(&self, other: &Self) -> bool {
        self.synced == other.synced
            && self.namespaces == other.namespaces
            && self.nodes == other.nodes
            && self.pods == other.pods
            && self.services == other.services
            && self.imports == other.imports
            && self.slices == other.slices
            && self.policies == other.policies
    }
}

impl Cluster {
    /// Returns the kinds that have been listed completely at least once. What is missing from any
    /// other kind may only not be known yet.
    pub fn synced(&self) -> KindSet {
        self.synced
    }

    /// Returns the time of the last change to an object, in seconds since 1970.
    pub fn changed_at(&self) -> u64 {
        self.changed_at
    }

    /// Returns the number of changes since the start; a reader that keeps something made from a
    /// snapshot compares it.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns the Namespace of this name.
    pub fn namespace(&self, name: &str) -> Option<&Arc<Namespace>> {
        self.namespaces.get(name)
    }

    /// Returns the Node of this name.
    pub fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.get(name)
    }

    /// Returns the Service of this name.
    pub fn service(&self, namespace: &str, name: &str) -> Option<&Arc<Service>> {
        self.services.get(&KeyRef { namespace, name })
    }

    /// Returns the ServiceImport of this name, in the form of a Service.
    pub fn import(&self, namespace: &str, name: &str) -> Option<&Arc<Service>> {
        self.imports.get(&KeyRef { namespace, name })
    }

    /// Returns the EndpointSlices of a ServiceImport, sorted by name.
    pub fn slices_of_import(&self, namespace: &str, import: &str) -> &[Arc<EndpointSlice>] {
        self.slices_by_import.get(&KeyRef { namespace, name: import })
    }

    /// Returns the Services with this external address, of `spec.externalIPs` or of a load balancer, sorted
    /// by namespace and name.
    pub fn services_by_external_ip(&self, ip: IpAddr) -> &[Arc<Service>] {
        self.services_by_external_ip.get(&ip)
    }

    /// Returns the Pod of this name.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<Pod>> {
        self.pods.get(&KeyRef { namespace, name })
    }

    /// Returns the EndpointSlices of a Service, sorted by name.
    pub fn slices_of(&self, namespace: &str, service: &str) -> &[Arc<EndpointSlice>] {
        self.slices_by_service.get(&KeyRef { namespace, name: service })
    }

    /// Returns the Services with this ClusterIP, sorted by namespace and name. In a healthy cluster
    /// there is at most one.
    pub fn services_by_cluster_ip(&self, ip: IpAddr) -> &[Arc<Service>] {
        self.services_by_cluster_ip.get(&ip)
    }

    /// Returns the EndpointSlices that have an endpoint with this address, ready or not, sorted by
    /// namespace and name.
    pub fn slices_by_address(&self, ip: IpAddr) -> &[Arc<EndpointSlice>] {
        self.slices_by_address.get(&ip)
    }

    /// Returns the Pods with this address, sorted by namespace and name: several for the address of a
    /// node, and while an address passes from one pod to the next.
    pub fn pods_by_ip(&self, ip: IpAddr) -> &[Arc<Pod>] {
        self.pods_by_ip.get(&ip)
    }

    /// Iterates over the Namespaces, in no particular order.
    pub fn namespaces(&self) -> impl Iterator<Item = &Arc<Namespace>> {
        self.namespaces.values()
    }

    /// Iterates over the Services, in no particular order.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// Returns every object, sorted by kind, namespace and name.
    pub fn objects(&self) -> Vec<Object> {
        let mut objects: Vec<Object> = Vec::with_capacity(self.len());
        objects.extend(self.namespaces.values().cloned().map(Object::Namespace));
        objects.extend(self.nodes.values().cloned().map(Object::Node));
        objects.extend(self.pods.values().cloned().map(Object::Pod));
        objects.extend(self.services.values().cloned().map(Object::Service));
        objects.extend(self.slices.values().cloned().map(Object::EndpointSlice));
        objects.extend(self.policies.values().cloned().map(Object::NetworkPolicy));
        objects.extend(self.imports.values().cloned().map(Object::ServiceImport));
        objects.sort_by_cached_key(|object| (object.kind(), object.key()));
        objects
    }

    /// Returns the number of objects of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Namespace => self.namespaces.len(),
            Kind::Node => self.nodes.len(),
            Kind::Pod => self.pods.len(),
            Kind::Service => self.services.len(),
            Kind::EndpointSlice => self.slices.len(),
            Kind::NetworkPolicy => self.policies.len(),
            Kind::ServiceImport => self.imports.len(),
        }
    }

    /// Returns the number of objects of all kinds.
    pub fn len(&self) -> usize {
        Kind::ALL.into_iter().map(|kind| self.count(kind)).sum()
    }

    /// Says whether there is no object of any kind.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
