//! What a Service says of its addresses and ports.

use std::net::IpAddr;

use cluster::{Protocol, ServiceType};

use super::family_policy::FamilyPolicy;
use crate::Family;

/// What a Service says of its addresses and ports.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wish {
    /// `spec.type`.
    pub service_type: ServiceType,
    /// `spec.clusterIP` and `spec.clusterIPs`.
    pub cluster_ips: Written,
    /// `spec.ipFamilyPolicy`.
    pub policy: Option<FamilyPolicy>,
    /// `spec.ipFamilies`, at most two.
    pub families: Vec<Family>,
    /// Unless `spec.allocateLoadBalancerNodePorts` is false.
    pub allocates_node_ports: bool,
    /// `spec.ports`.
    pub ports: Vec<PortWish>,
}

/// The cluster addresses as written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Written {
    /// None are.
    #[default]
    Nothing,
    /// `None`.
    Headless,
    /// These, the primary first.
    Addresses(Vec<IpAddr>),
}

/// A port of a Service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortWish {
    /// `port`.
    pub port: u16,
    /// `protocol`.
    pub protocol: Protocol,
    /// `nodePort`.
    pub node_port: Option<u16>,
}
