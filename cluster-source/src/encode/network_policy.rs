//! NetworkPolicies as manifests.

use cluster::{
    Labels, NetworkPolicy, Operator, Peer, PolicyDirection, PolicyPort, PolicyRule, PortMatch,
    Selector,
};
use serde_json::{Value, json};

use super::{metadata, protocol};

/// Returns the policy with its policy types named, so that no default is needed.
pub(super) fn manifest(policy: &NetworkPolicy) -> Value {
    let types = [("Ingress", &policy.ingress), ("Egress", &policy.egress)];
    let types: Vec<&str> =
        types.iter().filter(|(_, direction)| direction.is_some()).map(|(name, _)| *name).collect();
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(&policy.key, &Labels::default()),
        "spec": {
            "podSelector": selector(&policy.pod_selector),
            "policyTypes": types,
            "ingress": rules(policy.ingress.as_ref(), "from"),
            "egress": rules(policy.egress.as_ref(), "to"),
        },
    })
}

fn rules(direction: Option<&PolicyDirection>, peers: &str) -> Option<Vec<Value>> {
    direction.map(|direction| direction.rules.iter().map(|it| rule(it, peers)).collect())
}

fn rule(rule: &PolicyRule, peers: &str) -> Value {
    json!({
        peers: rule.peers.iter().map(peer).collect::<Vec<_>>(),
        "ports": rule.ports.iter().map(port).collect::<Vec<_>>(),
    })
}

fn peer(peer: &Peer) -> Value {
    match peer {
        // What is read back to the same.
        Peer::Nobody => json!({}),
        Peer::Pods { pods, namespaces } => json!({
            "podSelector": pods.as_ref().map(selector),
            "namespaceSelector": namespaces.as_ref().map(selector),
        }),
        Peer::IpBlock(block) => json!({
            "ipBlock": {
                "cidr": block.cidr.to_string(),
                "except": block.except.iter().map(ToString::to_string).collect::<Vec<_>>(),
            },
        }),
    }
}

fn port(port: &PolicyPort) -> Value {
    let protocol = protocol(port.protocol);
    match &port.ports {
        PortMatch::Any => json!({ "protocol": protocol }),
        PortMatch::Nothing => json!({ "protocol": protocol, "port": 0 }),
        PortMatch::Range(first, last) => {
            json!({ "protocol": protocol, "port": first, "endPort": last })
        }
        PortMatch::Named(name) => json!({ "protocol": protocol, "port": **name }),
    }
}

fn selector(selector: &Selector) -> Value {
    let expressions: Vec<Value> = selector
        .requirements()
        .iter()
        .map(|requirement| {
            let operator = match requirement.operator {
                Operator::In => "In",
                Operator::NotIn => "NotIn",
                Operator::Exists => "Exists",
                Operator::DoesNotExist => "DoesNotExist",
            };
            let values: Vec<&str> = requirement.values.iter().map(|value| &**value).collect();
            json!({ "key": *requirement.key, "operator": operator, "values": values })
        })
        .collect();
    json!({ "matchExpressions": expressions })
}
