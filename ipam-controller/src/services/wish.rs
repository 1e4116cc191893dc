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
    /// `spec.externalTrafficPolicy` is `Local`: nodes without an endpoint get no traffic.
    pub is_local: bool,
    /// `spec.healthCheckNodePort`.
    pub health_check: Option<u16>,
}

impl Wish {
    /// Returns the addresses that are written; none of headless and external Services.
    pub fn written(&self) -> &[IpAddr] {
        match (self.service_type, &self.cluster_ips) {
            (ServiceType::ExternalName, _) => &[],
            (_, Written::Addresses(ips)) => ips,
            (_, Written::Nothing | Written::Headless) => &[],
        }
    }

    /// Says whether load balancers ask its nodes, at a port of their own, which of them have an endpoint (`NeedsHealthCheck` of
    /// Kubernetes' `pkg/api/service`).
    pub fn needs_health_check(&self) -> bool {
        self.service_type == ServiceType::LoadBalancer && self.is_local
    }

    /// Returns what is left of a Service that has addresses and is of one family by its policy: the primary address and its
    /// family. None when there is nothing to take away (`trimFieldsForDualStackDowngrade` of kube-apiserver).
    pub fn without_second_family(&self) -> Option<Self> {
        let is_single = self.policy == Some(FamilyPolicy::SingleStack);
        let has_two = self.written().len() > 1 || self.families.len() > 1;
        let primary = self.written().first().filter(|_| is_single && has_two)?;
        let families = self.families.iter().take(1).copied().collect();
        Some(Self { cluster_ips: Written::Addresses(vec![*primary]), families, ..self.clone() })
    }
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
