//! Services.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::{Addresses, Labels, ObjectKey, Text};

/// A `v1` Service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Its labels.
    pub labels: Labels,
    /// `spec.type`.
    pub service_type: ServiceType,
    /// Where clients are sent.
    pub address: ServiceAddress,
    /// `spec.ports`, in the order given; Services with the same ports may share them.
    pub ports: Arc<[ServicePort]>,
    /// `spec.externalIPs`.
    pub external_ips: Box<[IpAddr]>,
    /// `status.loadBalancer.ingress`.
    pub load_balancer: Box<[LoadBalancerIngress]>,
}

/// `spec.type` of a Service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum ServiceType {
    /// An address inside the cluster, or none when headless.
    #[default]
    ClusterIp,
    /// A ClusterIP and a port on every node.
    NodePort,
    /// A NodePort and an address outside the cluster.
    LoadBalancer,
    /// An alias of a DNS name.
    ExternalName,
}

/// Where a Service sends its clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServiceAddress {
    /// `spec.clusterIPs`: one or two, the primary first.
    ClusterIps(Addresses<2>),
    /// `clusterIP: None`: straight to the endpoints.
    Headless,
    /// `spec.externalName`, as written.
    ExternalName(Text),
    /// No address has been allocated yet.
    Pending,
}

/// A port of a Service.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ServicePort {
    /// The name; empty when it has none.
    pub name: Text,
    /// The transport protocol.
    pub protocol: Protocol,
    /// 1 to 65535.
    pub port: u16,
    /// The port on the endpoints.
    pub target_port: TargetPort,
    /// The port on every node, for NodePort and LoadBalancer.
    pub node_port: Option<u16>,
}

/// `targetPort` of a Service port.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum TargetPort {
    /// A port number.
    Number(u16),
    /// The name of a container port.
    Name(Text),
}

/// A transport protocol of Services, endpoints and policies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Protocol {
    /// TCP, the default everywhere in the Kubernetes API.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// An entry of `status.loadBalancer.ingress`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LoadBalancerIngress {
    /// The load balancer's address.
    Ip(IpAddr),
    /// The load balancer's DNS name.
    Hostname(Text),
}

impl Service {
    /// Returns the cluster addresses; empty for headless, external and pending Services.
    pub fn cluster_ips(&self) -> &[IpAddr] {
        match &self.address {
            ServiceAddress::ClusterIps(ips) => ips,
            ServiceAddress::Headless
            | ServiceAddress::ExternalName(_)
            | ServiceAddress::Pending => &[],
        }
    }

    /// Iterates over the addresses outside the cluster: `spec.externalIPs`, then those of load balancers.
    pub fn external_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let balanced = self.load_balancer.iter().filter_map(|ingress| match ingress {
            LoadBalancerIngress::Ip(ip) => Some(*ip),
            LoadBalancerIngress::Hostname(_) => None,
        });
        self.external_ips.iter().copied().chain(balanced)
    }

    /// Says whether clients are sent straight to the endpoints.
    pub fn is_headless(&self) -> bool {
        self.address == ServiceAddress::Headless
    }
}

impl Protocol {
    /// Returns the name in lower case, as SRV owner names spell it after the underscore.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
