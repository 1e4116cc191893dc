//! What readers see: one consistent state of the cluster.

use std::net::IpAddr;
use std::sync::Arc;

use crate::index::Index;
use crate::relations::{
    ByName, PodByIp, ServiceByClusterIp, ServiceByExternalIp, SliceByAddress, SliceByImport,
    SliceByService,
};
use crate::{
    EndpointSlice, KeyRef, Kind, KindSet, Namespace, NetworkPolicy, Node, Object, Pod, Service,
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
    pub(crate) namespaces: Index<ByName<Namespace>>,
    pub(crate) nodes: Index<ByName<Node>>,
    pub(crate) pods: Index<ByName<Pod>>,
    pub(crate) services: Index<ByName<Service>>,
    pub(crate) imports: Index<ByName<Service>>,
    pub(crate) slices: Index<ByName<EndpointSlice>>,
    pub(crate) policies: Index<ByName<NetworkPolicy>>,
    pub(crate) pods_by_ip: Index<PodByIp>,
    pub(crate) services_by_cluster_ip: Index<ServiceByClusterIp>,
    pub(crate) services_by_external_ip: Index<ServiceByExternalIp>,
    pub(crate) slices_by_import: Index<SliceByImport>,
    pub(crate) slices_by_service: Index<SliceByService>,
    pub(crate) slices_by_address: Index<SliceByAddress>,
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
        self.namespaces.get(KeyRef { namespace: "", name }).first()
    }

    /// Returns the Node of this name.
    pub fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.get(KeyRef { namespace: "", name }).first()
    }

    /// Returns the Service of this name.
    pub fn service(&self, namespace: &str, name: &str) -> Option<&Arc<Service>> {
        self.services.get(KeyRef { namespace, name }).first()
    }

    /// Returns the ServiceImport of this name, in the form of a Service.
    pub fn import(&self, namespace: &str, name: &str) -> Option<&Arc<Service>> {
        self.imports.get(KeyRef { namespace, name }).first()
    }

    /// Returns the EndpointSlices of a ServiceImport, sorted by name.
    pub fn slices_of_import(&self, namespace: &str, import: &str) -> &[Arc<EndpointSlice>] {
        self.slices_by_import.get(KeyRef { namespace, name: import })
    }

    /// Returns the Services with this external address, of `spec.externalIPs` or of a load balancer, sorted
    /// by namespace and name.
    pub fn services_by_external_ip(&self, ip: IpAddr) -> &[Arc<Service>] {
        self.services_by_external_ip.get(ip)
    }

    /// Returns the Pod of this name.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<Pod>> {
        self.pods.get(KeyRef { namespace, name }).first()
    }

    /// Returns the EndpointSlices of a Service, sorted by name.
    pub fn slices_of(&self, namespace: &str, service: &str) -> &[Arc<EndpointSlice>] {
        self.slices_by_service.get(KeyRef { namespace, name: service })
    }

    /// Returns the Services with this ClusterIP, sorted by namespace and name. In a healthy cluster
    /// there is at most one.
    pub fn services_by_cluster_ip(&self, ip: IpAddr) -> &[Arc<Service>] {
        self.services_by_cluster_ip.get(ip)
    }

    /// Returns the EndpointSlices that have an endpoint with this address, ready or not, sorted by
    /// namespace and name.
    pub fn slices_by_address(&self, ip: IpAddr) -> &[Arc<EndpointSlice>] {
        self.slices_by_address.get(ip)
    }

    /// Returns the Pods with this address, sorted by namespace and name: several for the address of a
    /// node, and while an address passes from one pod to the next.
    pub fn pods_by_ip(&self, ip: IpAddr) -> &[Arc<Pod>] {
        self.pods_by_ip.get(ip)
    }

    /// Iterates over the Namespaces, in no particular order.
    pub fn namespaces(&self) -> impl Iterator<Item = &Arc<Namespace>> {
        self.namespaces.iter()
    }

    /// Iterates over the Nodes, in no particular order.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.iter()
    }

    /// Iterates over the Pods, in no particular order.
    pub fn pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.iter()
    }

    /// Iterates over the NetworkPolicies, in no particular order.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<NetworkPolicy>> {
        self.policies.iter()
    }

    /// Iterates over the Services, in no particular order.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.iter()
    }

    /// Returns every object, sorted by kind, namespace and name.
    pub fn objects(&self) -> Vec<Object> {
        let mut objects: Vec<Object> = Vec::with_capacity(self.len());
        objects.extend(self.namespaces.iter().cloned().map(Object::Namespace));
        objects.extend(self.nodes.iter().cloned().map(Object::Node));
        objects.extend(self.pods.iter().cloned().map(Object::Pod));
        objects.extend(self.services.iter().cloned().map(Object::Service));
        objects.extend(self.slices.iter().cloned().map(Object::EndpointSlice));
        objects.extend(self.policies.iter().cloned().map(Object::NetworkPolicy));
        objects.extend(self.imports.iter().cloned().map(Object::ServiceImport));
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
