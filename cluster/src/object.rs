//! An object of any kind.

use std::sync::Arc;

use crate::{EndpointSlice, Kind, Namespace, NetworkPolicy, Node, ObjectKey, Pod, Service};

/// An object of any kind of the model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Object {
    /// A Namespace.
    Namespace(Arc<Namespace>),
    /// A Node.
    Node(Arc<Node>),
    /// A Pod.
    Pod(Arc<Pod>),
    /// A Service.
    Service(Arc<Service>),
    /// An EndpointSlice.
    EndpointSlice(Arc<EndpointSlice>),
    /// A NetworkPolicy.
    NetworkPolicy(Arc<NetworkPolicy>),
    /// A ServiceImport: a Service of a set of clusters, in the form of a Service.
    ServiceImport(Arc<Service>),
}

impl Object {
    /// Returns the object's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Namespace(_) => Kind::Namespace,
            Self::Node(_) => Kind::Node,
            Self::Pod(_) => Kind::Pod,
            Self::Service(_) => Kind::Service,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::NetworkPolicy(_) => Kind::NetworkPolicy,
            Self::ServiceImport(_) => Kind::ServiceImport,
        }
    }

    /// Returns the object's namespace and name.
    pub fn key(&self) -> ObjectKey {
        match self {
            Self::Namespace(namespace) => ObjectKey::cluster_scoped(namespace.name.clone()),
            Self::Node(node) => ObjectKey::cluster_scoped(node.name.clone()),
            Self::Pod(pod) => pod.key.clone(),
            Self::Service(service) => service.key.clone(),
            Self::EndpointSlice(slice) => slice.key.clone(),
            Self::NetworkPolicy(policy) => policy.key.clone(),
            Self::ServiceImport(import) => import.key.clone(),
        }
    }
}
