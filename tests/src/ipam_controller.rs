//! `portolan ipam-controller` on a cluster of nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_apiserver::{Access, ApiClient, Flavour, Verb};

use crate::server::{PATIENCE, Server, binary};
use crate::stage::{Stage, metric, until};

/// A cluster with our kinds, and nodes that only the test's pools select.
pub struct NodeCluster {
    /// The cluster.
    pub stage: Stage,
    reader: ApiClient,
    made: Vec<(&'static str, String)>,
    /// Held on a real cluster, where the pools of two tests would be in each other's way.
    _alone: Option<MutexGuard<'static, ()>>,
}

static ALONE: Mutex<()> = Mutex::new(());

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
        let is_real = stage.cluster.server().is_none();
        // A test that failed has cleared up, too.
        let alone = is_real.then(|| ALONE.lock().unwrap_or_else(PoisonError::into_inner));
        Self { stage, reader, made: Vec::new(), _alone: alone }
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

    /// Returns what `portolan explain node` says of a node of the test.
    ///
    /// # Panics
    /// Nothing is known of it.
    pub fn explain(&self, node: &str) -> String {
        let mut command = Command::new(binary());
        command.args(["explain", "node", &self.name(node), "--quarantine=3600", "--kubeconfig"]);
        let output = command.arg(self.stage.kubeconfig(Flavour::Token)).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
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

    /// Waits until something is there, and looks again when something was asked of the cluster.
    ///
    /// # Panics
    /// It does not come; what was there last is shown.
    pub fn until<T: std::fmt::Debug>(
        &self,
        what: &str,
        mut look: impl FnMut() -> T,
        is_there: impl Fn(&T) -> bool,
    ) -> T {
        let deadline = Instant::now() + 3 * PATIENCE;
        loop {
            let seen = look();
            if is_there(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "not seen: {what}; last: {seen:?}");
            let next = self.stage.requests().wait_for_next();
            // Nothing is asked any more when all is done: then there is one more look.
            let limited = async { tokio::time::timeout(Duration::from_millis(100), next).await };
            let _ = self.stage.wait(limited);
        }
    }

    /// Waits until every node of the test has so many blocks.
    ///
    /// # Panics
    /// It does not come.
    pub fn wait_for_blocks(&self, families: usize) -> BTreeMap<String, Vec<String>> {
        self.until(
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
        self.until(&format!("{reason} of {name}"), look, Option::is_some).unwrap()
    }

    /// Returns what the process under test has asked for that `deploy/ipam-controller/access.yaml` does not allow.
    ///
    /// # Panics
    /// The rules have another form, or nothing was asked for.
    pub fn asked_beyond_its_rules(&self) -> Vec<String> {
        let text = include_str!("../../deploy/ipam-controller/access.yaml");
        let rules: BTreeSet<String> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- {apiGroups: [")?.strip_suffix("]}"))
            .flat_map(|rule| {
                let (group, rest) = rule.split_once("], resources: [").unwrap();
                let (resources, verbs) = rest.split_once("], verbs: [").unwrap();
                let group = group.trim_matches('"');
                let each = |resource: &str| {
                    let all = verbs.split(", ").map(|verb| format!("{verb} {resource} {group}"));
                    all.collect::<Vec<_>>()
                };
                resources.split(", ").flat_map(each).collect::<Vec<_>>()
            })
            .collect();
        let log = self.stage.requests().entries();
        let own = log.iter().filter(|entry| entry.user_agent.starts_with("portolan/"));
        let asked: BTreeSet<String> = own
            .map(|entry| {
                let info = &entry.info;
                let part = match info.subresource.as_str() {
                    "" => String::new(),
                    part => format!("/{part}"),
                };
                let verb = format!("{:?}", info.verb).to_lowercase();
                format!("{verb} {}{part} {}", info.resource, info.group)
            })
            .collect();
        assert!(asked.contains("update leases coordination.k8s.io"), "{asked:?}");
        asked.difference(&rules).cloned().collect()
    }

    /// Returns how many writes of a resource the process under test has made, whatever came of them.
    pub fn writes(&self, resource: &str) -> u64 {
        let verbs = [Verb::Create, Verb::Update, Verb::Patch, Verb::Delete];
        verbs.iter().map(|verb| self.stage.requests().count(*verb, resource)).sum()
    }
}

impl Drop for NodeCluster {
    /// Leaves nothing in a real cluster: neither what the test made nor the records of its nodes, which would keep blocks
    /// from the next.
    fn drop(&mut self) {
        if self.stage.cluster.server().is_some() {
            return;
        }
        let mut made = std::mem::take(&mut self.made);
        let (prefix, records) = (self.name(""), "/apis/portolan.dev/v1alpha1/nodeblocks");
        made.extend(self.list(records).iter().filter_map(|record| {
            let is_own = record["spec"]["node"].as_str()?.starts_with(&prefix);
            is_own.then_some(("NodeBlock", record["metadata"]["name"].as_str()?.to_owned()))
        }));
        for (kind, name) in made {
            // What is gone already needs no deletion.
            let _ = self.stage.wait(self.stage.cluster.delete(kind, "", &name));
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
