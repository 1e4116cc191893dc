//! What objects are found by: their names, and what they say of addresses and of each other.

use std::marker::PhantomData;
use std::net::IpAddr;

use crate::index::{Keyed, Relation};
use crate::{EndpointSlice, KeyRef, Namespace, NetworkPolicy, Node, Pod, Service};

/// An object by its own name.
pub(crate) struct ByName<V>(PhantomData<V>);

/// A Pod by each of its addresses.
pub(crate) struct PodByIp;

/// A Service by each of its ClusterIPs.
pub(crate) struct ServiceByClusterIp;

/// A Service by each of its addresses outside the cluster.
pub(crate) struct ServiceByExternalIp;

/// An EndpointSlice by its Service.
pub(crate) struct SliceByService;

/// An EndpointSlice by its ServiceImport.
pub(crate) struct SliceByImport;

/// An EndpointSlice by each address of its endpoints.
pub(crate) struct SliceByAddress;

impl<V: Keyed> Relation for ByName<V> {
    type Object = V;
    type Key<'a> = KeyRef<'a>;

    fn keys(object: &V) -> Vec<KeyRef<'_>> {
        vec![object.key()]
    }

    fn has(object: &V, key: KeyRef<'_>) -> bool {
        object.key() == key
    }
}

impl Relation for PodByIp {
    type Object = Pod;
    type Key<'a> = IpAddr;

    fn keys(pod: &Pod) -> Vec<IpAddr> {
        pod.ips.to_vec()
    }

    fn has(pod: &Pod, ip: IpAddr) -> bool {
        pod.ips.contains(&ip)
    }
}

impl Relation for ServiceByClusterIp {
    type Object = Service;
    type Key<'a> = IpAddr;

    fn keys(service: &Service) -> Vec<IpAddr> {
        service.cluster_ips().to_vec()
    }

    fn has(service: &Service, ip: IpAddr) -> bool {
        service.cluster_ips().contains(&ip)
    }
}

impl Relation for ServiceByExternalIp {
    type Object = Service;
    type Key<'a> = IpAddr;

    fn keys(service: &Service) -> Vec<IpAddr> {
        service.external_addresses().collect()
    }

    fn has(service: &Service, ip: IpAddr) -> bool {
        service.external_addresses().any(|other| other == ip)
    }
}

impl Relation for SliceByService {
    type Object = EndpointSlice;
    type Key<'a> = KeyRef<'a>;

    fn keys(slice: &EndpointSlice) -> Vec<KeyRef<'_>> {
        service_of(slice).into_iter().collect()
    }

    fn has(slice: &EndpointSlice, service: KeyRef<'_>) -> bool {
        service_of(slice) == Some(service)
    }
}

impl Relation for SliceByImport {
    type Object = EndpointSlice;
    type Key<'a> = KeyRef<'a>;

    fn keys(slice: &EndpointSlice) -> Vec<KeyRef<'_>> {
        import_of(slice).into_iter().collect()
    }

    fn has(slice: &EndpointSlice, import: KeyRef<'_>) -> bool {
        import_of(slice) == Some(import)
    }
}

impl Relation for SliceByAddress {
    type Object = EndpointSlice;
    type Key<'a> = IpAddr;

    fn keys(slice: &EndpointSlice) -> Vec<IpAddr> {
        slice.endpoints.iter().flat_map(|endpoint| endpoint.addresses.iter().copied()).collect()
    }

    fn has(slice: &EndpointSlice, ip: IpAddr) -> bool {
        slice.endpoints.iter().any(|endpoint| endpoint.addresses.contains(&ip))
    }
}

fn service_of(slice: &EndpointSlice) -> Option<KeyRef<'_>> {
    let name = slice.service_name.as_deref()?;
    Some(KeyRef { namespace: &slice.key.namespace, name })
}

fn import_of(slice: &EndpointSlice) -> Option<KeyRef<'_>> {
    let import = slice.import.as_ref()?;
    Some(KeyRef { namespace: &slice.key.namespace, name: &import.service_name })
}

impl Keyed for Namespace {
    fn key(&self) -> KeyRef<'_> {
        KeyRef { namespace: "", name: &self.name }
    }
}

impl Keyed for Node {
    fn key(&self) -> KeyRef<'_> {
        KeyRef { namespace: "", name: &self.name }
    }
}

impl Keyed for Pod {
    fn key(&self) -> KeyRef<'_> {
        self.key.borrowed()
    }
}

impl Keyed for Service {
    fn key(&self) -> KeyRef<'_> {
        self.key.borrowed()
    }
}

impl Keyed for EndpointSlice {
    fn key(&self) -> KeyRef<'_> {
        self.key.borrowed()
    }
}

impl Keyed for NetworkPolicy {
    fn key(&self) -> KeyRef<'_> {
        self.key.borrowed()
    }
}
