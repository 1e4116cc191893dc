//! `portolan netpol` on a node of pods, which follows manifests that a test edits.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use test_apiserver::Flavour;
use test_pods::case::Expectation;
use test_pods::network::{Network, between_pods, lines};
use test_pods::wiring::Layout;
use test_pods::world::{Edit, NODE_NAME, World};

use crate::server::{Server, binary};
use crate::stage::{Stage, metric, until};

/// From one look at metrics to the next.
const LOOK: Duration = Duration::from_millis(5);

/// A node with pods, and the manifests of its cluster.
#[derive(Debug)]
pub struct Node {
    /// The pods.
    pub network: Arc<Network>,
    /// The objects.
    pub world: World,
    directory: TempDir,
}

impl Node {
    /// Makes a node in the network namespace that the test runs in.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn new(layout: Layout) -> Self {
        let node = Self {
            network: Arc::new(Network::new(layout)),
            world: World::new(),
            directory: tempfile::tempdir().unwrap(),
        };
        node.world.write(&node.manifests().join("cluster.yaml"));
        node
    }

    /// Returns the directory of the manifests.
    pub fn manifests(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// Changes the objects, for whoever follows the manifests.
    pub fn edit(&mut self, edits: &[Edit]) {
        edits.iter().for_each(|edit| self.world.edit(edit));
        self.world.write(&self.manifests().join("cluster.yaml"));
    }

    /// Returns a command of the role that reads the manifests.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(["netpol", "--node", NODE_NAME, "--manifests"]).arg(self.manifests());
        command.args(arguments);
        command
    }

    /// Runs the role to its end.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the role to its end, which has to be good, and returns what it printed.
    ///
    /// # Panics
    /// It fails.
    pub fn print(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the role, and waits until it enforces.
    pub fn agent(&self) -> Agent {
        self.agent_with(&[])
    }

    /// Starts the role with more flags, and waits until it enforces.
    pub fn agent_with(&self, arguments: &[&str]) -> Agent {
        Agent::start(self.command(&[&["--admin", "127.0.0.1:0"], arguments].concat()))
    }

    /// Starts the role, whatever keeps it from enforcing.
    pub fn agent_that_waits(&self) -> Agent {
        Agent::that_waits(self.command(&["--admin", "127.0.0.1:0"]))
    }

    /// Puts every object into a cluster, and starts the role, which follows it.
    ///
    /// # Panics
    /// An object is refused.
    pub fn agent_of(&self, stage: &Stage) -> Agent {
        for object in self.world.objects() {
            stage.server().put(object).unwrap();
        }
        let mut command = Command::new(binary());
        command.args(["netpol", "--node", NODE_NAME, "--admin", "127.0.0.1:0", "--kubeconfig"]);
        command.arg(stage.kubeconfig(Flavour::Token));
        Agent::start(command)
    }

    /// Probes every pair of pods.
    ///
    /// # Panics
    /// Something is not as it should be.
    pub fn shows(&self, what: &str, expectation: &Expectation) {
        let wrong = self.network.check(&between_pods(), |probe| expectation.of(probe));
        assert!(wrong.is_empty(), "{what}: {}", lines(&wrong));
    }
}

/// A running `portolan netpol`.
#[derive(Debug)]
pub struct Agent {
    /// The process.
    pub server: Server,
}

impl Agent {
    fn that_waits(command: Command) -> Self {
        let mut server = Server::of(command, tempfile::tempdir().unwrap());
        server.endpoint("admin");
        Self { server }
    }

    /// Starts a command line of the role, and waits until it enforces.
    ///
    /// # Panics
    /// It does not.
    pub fn start(command: Command) -> Self {
        let mut agent = Self::that_waits(command);
        agent.waits_for("portolan_netpol_enforcement_seconds_count", 1.0);
        agent
    }

    /// Returns the sum of a metric's samples.
    pub fn metric(&mut self, name: &str) -> f64 {
        metric(&mut self.server, name, "")
    }

    /// Returns a sample of a metric, by its labels as `/metrics` writes them.
    pub fn sample(&mut self, name: &str, labels: &str) -> f64 {
        metric(&mut self.server, &format!("{name}{{{labels}}}"), "")
    }

    /// Waits until a metric is as high as this.
    pub fn waits_for(&mut self, name: &str, least: f64) {
        let look = || {
            // Who is asked without pause gets to nothing else.
            std::thread::park_timeout(LOOK);
            self.metric(name)
        };
        until(name, look, |value| *value >= least);
    }

    /// Edits the objects, and waits until the kernel has been brought up to date.
    pub fn enforces(&mut self, node: &mut Node, edits: &[Edit]) {
        let name = "portolan_netpol_enforcement_seconds_count";
        let before = self.metric(name);
        node.edit(edits);
        self.waits_for(name, before + 1.0);
    }
}

/// Returns a policy for a pod, or for all of a namespace: of its isolated directions no rule allows anything.
///
/// # Panics
/// The name is not `NAMESPACE/NAME`.
pub fn deny(name: &str, pod: Option<&str>, directions: &[&str]) -> Edit {
    let selector = pod.map_or_else(
        || serde_json::json!({}),
        |pod| serde_json::json!({"matchLabels": {"pod": pod}}),
    );
    Edit::Policy {
        name: name.to_owned(),
        spec: serde_json::json!({"podSelector": selector, "policyTypes": directions}),
    }
}

/// Returns what has to hold, as the fixtures write it.
///
/// # Panics
/// A statement cannot be read.
pub fn expect(statements: &[&str]) -> Expectation {
    let statements: Vec<String> = statements.iter().map(|text| (*text).to_owned()).collect();
    Expectation::try_from(statements).unwrap()
}
