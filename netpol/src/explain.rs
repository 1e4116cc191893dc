//! Why a flow passes or not, in words.

mod near_miss;
mod services;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use cluster::{Cluster, NetworkPolicy, ObjectKey, Pod};

use crate::{
    Decision, Direction, Exemption, Flow, Grant, Options, Path, Side, Verdict, policies_of, verdict,
};
pub use near_miss::NearMiss;

/// The most near misses that are told in each direction.
const MOST_NEAR_MISSES: usize = 10;

/// A verdict and what led to it. `Display` writes it for people, one statement on a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The flow.
    pub flow: Flow,
    /// What is decided.
    pub verdict: Verdict,
    /// Rules that do not allow what is denied on the way out, those first that miss least.
    pub egress_near_misses: Vec<NearMiss>,
    /// The same on the way in.
    pub ingress_near_misses: Vec<NearMiss>,
    /// What Services have to do with it: a port that is only the Service's, an address that policies never see.
    pub notes: Vec<String>,
    source: String,
    destination: String,
}

/// Explains what policies say about a flow.
pub fn explain(cluster: &Cluster, options: &Options, flow: &Flow) -> Explanation {
    let verdict = verdict(cluster, options, flow);
    let near_misses = |side: &Side, direction| match (&side.decision, &side.pod) {
        (Decision::Denied(_) | Decision::Audited(_), Some(pod)) => {
            near_misses(cluster, flow, pod, direction)
        }
        _ => Vec::new(),
    };
    Explanation {
        flow: *flow,
        egress_near_misses: near_misses(&verdict.egress, Direction::Egress),
        ingress_near_misses: near_misses(&verdict.ingress, Direction::Ingress),
        notes: services::notes(cluster, options, flow),
        source: words_of(cluster, flow.source),
        destination: words_of(cluster, flow.destination),
        verdict,
    }
}

fn near_misses(
    cluster: &Cluster,
    flow: &Flow,
    pod: &Arc<Pod>,
    direction: Direction,
) -> Vec<NearMiss> {
    let of_policy =
        |policy: &Arc<NetworkPolicy>| near_miss::of_policy(cluster, flow, policy, direction);
    let policies = policies_of(cluster, pod, direction);
    let mut all: Vec<NearMiss> = policies.iter().flat_map(of_policy).collect();
    // What is only kept by the port, or only by the peer, is what somebody meant to allow.
    all.sort_by_key(|miss| miss.reasons.len());
    all.truncate(MOST_NEAR_MISSES);
    all
}

/// Names what has an address: `pod x/a (10.0.0.1)`.
fn words_of(cluster: &Cluster, address: IpAddr) -> String {
    if let Some(pod) = crate::pod_at(cluster, address) {
        return format!("pod {} ({address})", pod.key);
    }
    let node = cluster.nodes().find(|node| node.addresses.contains(&address));
    match (node, cluster.services_by_cluster_ip(address).first()) {
        (Some(node), _) => format!("node {} ({address})", node.name),
        (None, Some(service)) => format!("Service {} ({address})", service.key),
        (None, None) => address.to_string(),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passes = if self.verdict.passes() { "passes" } else { "is denied" };
        writeln!(f, "{} from {} to {} {passes}", self.flow.traffic, self.source, self.destination)?;
        let sides = [
            (Direction::Egress, &self.verdict.egress, &self.egress_near_misses),
            (Direction::Ingress, &self.verdict.ingress, &self.ingress_near_misses),
        ];
        for (direction, side, near_misses) in sides {
            let node = side.pod.as_ref().and_then(|pod| pod.node_name.as_deref());
            let place = node.map(|node| format!(", on node {node}")).unwrap_or_default();
            let decision = Words { decision: &side.decision, direction, path: self.flow.path };
            writeln!(f, "  {}{place}: {decision}", direction.name())?;
            near_misses.iter().try_for_each(|miss| write!(f, "{miss}"))?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  note: {note}"))
    }
}

/// A decision in words.
struct Words<'a> {
    decision: &'a Decision,
    direction: Direction,
    path: Path,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.decision, self.path, self.direction) {
            (Decision::NoPod, Path::ToNode, Direction::Ingress)
            | (Decision::NoPod, Path::FromNode, Direction::Egress) => {
                f.write_str("passes, policies say nothing about nodes")
            }
            (Decision::NoPod, ..) => f.write_str("passes, the address is not that of a pod"),
            (Decision::Exempt(exemption), ..) => write!(f, "passes, {}", reason(*exemption)),
            (Decision::NotIsolated, _, direction) => {
                write!(f, "passes, no policy is about the {} of the pod", direction.name())
            }
            (Decision::Allowed(grant), _, direction) => {
                write!(f, "passes, allowed by ")?;
                write_grant(f, grant, direction)
            }
            (Decision::Denied(policies), ..) => {
                write!(f, "denied, isolated by {}", keys(policies))
            }
            (Decision::LinkLocal(nodes), ..) if nodes.is_empty() => {
                f.write_str("passes, the address is link-local, and no policy isolates a pod")
            }
            (Decision::LinkLocal(nodes), ..) => write!(
                f,
                "denied on nodes that isolate a pod ({}), for nobody tells whose a link-local address is",
                few(nodes)
            ),
            (Decision::Audited(policies), ..) => {
                write!(
                    f,
                    "passes because its namespace is audited only; isolated by {}",
                    keys(policies)
                )
            }
        }
    }
}

fn reason(exemption: Exemption) -> &'static str {
    match exemption {
        Exemption::Itself => "a pod always reaches itself",
        Exemption::OwnNode => "the node and its own pods",
        Exemption::NodeLocalDns => "the DNS server of the node",
        Exemption::NeighbourDiscovery => "Neighbour Discovery of IPv6",
    }
}

fn write_grant(f: &mut fmt::Formatter<'_>, grant: &Grant, direction: Direction) -> fmt::Result {
    write!(f, "{} {}[{}]", grant.policy, direction.name(), grant.rule)?;
    match grant.peer {
        Some(peer) => write!(f, ".{}[{peer}]", direction.peers())?,
        None => write!(f, ", which is for everyone")?,
    }
    match grant.port {
        Some(port) => write!(f, " and ports[{port}]"),
        None => write!(f, ", on every port"),
    }
}

/// Names a few of the nodes.
fn few(nodes: &[String]) -> String {
    const FEW: usize = 3;
    let named = nodes.iter().take(FEW).map(String::as_str).collect::<Vec<_>>().join(", ");
    match nodes.len().saturating_sub(FEW) {
        0 => named,
        others => format!("{named} and {others} more"),
    }
}

fn keys(keys: &[ObjectKey]) -> String {
    keys.iter().map(ObjectKey::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
