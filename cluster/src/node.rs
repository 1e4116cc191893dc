//! Nodes.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{Labels, Text};

/// A `v1` Node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// The name.
    pub name: Text,
    /// The labels that node selectors read.
    pub labels: Labels,
    /// `status.addresses` of the types `InternalIP` and `ExternalIP`, in the order given.
    pub addresses: Box<[IpAddr]>,
    /// `spec.podCIDRs`: at most one network a family.
    pub pod_cidrs: Box<[IpNet]>,
}
