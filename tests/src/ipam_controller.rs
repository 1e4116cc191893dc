//! `portolan ipam-controller` on a cluster of nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use test_apiserver::{Access, ApiClient, Flavour, Verb};

use crate::server::{Server, binary};
use crate::stage::{Stage, metric, until};

/// A cluster with our kinds, and nodes that only the test's pools select.
pub struct NodeCluster {
    /// The cluster.
    pub stage: Stage,
    reader: ApiClient,
    made: Vec<(&'static str, String)>,
}

/// A running controller.
#[derive(Debug)]
pub struct Controller {
    /// The process.
    pub server: Server,
}

/// Flags that make a leader be followed soon.
pub const SOON: [&str; 6] = [
    "--leader-elect-lease-duration=3",
    "--leader-elect-renew-deadline=2",
    "--leader-elect-retry-period=1",
    "--writes-per-second=5000",
    "--quarantine=3600",
    "--admin=127.0.0.1:0",
];

impl NodeCluster {
    /// Makes our kinds known to a cluster.
    ///
    /// # Panics
    /// The cluster does not take them.
    pub fn new(stage: Stage) -> Self {
        let kubeconfig = stage.kubeconfig(Flavour::Token);
        let reader = ApiClient::new(&Access::read(&kubeconfig).unwrap()).unwrap();
        for file in ["ippool.yaml", "nodeblock.yaml"] {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/crds").join(file);
            let text = std::fs::read_to_string(file).unwrap();
            stage.wait(stage.cluster.apply_yaml(&text)).unwrap();
        }
        Self { stage, reader, made: Vec::new() }
    }

    /// Makes a pool for the nodes of the test.
    pub fn pool(&mut self, name: &str, cidr: &str, block_size: u8) {
        let name = self.name(name);
        let selector = format!("portolan-test={}", self.stage.namespace());
        self.stage.put(json!({
            "apiVersion": "portolan.dev/v1alpha1",
            "kind": "IPPool",
            "metadata": {"name": name},
            "spec": {"cidr": cidr, "blockSize": block_size, "nodeSelector": selector},
        }));
        self.made.push(("IPPool", name));
    }

    /// Makes a node, with blocks if it has some.
    pub fn node(&mut self, name: &str, cidrs: &[&str]) {
        let name = self.name(name);
        let mut node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"portolan-test": self.stage.namespace()}},
            "spec": {"unschedulable": true},
        });
        if !cidrs.is_empty() {
            node["spec"]["podCIDR"] = json!(cidrs[0]);
            node["spec"]["podCIDRs"] = json!(cidrs);
        }
        self.stage.put(node);
        self.made.push(("Node", name));
    }

    /// Deletes a node.
    ///
    /// # Panics
    /// There is none.
    pub fn delete_node(&mut self, name: &str) {
        let name = self.name(name);
        self.stage.wait(self.stage.cluster.delete("Node", "", &name)).unwrap();
        self.made.retain(|(kind, of)| (*kind, of) != ("Node", &name));
    }

    /// Returns the name of an object of this test: other tests may use the same cluster.
    pub fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.stage.namespace())
    }

    /// Returns a command of the role.
    pub fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(binary());
        let namespace = format!("--leader-elect-resource-namespace={}", self.stage.namespace());
        command.args(["ipam-controller", &namespace, "--kubeconfig"]);
        command.arg(self.stage.kubeconfig(Flavour::Token)).args(flags);
        command
    }

    /// Starts the role.
    pub fn controller(&self, flags: &[&str]) -> Controller {
        let mut server = Server::of(self.command(flags), tempfile::tempdir().unwrap());
        server.endpoint("admin");
        Controller { server }
    }

    /// Returns every object of a path.
    ///
    /// # Panics
    /// They cannot be listed.
    pub fn list(&self, path: &str) -> Vec<Value> {
        let listed = self.reader.exchange("GET".parse().unwrap(), path, "application/json", "");
        let (code, list) = self.stage.wait(listed).unwrap();
        assert_eq!(code, 200, "{list}");
        list["items"].as_array().unwrap().clone()
    }

    /// Returns the blocks of each of the test's nodes.
    ///
    /// # Panics
    /// The nodes cannot be listed.
    pub fn blocks(&self) -> BTreeMap<String, Vec<String>> {
        let path =
            format!("/api/v1/nodes?labelSelector=portolan-test%3D{}", self.stage.namespace());
        let prefix = self.name("");
        let blocks = |node: &Value| {
            let name = node["metadata"]["name"].as_str().unwrap();
            let cidrs = node["spec"]["podCIDRs"].as_array().into_iter().flatten();
            let cidrs = cidrs.map(|cidr| cidr.as_str().unwrap().to_owned()).collect();
            (name.strip_prefix(&prefix).unwrap().to_owned(), cidrs)
        };
        self.list(&path).iter().map(blocks).collect()
    }

    /// Waits until every node of the test has so many blocks.
    ///
    /// # Panics
    /// It does not come.
    pub fn wait_for_blocks(&self, families: usize) -> BTreeMap<String, Vec<String>> {
        until(
            "blocks of every node",
            || self.blocks(),
            |blocks| blocks.values().all(|blocks| blocks.len() == families),
        )
    }

    /// Checks that no block has two owners, and returns how many there are.
    ///
    /// # Panics
    /// One has.
    pub fn no_block_has_two_owners(&self) -> usize {
        let mut seen = BTreeSet::new();
        for (node, blocks) in self.blocks() {
            for block in blocks {
                assert!(seen.insert(block.clone()), "{block} of {node} has another owner, too");
            }
        }
        seen.len()
    }

    /// Waits until there is an Event of a reason about an object of the test, and returns its note.
    ///
    /// # Panics
    /// It does not come.
    pub fn event(&self, name: &str, reason: &str) -> String {
        let name = self.name(name);
        let is_it =
            |event: &&Value| event["reason"] == *reason && event["regarding"]["name"] == *name;
        let look = || {
            let events = self.list("/apis/events.k8s.io/v1/namespaces/default/events");
            let event = events.iter().find(is_it);
            event.map(|event| event["note"].as_str().unwrap_or_default().to_owned())
        };
        until(&format!("{reason} of {name}"), look, Option::is_some).unwrap()
    }

    /// Returns how many writes of a resource the process under test has made, whatever came of them.
    pub fn writes(&self, resource: &str) -> u64 {
        let verbs = [Verb::Create, Verb::Update, Verb::Patch, Verb::Delete];
        verbs.iter().map(|verb| self.stage.requests().count(*verb, resource)).sum()
    }
}

impl Drop for NodeCluster {
    fn drop(&mut self) {
        if self.stage.cluster.server().is_none() {
            for (kind, name) in &self.made {
                // What is gone already needs no deletion.
                let _ = self.stage.wait(self.stage.cluster.delete(kind, "", name));
            }
        }
    }
}

impl Controller {
    /// Returns the sum of a metric's samples with this text among their labels.
    pub fn metric(&mut self, name: &str, label: &str) -> f64 {
        metric(&mut self.server, name, label)
    }

    /// Waits until it leads.
    pub fn leads(&mut self) {
        until(
            "a leader",
            || self.metric("portolan_ipam_leader", ""),
            |value| (*value - 1.0).abs() < f64::EPSILON,
        );
    }
}
