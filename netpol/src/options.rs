//! What an operator may choose.

use std::net::{IpAddr, Ipv4Addr};

/// How policies are enforced on a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Whether egress rules hold for what a pod sends to its own node.
    pub pod_to_own_node: PodToOwnNode,
    /// Addresses of the node at which a DNS server for its pods listens: port 53 of them is never denied. NodeLocal
    /// DNSCache has 169.254.20.10 and, where kube-proxy uses iptables, the ClusterIP of the cluster's DNS.
    pub node_local_dns: Vec<IpAddr>,
    /// The bit of the connection mark that says that a connection is not allowed any more. One bit.
    pub revoked_mark: u32,
    /// Where packets are logged that are denied; none logs nothing.
    pub log: Option<LogOptions>,
}

/// Whether egress rules hold between a pod and its own node.
///
/// The API promises that ingress from the own node is always allowed, and leaves egress to it open: some enforcers hold
/// it to the rules as any other address (Calico, kube-router), others let it pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PodToOwnNode {
    /// Egress rules hold, but for [`Options::node_local_dns`].
    #[default]
    Enforce,
    /// Everything is allowed.
    Allow,
}

/// How denied packets are logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogOptions {
    /// The netlink group (NFLOG).
    pub group: u16,
    /// The packets of each profile that are logged in a second, at least 1.
    pub per_second: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pod_to_own_node: PodToOwnNode::default(),
            node_local_dns: vec![Ipv4Addr::new(169, 254, 20, 10).into()],
            revoked_mark: 0x0200_0000,
            log: None,
        }
    }
}
