//! EndpointSlices.

use std::sync::Arc;

use crate::{Addresses, Labels, ObjectKey, Protocol, ShortText, Text};

/// A `discovery.k8s.io/v1` EndpointSlice: a part of the endpoints of one Service.
///
/// Slices of address type `FQDN` hold no addresses here; nothing that reads them can use a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointSlice {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The Service, in the same namespace (label `kubernetes.io/service-name`); none for a slice
    /// that belongs to no Service.
    pub service_name: Option<ShortText>,
    /// What the slice was imported for, when it is one of another cluster of the set.
    pub import: Option<Box<Import>>,
    /// Its labels, where a source keeps them.
    pub labels: Labels,
    /// The endpoints, in the order given.
    pub endpoints: Box<[Endpoint]>,
    /// The ports, the same for every endpoint of the slice; slices with the same ports may share them.
    pub ports: Arc<[EndpointPort]>,
}

/// Where a slice of a set of clusters belongs (Multi-Cluster Services API, KEP-1645).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Import {
    /// The ServiceImport, in the same namespace (label `multicluster.kubernetes.io/service-name`).
    pub service_name: Text,
    /// The cluster that the endpoints are in (label `multicluster.kubernetes.io/source-cluster`); empty
    /// when the slice does not say.
    pub cluster: Text,
}

/// One endpoint: usually a Pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Its addresses, all of the slice's family; today's controllers write one.
    pub addresses: Addresses<1>,
    /// The hostname that the pod asked for, if any.
    pub hostname: Option<Text>,
    /// `targetRef.name`: the pod's name, for endpoints that are Pods.
    pub target_name: Option<ShortText>,
    /// `topology.kubernetes.io/zone` of the endpoint's node.
    pub zone: Option<Text>,
    /// `conditions.ready`; an absent condition is read as true (KEP-1672).
    pub ready: bool,
    /// `conditions.serving`; absent is read as `ready`.
    pub serving: bool,
    /// `conditions.terminating`; absent is read as false.
    pub terminating: bool,
}

/// A port of an EndpointSlice.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct EndpointPort {
    /// The name; empty when it has none.
    pub name: Text,
    /// The transport protocol.
    pub protocol: Protocol,
    /// 1 to 65535; none means every port.
    pub port: Option<u16>,
}
