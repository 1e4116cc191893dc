//! The one in-memory model of a cluster.
//!
//! Sources (the `cluster-source` crate) turn Kubernetes objects into [`Event`]s; a [`Store`] applies them
//! one after the other; readers hold an immutable [`Cluster`] snapshot, which never changes under
//! them and costs an update only what changed. Decisions (DNS answers, policy verdicts, addresses)
//! are functions of a snapshot.
//!
//! The crate is pure: no clock, no network, no logging. Types hold only what a decision reads, in
//! the parsed form that it reads it in, so that nothing has to be checked twice.

mod addresses;
mod difference;
mod endpoint_slice;
mod event;
mod find_services;
mod index;
mod key;
mod kind;
mod labels;
mod namespace;
mod network_policy;
mod node;
mod object;
mod pod;
mod relations;
mod selector;
mod service;
mod snapshot;
mod stamps;
mod store;
mod table;

pub use addresses::Addresses;
pub use difference::{Changed, Difference};
pub use endpoint_slice::{Endpoint, EndpointPort, EndpointSlice, Import};
pub use event::Event;
pub use find_services::{MOST_TOGETHER, ServiceKey};
pub use key::{KeyRef, ObjectKey, ShortText, Text};
pub use kind::{Kind, KindSet};
pub use labels::Labels;
pub use namespace::Namespace;
pub use network_policy::{
    IpBlock, NetworkPolicy, Oddity, Peer, PolicyDirection, PolicyPort, PolicyRule, PortMatch,
};
pub use node::Node;
pub use object::Object;
pub use pod::{ContainerPort, Phase, Pod};
pub use selector::{Operator, Requirement, Selector, SelectorError};
pub use service::{
    LoadBalancerIngress, Protocol, Service, ServiceAddress, ServicePort, ServiceType, TargetPort,
};
pub use snapshot::Cluster;
pub use stamps::{Grounds, Part, Stamps};
pub use store::Store;
