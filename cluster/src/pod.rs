//! Pods.

use std::net::IpAddr;

use crate::{Labels, ObjectKey, Protocol, Text};

/// A `v1` Pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pod {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The labels that pod selectors read.
    pub labels: Labels,
    /// `spec.nodeName`; none while the pod is not scheduled.
    pub node_name: Option<Text>,
    /// `status.podIPs`, or `status.podIP` alone; the primary address first.
    pub ips: Box<[IpAddr]>,
    /// `status.phase`.
    pub phase: Phase,
    /// The pod shares its node's network namespace.
    pub host_network: bool,
    /// `metadata.deletionTimestamp` is set.
    pub terminating: bool,
    /// `status.startTime` in seconds since 1970; 0 when it is not known. Of two pods with one address, the later one
    /// has it.
    pub started: u32,
    /// Ports that its containers declare, for NetworkPolicy's named ports.
    pub ports: Box<[ContainerPort]>,
}

/// `status.phase` of a Pod.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Phase {
    /// Accepted, not all containers started yet.
    #[default]
    Pending,
    /// At least one container runs.
    Running,
    /// Every container ended with success.
    Succeeded,
    /// Every container ended, at least one of them with failure.
    Failed,
    /// The node cannot be asked.
    Unknown,
}

/// A port that a container of a Pod declares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContainerPort {
    /// The name; empty when it has none.
    pub name: Text,
    /// 1 to 65535.
    pub port: u16,
    /// The transport protocol.
    pub protocol: Protocol,
}

impl Pod {
    /// Says whether the pod's addresses are its own: it has not ended, so that nobody else may have
    /// been given them.
    pub fn holds_its_addresses(&self) -> bool {
        !self.terminating && matches!(self.phase, Phase::Pending | Phase::Running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A large cluster has tens of thousands.
    #[test]
    fn a_pod_takes_little_room() {
        assert_eq!(size_of::<Pod>(), 112);
    }
}
