//! Flows: who wants to talk to whom, as policies see it.

use std::fmt;
use std::net::IpAddr;

use cluster::{Cluster, Protocol};

use crate::{Direction, Options, pod_at};

/// The first packet of a connection, as it passes the node's `forward`, `input` or `output` hook: behind the rewriting
/// of Service addresses and before that of sources.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Flow {
    /// The source address.
    pub source: IpAddr,
    /// The destination address, of the same family. A ClusterIP has been replaced by an endpoint.
    pub destination: IpAddr,
    /// What is sent.
    pub traffic: Traffic,
    /// Which way the packet takes through the node of the pod.
    pub path: Path,
}

/// What is above IP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Traffic {
    /// TCP to a port.
    Tcp(u16),
    /// UDP to a port.
    Udp(u16),
    /// SCTP to a port.
    Sctp(u16),
    /// ICMP or ICMPv6, by the addresses' family, of a type.
    Icmp(u8),
    /// Any other protocol, by its number.
    Other(u8),
}

/// Which way a packet takes through a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Path {
    /// Through it, from or to a pod: the hook `forward`.
    Forwarded,
    /// From a pod to the pod's own node: the hook `input`.
    ToNode,
    /// From a node to a pod of its own: the hook `output`.
    FromNode,
}

impl Flow {
    /// Returns the flow between two addresses, with the path that the addresses of the pods' Nodes tell, and those that
    /// each node has for its own pods ([`Options::node_local_dns`]): the addresses of a Node that its object does not name,
    /// such as that of a bridge, are taken for others.
    pub fn between(
        cluster: &Cluster,
        options: &Options,
        source: IpAddr,
        destination: IpAddr,
        traffic: Traffic,
    ) -> Self {
        let is_own_node = |pod: IpAddr, other: IpAddr| {
            let Some(pod) = pod_at(cluster, pod) else { return false };
            let node = pod.node_name.as_deref().and_then(|name| cluster.node(name));
            node.is_some_and(|node| node.addresses.contains(&other))
                || is_of_every_node(cluster, options, other, traffic)
        };
        let path = if is_own_node(source, destination) {
            Path::ToNode
        } else if is_own_node(destination, source) {
            Path::FromNode
        } else {
            Path::Forwarded
        };
        Self { source, destination, traffic, path }
    }

    /// Says whether the address of a direction's own side is link-local, so that whose it is cannot be told. Such packets
    /// are forwarded only by a bridge (RFC 4291 section 2.5.6). Those to groups are not held to policies.
    pub(crate) fn is_link_local(&self, direction: Direction) -> bool {
        let is = |address| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        self.path == Path::Forwarded
            && match direction {
                Direction::Egress => is(self.source) && !self.destination.is_multicast(),
                Direction::Ingress => is(self.destination),
            }
    }

    /// Says whether it is part of finding neighbours and routers (RFC 4861), without which no IPv6 works. Nothing is
    /// sent to the unspecified address (RFC 4291 section 2.5.2).
    pub(crate) fn is_neighbour_discovery(&self) -> bool {
        self.source.is_ipv6()
            && !self.destination.is_unspecified()
            && matches!(self.traffic, Traffic::Icmp(kind) if is_discovery(kind))
    }
}

/// Says whether each node has an address itself, for a DNS server: of a ClusterIP it has port 53 alone, and the others lead
/// to pods.
fn is_of_every_node(
    cluster: &Cluster,
    options: &Options,
    address: IpAddr,
    traffic: Traffic,
) -> bool {
    options.node_local_dns.contains(&address)
        && (traffic.is_dns() || cluster.services_by_cluster_ip(address).is_empty())
}

/// Says whether a type of ICMPv6 is Router or Neighbour Solicitation or Advertisement, or Redirect.
fn is_discovery(kind: u8) -> bool {
    (DISCOVERY.0..=DISCOVERY.1).contains(&kind)
}

/// The types of ICMPv6 of Neighbour Discovery, first and last (RFC 4861 section 4).
pub(crate) const DISCOVERY: (u8, u8) = (133, 137);

impl Traffic {
    /// Returns the traffic to a port of a protocol.
    pub fn to_port(protocol: Protocol, port: u16) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp(port),
            Protocol::Udp => Self::Udp(port),
            Protocol::Sctp => Self::Sctp(port),
        }
    }

    /// Says whether it is what DNS servers of nodes are asked by.
    pub(crate) fn is_dns(self) -> bool {
        matches!(self, Self::Tcp(53) | Self::Udp(53))
    }

    /// Returns the protocol and port that policies can name; none of ICMP and others.
    pub fn port(self) -> Option<(Protocol, u16)> {
        match self {
            Self::Tcp(port) => Some((Protocol::Tcp, port)),
            Self::Udp(port) => Some((Protocol::Udp, port)),
            Self::Sctp(port) => Some((Protocol::Sctp, port)),
            Self::Icmp(_) | Self::Other(_) => None,
        }
    }
}

/// Writes `80/tcp`, `icmp type 8` or `protocol 47`.
impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(port) => write!(f, "{port}/tcp"),
            Self::Udp(port) => write!(f, "{port}/udp"),
            Self::Sctp(port) => write!(f, "{port}/sctp"),
            Self::Icmp(kind) => write!(f, "icmp type {kind}"),
            Self::Other(protocol) => write!(f, "protocol {protocol}"),
        }
    }
}
