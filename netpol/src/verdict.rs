//! What NetworkPolicies say about a flow, as plainly as it can be written.
//!
//! This is the meaning that everything else is held to: the compiled ruleset by a property test, the kernel by probes
//! between pods. It reads the model and nothing that is made for speed.
//!
//! Source: the API reference of `networking.k8s.io/v1`, and the Kubernetes documentation "Network Policies".

mod peers;
mod ports;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use cluster::{Cluster, NetworkPolicy, ObjectKey, Phase, Pod, PolicyDirection, PolicyRule};

use crate::{Flow, Options, Path, PodToOwnNode};
pub(crate) use peers::{namespace_matches, peer_matches};
pub(crate) use ports::port_matches;

/// What policies say about a flow: it needs the egress of its source and the ingress of its destination, each
/// decided on that pod's own node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// What the source may send.
    pub egress: Side,
    /// What the destination may receive.
    pub ingress: Side,
}

/// One direction of a [`Verdict`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Side {
    /// The pod whose policies decide; none when the address is no pod's.
    pub pod: Option<Arc<Pod>>,
    /// What they decide.
    pub decision: Decision,
}

/// What is decided in one direction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Passes: no policy applies to an address that is no pod's, such as that of a node or a pod in its network.
    NoPod,
    /// Passes, whatever policies say.
    Exempt(Exemption),
    /// Passes: no policy of this direction selects the pod.
    NotIsolated,
    /// Passes: this part of this policy allows it. Others may, too; it is the first by name.
    Allowed(Grant),
    /// Does not pass: policies select the pod, and none allows it. Sorted by name.
    Denied(Vec<ObjectKey>),
    /// Would not pass, but the pod's namespace is audited only.
    Audited(Vec<ObjectKey>),
    /// Does not pass on these nodes: whose a link-local address is cannot be told, and they isolate pods. Sorted.
    LinkLocal(Vec<String>),
}

/// What policies cannot forbid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Exemption {
    /// A pod cannot block access to itself, also not through a Service.
    Itself,
    /// From the pod's own node, or to it where [`PodToOwnNode::Allow`] says so.
    OwnNode,
    /// To a DNS server of the node, [`Options::node_local_dns`].
    NodeLocalDns,
    /// Neighbour Discovery of IPv6.
    NeighbourDiscovery,
}

/// The part of a policy that allows a flow; places count from 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The policy.
    pub policy: ObjectKey,
    /// The place of the rule in `ingress` or `egress`.
    pub rule: usize,
    /// The place of the peer in `from` or `to`; none when the rule has no peers.
    pub peer: Option<usize>,
    /// The place of the port in `ports`; none when the rule has no ports.
    pub port: Option<usize>,
}

/// A direction of policies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// What a pod sends.
    Egress,
    /// What a pod receives.
    Ingress,
}

/// Decides about a flow.
pub fn verdict(cluster: &Cluster, options: &Options, flow: &Flow) -> Verdict {
    let egress = match flow.path {
        Path::Forwarded | Path::ToNode => side(cluster, options, flow, Direction::Egress),
        // The node sends.
        Path::FromNode => Side { pod: None, decision: Decision::NoPod },
    };
    let ingress = match flow.path {
        Path::Forwarded | Path::FromNode => side(cluster, options, flow, Direction::Ingress),
        // The node receives.
        Path::ToNode => Side { pod: None, decision: Decision::NoPod },
    };
    Verdict { egress, ingress }
}

/// Returns the pod that has an address.
///
/// Pods that have ended have given theirs back, and pods in the node's network have none of their own. While an address
/// passes from one pod to the next, it is that of the one that stays, or else that started last.
pub fn pod_at(cluster: &Cluster, address: IpAddr) -> Option<&Arc<Pod>> {
    let has_ended = |pod: &Pod| matches!(pod.phase, Phase::Succeeded | Phase::Failed);
    let mut pods: Vec<&Arc<Pod>> = cluster
        .pods_by_ip(address)
        .iter()
        .filter(|pod| !pod.host_network && !has_ended(pod))
        .collect();
    pods.sort_by(|a, b| a.terminating.cmp(&b.terminating).then(b.started.cmp(&a.started)));
    pods.first().copied()
}

/// Returns the policies of a direction that select a pod, sorted by name.
pub fn policies_of(cluster: &Cluster, pod: &Pod, direction: Direction) -> Vec<Arc<NetworkPolicy>> {
    let mut policies: Vec<_> = cluster
        .policies()
        .filter(|policy| policy.key.namespace == pod.key.namespace)
        .filter(|policy| direction.of(policy).is_some())
        .filter(|policy| policy.pod_selector.matches(&pod.labels))
        .cloned()
        .collect();
    policies.sort_by(|a, b| a.key.cmp(&b.key));
    policies
}

fn side(cluster: &Cluster, options: &Options, flow: &Flow, direction: Direction) -> Side {
    let address = match direction {
        Direction::Egress => flow.source,
        Direction::Ingress => flow.destination,
    };
    if flow.is_link_local(direction) && !flow.is_neighbour_discovery() {
        return Side { pod: None, decision: Decision::LinkLocal(isolating_nodes(cluster)) };
    }
    match pod_at(cluster, address) {
        None => Side { pod: None, decision: Decision::NoPod },
        Some(pod) => {
            let decision = match exemption(options, flow, direction) {
                Some(exemption) => Decision::Exempt(exemption),
                None => decide(cluster, flow, pod, direction),
            };
            Side { pod: Some(Arc::clone(pod)), decision }
        }
    }
}

fn exemption(options: &Options, flow: &Flow, direction: Direction) -> Option<Exemption> {
    if flow.is_neighbour_discovery() {
        return Some(Exemption::NeighbourDiscovery);
    }
    if flow.source == flow.destination {
        return Some(Exemption::Itself);
    }
    match (flow.path, direction) {
        (Path::FromNode, _) => Some(Exemption::OwnNode),
        (Path::ToNode, _) if options.pod_to_own_node == PodToOwnNode::Allow => {
            Some(Exemption::OwnNode)
        }
        (Path::ToNode, _) if is_node_local_dns(options, flow) => Some(Exemption::NodeLocalDns),
        (Path::ToNode | Path::Forwarded, _) => None,
    }
}

fn is_node_local_dns(options: &Options, flow: &Flow) -> bool {
    flow.traffic.is_dns() && options.node_local_dns.contains(&flow.destination)
}

/// Returns the nodes with a pod that policies isolate, and not for an audit only.
fn isolating_nodes(cluster: &Cluster) -> Vec<String> {
    let is_isolated = |pod: &&Arc<Pod>| {
        let has_address =
            |address: &IpAddr| pod_at(cluster, *address).is_some_and(|it| it.key == pod.key);
        let is_audited = cluster.namespace(&pod.key.namespace).is_some_and(|it| it.audit);
        let has_policies = |direction| !policies_of(cluster, pod, direction).is_empty();
        !is_audited
            && pod.ips.iter().any(has_address)
            && Direction::ALL.into_iter().any(has_policies)
    };
    let isolated = cluster.pods().filter(is_isolated);
    let nodes: BTreeSet<String> =
        isolated.filter_map(|pod| Some(pod.node_name.as_deref()?.to_owned())).collect();
    nodes.into_iter().collect()
}

fn decide(cluster: &Cluster, flow: &Flow, pod: &Pod, direction: Direction) -> Decision {
    let policies = policies_of(cluster, pod, direction);
    if policies.is_empty() {
        return Decision::NotIsolated;
    }
    if let Some(grant) = policies.iter().find_map(|policy| grant(cluster, flow, policy, direction))
    {
        return Decision::Allowed(grant);
    }
    let isolating = policies.iter().map(|policy| policy.key.clone()).collect();
    match cluster.namespace(&pod.key.namespace) {
        Some(namespace) if namespace.audit => Decision::Audited(isolating),
        Some(_) | None => Decision::Denied(isolating),
    }
}

/// Returns the first part of a policy that allows a flow.
fn grant(
    cluster: &Cluster,
    flow: &Flow,
    policy: &NetworkPolicy,
    direction: Direction,
) -> Option<Grant> {
    let rules = &direction.of(policy)?.rules;
    rules.iter().enumerate().find_map(|(place, rule)| {
        let peer = matching_peer(cluster, flow, policy, rule, direction)?;
        let port = matching_port(cluster, flow, rule)?;
        Some(Grant { policy: policy.key.clone(), rule: place, peer, port })
    })
}

/// Returns the place of the first peer that matches; the inner none when the rule is for everyone.
fn matching_peer(
    cluster: &Cluster,
    flow: &Flow,
    policy: &NetworkPolicy,
    rule: &PolicyRule,
    direction: Direction,
) -> Option<Option<usize>> {
    if rule.peers.is_empty() {
        return Some(None);
    }
    let address = match direction {
        Direction::Egress => flow.destination,
        Direction::Ingress => flow.source,
    };
    let namespace = &policy.key.namespace;
    let matches = |peer| peer_matches(cluster, namespace, peer, address);
    rule.peers.iter().position(matches).map(Some)
}

/// Returns the place of the first port that matches; the inner none when the rule is for every port.
fn matching_port(cluster: &Cluster, flow: &Flow, rule: &PolicyRule) -> Option<Option<usize>> {
    if rule.ports.is_empty() {
        return Some(None);
    }
    let destination = pod_at(cluster, flow.destination);
    let matches = |port| port_matches(port, flow.traffic, destination.map(|pod| &**pod));
    rule.ports.iter().position(matches).map(Some)
}

impl Direction {
    /// Both directions.
    pub const ALL: [Self; 2] = [Self::Egress, Self::Ingress];

    /// Returns the rules of a policy in this direction; none when it is not about it.
    pub fn of(self, policy: &NetworkPolicy) -> Option<&PolicyDirection> {
        match self {
            Self::Egress => policy.egress.as_ref(),
            Self::Ingress => policy.ingress.as_ref(),
        }
    }

    /// Returns `egress` or `ingress`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        }
    }

    /// Returns the name of the peers in a rule: `to` or `from`.
    pub fn peers(self) -> &'static str {
        match self {
            Self::Egress => "to",
            Self::Ingress => "from",
        }
    }
}

impl Decision {
    /// Says whether the flow passes in this direction.
    pub fn passes(&self) -> bool {
        match self {
            Self::Denied(_) => false,
            Self::LinkLocal(nodes) => nodes.is_empty(),
            Self::NoPod
            | Self::Exempt(_)
            | Self::NotIsolated
            | Self::Allowed(_)
            | Self::Audited(_) => true,
        }
    }
}

impl Verdict {
    /// Says whether the flow passes in both directions.
    pub fn passes(&self) -> bool {
        self.egress.decision.passes() && self.ingress.decision.passes()
    }

    /// Says whether a node lets the flow pass: each node decides for its own pods.
    pub fn passes_on(&self, node: &str) -> bool {
        let is_here = |side: &Side| {
            side.pod.as_ref().is_some_and(|pod| pod.node_name.as_deref() == Some(node))
        };
        [&self.egress, &self.ingress].iter().all(|side| match &side.decision {
            Decision::LinkLocal(nodes) => nodes.iter().all(|it| it != node),
            decision => !is_here(side) || decision.passes(),
        })
    }
}

#[cfg(test)]
mod tests;
