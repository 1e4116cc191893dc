//! What kept a rule from allowing a flow.

use std::fmt;
use std::net::IpAddr;

use cluster::{
    Cluster, IpBlock, Labels, NetworkPolicy, ObjectKey, Operator, Peer, PolicyPort, PolicyRule,
    PortMatch, Protocol, Requirement, Selector,
};

use crate::verdict::{peer_matches, port_matches};
use crate::{Direction, Flow, Traffic, pod_at};

/// A rule that does not allow a flow, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NearMiss {
    /// The policy.
    pub policy: ObjectKey,
    /// Where in it: `ingress[0]`; the direction alone when it has no rules.
    pub place: String,
    /// Each part that does not match: `from[0]: label tier=frontend is missing of pod x/a`.
    pub reasons: Vec<String>,
}

/// Returns why the rules of a policy do not allow a flow.
pub(super) fn of_policy(
    cluster: &Cluster,
    flow: &Flow,
    policy: &NetworkPolicy,
    direction: Direction,
) -> Vec<NearMiss> {
    let rules = direction.of(policy).map_or(&[][..], |direction| &direction.rules);
    if rules.is_empty() {
        let reasons = vec!["it has no rules, and so allows nothing".to_owned()];
        let place = direction.name().to_owned();
        return vec![NearMiss { policy: policy.key.clone(), place, reasons }];
    }
    let miss = |(at, rule): (usize, &PolicyRule)| NearMiss {
        policy: policy.key.clone(),
        place: format!("{}[{at}]", direction.name()),
        reasons: reasons(cluster, flow, policy, rule, direction),
    };
    rules.iter().enumerate().map(miss).collect()
}

fn reasons(
    cluster: &Cluster,
    flow: &Flow,
    policy: &NetworkPolicy,
    rule: &PolicyRule,
    direction: Direction,
) -> Vec<String> {
    let address = match direction {
        Direction::Egress => flow.destination,
        Direction::Ingress => flow.source,
    };
    let mut reasons = Vec::new();
    let namespace = &*policy.key.namespace;
    if !rule.peers.iter().any(|peer| peer_matches(cluster, namespace, peer, address)) {
        for (at, peer) in rule.peers.iter().enumerate() {
            let reason = peer_reason(cluster, namespace, peer, address);
            reasons.push(format!("{}[{at}]: {reason}", direction.peers()));
        }
    }
    let destination = pod_at(cluster, flow.destination).map(|pod| &**pod);
    if !rule.ports.iter().any(|port| port_matches(port, flow.traffic, destination)) {
        for (at, port) in rule.ports.iter().enumerate() {
            reasons.push(format!("ports[{at}]: {}", port_reason(cluster, flow, port)));
        }
    }
    reasons
}

fn peer_reason(cluster: &Cluster, namespace: &str, peer: &Peer, address: IpAddr) -> String {
    match peer {
        Peer::Nobody => "cannot be read and matches nothing".to_owned(),
        Peer::IpBlock(block) => block_reason(block, address),
        Peer::Pods { pods, namespaces } => {
            pods_reason(cluster, namespace, (pods.as_ref(), namespaces.as_ref()), address)
        }
    }
}

fn block_reason(block: &IpBlock, address: IpAddr) -> String {
    match block.except.iter().find(|except| except.contains(&address)) {
        Some(except) if block.cidr.contains(&address) => {
            format!("{address} is in `except` {except}")
        }
        Some(_) | None => format!("{address} is not in {}", block.cidr),
    }
}

fn pods_reason(
    cluster: &Cluster,
    own: &str,
    (pods, namespaces): (Option<&Selector>, Option<&Selector>),
    address: IpAddr,
) -> String {
    let Some(pod) = pod_at(cluster, address) else {
        let host = cluster.pods_by_ip(address).iter().find(|pod| pod.host_network);
        return match host {
            Some(pod) => format!(
                "pod {} is in the network of its node, where no selector selects it",
                pod.key
            ),
            None => format!("{address} is not the address of a pod; write an ipBlock"),
        };
    };
    let name = &pod.key.namespace;
    let mut reasons = Vec::new();
    match namespaces {
        None if **name != *own => reasons.push(format!(
            "pod {} is not in namespace {own}; without a namespaceSelector the policy's own is meant",
            pod.key
        )),
        None => {}
        Some(selector) => match cluster.namespace(name) {
            None => reasons.push(format!("namespace {name} is not known")),
            Some(namespace) => {
                reasons.extend(missing(selector, &namespace.labels, &format!("namespace {name}")));
            }
        },
    }
    if let Some(selector) = pods {
        reasons.extend(missing(selector, &pod.labels, &format!("pod {}", pod.key)));
    }
    reasons.join("; ")
}

/// Returns what keeps labels from being selected.
fn missing(selector: &Selector, labels: &Labels, whose: &str) -> Vec<String> {
    let fails = |it: &&Requirement| !Selector::new([(*it).clone()]).matches(labels);
    selector.requirements().iter().filter(fails).map(|it| requirement(it, labels, whose)).collect()
}

fn requirement(requirement: &Requirement, labels: &Labels, whose: &str) -> String {
    let Requirement { key, operator, values } = requirement;
    let values = values.iter().map(|value| &**value).collect::<Vec<_>>().join(" or ");
    match (operator, labels.get(key)) {
        (Operator::In, None) => format!("label {key}={values} is missing of {whose}"),
        (Operator::In, Some(value)) => format!("label {key} of {whose} is {value:?}, not {values}"),
        (Operator::NotIn, value) => {
            format!("label {key} of {whose} is {:?}, which is excluded", value.unwrap_or_default())
        }
        (Operator::Exists, _) => format!("label {key} is missing of {whose}"),
        (Operator::DoesNotExist, _) => format!("{whose} has the label {key}"),
    }
}

fn port_reason(cluster: &Cluster, flow: &Flow, port: &PolicyPort) -> String {
    let traffic = flow.traffic;
    let protocol = word(port.protocol);
    match &port.ports {
        PortMatch::Nothing => "cannot be read and matches nothing".to_owned(),
        _ if traffic.port().is_none() => {
            format!("{traffic} has no port; only a rule without ports allows it")
        }
        PortMatch::Any => format!("{traffic} is not {protocol}"),
        PortMatch::Range(first, last) if first == last => {
            format!("{traffic} is not {first}/{protocol}")
        }
        PortMatch::Range(first, last) => format!("{traffic} is not in {first}-{last}/{protocol}"),
        PortMatch::Named(name) => {
            named_reason(cluster, flow.destination, traffic, (name, port.protocol))
        }
    }
}

fn named_reason(
    cluster: &Cluster,
    destination: IpAddr,
    traffic: Traffic,
    (name, protocol): (&str, Protocol),
) -> String {
    let Some(pod) = pod_at(cluster, destination) else {
        return format!("{destination} is not the address of a pod, and has no port named {name}");
    };
    let declared: Vec<String> = pod
        .ports
        .iter()
        .filter(|port| (&*port.name, port.protocol) == (name, protocol))
        .map(|port| format!("{}/{}", port.port, word(protocol)))
        .collect();
    match declared.is_empty() {
        true => format!("pod {} declares no port of {} named {name}", pod.key, word(protocol)),
        false => format!(
            "{traffic} is not {name}, which is {} of pod {}",
            declared.join(" and "),
            pod.key
        ),
    }
}

fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    {} {}", self.policy, self.place)?;
        self.reasons.iter().try_for_each(|reason| writeln!(f, "      {reason}"))
    }
}
