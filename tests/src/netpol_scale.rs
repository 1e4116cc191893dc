//! A large cluster with policies, as the API server has it.

use serde_json::{Value, json};

/// The events that come when everything is listed.
pub const EVENTS: usize = 3_000;

/// Nodes and namespaces: a twentieth of the pods is on each node.
const NODES: usize = 20;
const NAMESPACES: usize = 50;

/// How large a cluster is.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Its pods.
    pub pods: usize,
    /// Its policies.
    pub policies: usize,
}

impl Scale {
    /// The cluster that the goals are about.
    pub const WHOLE: Self = Self { pods: 5_000, policies: 1_000 };

    /// Returns one so many times smaller.
    pub fn part(divisor: usize) -> Self {
        let Self { pods, policies } = Self::WHOLE;
        Self { pods: pods / divisor, policies: policies / divisor }
    }

    /// Returns all objects.
    pub fn objects(self) -> impl Iterator<Item = Value> {
        let nodes = (0..NODES).map(node);
        let namespaces = (0..NAMESPACES).map(|number| namespace(number, number % 4));
        let pods = (0..self.pods).map(|number| pod(number, "web"));
        nodes.chain(namespaces).chain(pods).chain((0..self.policies).map(|it| policy(it, 8080)))
    }

    /// Returns the object of an event, which differs from what is there: pods and policies change, and namespaces at times.
    pub fn event(self, number: usize) -> Value {
        let round = number / 10;
        match number % 10 {
            0..6 => pod(number % self.pods, tier(number / self.pods)),
            6..9 => policy(number % self.policies, 9_000 + number / self.policies),
            _ => namespace(round % NAMESPACES, round + 1),
        }
    }
}

fn node(number: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("node-{number}")},
        "status": {"addresses": [{"type": "InternalIP", "address": format!("192.168.0.{number}")}]},
    })
}

fn namespace(number: usize, team: usize) -> Value {
    let (name, team) = (format!("ns-{number}"), format!("team-{team}"));
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": team}}})
}

/// A pod of the size that pods of clusters have: most of it is nothing that policies are about.
fn pod(number: usize, tier: &str) -> Value {
    let (node, address) = (number % NODES, format!("10.1.{}.{}", number / 250, number % 250 + 1));
    let labels = json!({"app": format!("app-{}", number / NODES % 10), "tier": tier});
    let environment: Vec<Value> = (0..20)
        .map(|at| json!({"name": format!("VARIABLE_{at}"), "value": format!("value {at} of pod {number}")}))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": format!("ns-{}", number / NODES % NAMESPACES), "name": format!("pod-{number}"), "labels": labels,
            "annotations": {"example.com/config": "x".repeat(1_000)},
        },
        "spec": {
            "nodeName": format!("node-{node}"),
            "containers": [{
                "name": "main", "image": "registry.example.com/team/app:1.0.0", "env": environment,
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            }],
        },
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    })
}

/// A policy for the pods of an app: from another tier, from an app in namespaces of a team, and from a network.
fn policy(number: usize, port: usize) -> Value {
    let app = |number: usize| json!({"matchLabels": {"app": format!("app-{number}")}});
    let team = json!({"matchLabels": {"team": format!("team-{}", number % 4)}});
    let cidr = format!("192.{}.{}.0/24", number / 256, number % 256);
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": format!("ns-{}", number % NAMESPACES), "name": format!("policy-{number}")},
        "spec": {
            "podSelector": app(number % 10), "policyTypes": ["Ingress"],
            "ingress": [{
                "from": [
                    {"podSelector": {"matchLabels": {"tier": "web"}}},
                    {"namespaceSelector": team, "podSelector": app(number % 5)},
                    {"ipBlock": {"cidr": cidr}},
                ],
                "ports": [{"port": port}],
            }],
        },
    })
}

/// Returns the tier of a pod that has been changed so often.
fn tier(changes: usize) -> &'static str {
    if changes.is_multiple_of(2) { "db" } else { "web" }
}
