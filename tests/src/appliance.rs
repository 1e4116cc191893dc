//! The whole appliance on one node, as `deploy/demo-node` has it: pods with addresses by CNI plugins, a DNS server in one
//! of them, a name server outside, NetworkPolicies. The test does what kubelet, the container runtime, kube-proxy and the
//! controllers do in a cluster: the manifests say of each pod where it is as long as it is there.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::{TempDir, TempPath};

use crate::cni::Node;
use crate::knot::Knot;
use crate::namespace::{cover, run};
use crate::netpol_agent::Agent;
use crate::pod::Pod;
use crate::server::{Server, binary};
use crate::stage::until;

/// The Node of `cluster.yaml`.
const NODE: &str = "node-1";
/// The address of the Service `kube-dns`.
const CLUSTER_DNS: &str = "10.96.0.10";
/// The name server of the node.
const UPSTREAM: &str = "192.0.2.53";
/// The address of the Service `backend`, port 80.
pub const BACKEND: &str = "10.96.20.5";
/// Where backends listen.
pub const BACKEND_PORT: u16 = 8080;

/// A node with what runs on it.
#[derive(Debug)]
pub struct Appliance {
    node: Node,
    plugin: &'static str,
    config: Value,
    directory: TempDir,
    pods: BTreeMap<&'static str, Placed>,
    _upstream: Knot,
    _files: [TempPath; 2],
}

/// A pod that is there.
#[derive(Debug)]
pub struct Placed {
    /// Its namespaces.
    pub pod: Pod,
    /// Its address.
    pub address: Ipv4Addr,
    namespace: &'static str,
    netns: String,
    /// The web server of a backend.
    server: Option<Server>,
}

/// Returns a file of `deploy/demo-node`.
fn deployed(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/demo-node").join(file)
}

/// Returns what a command printed that has to succeed.
fn text(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Appliance {
    /// Makes the node with a main plugin, `bridge` or `ptp`, in the namespaces that the test runs in
    /// ([`inside_with_mounts`](crate::namespace::inside_with_mounts)).
    ///
    /// # Panics
    /// It cannot be made.
    pub fn new(plugin: &'static str) -> Self {
        let files = [
            ("/etc/resolv.conf", "nameserver 192.0.2.53\n"),
            ("/etc/nsswitch.conf", "hosts: files dns\n"),
        ];
        let files = files.map(|(file, text)| cover(file, text));
        let node = Node::new();
        run("ip", &["addr", "add", &format!("{UPSTREAM}/32"), "dev", "lo"]);
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        if plugin == "bridge" {
            fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", "1").unwrap();
        }
        run("/usr/sbin/nft", &["-f", deployed("services.nft").to_str().unwrap()]);
        let zone = crate::fixture("dns-policy/upstream.zone");
        let upstream = Knot::start(&zone, format!("{UPSTREAM}:53").parse().unwrap());
        let config = fs::read_to_string(deployed("cni.json")).unwrap();
        let mut config: Value = serde_json::from_str(&config).unwrap();
        config["type"] = json!(plugin);
        let directory = tempfile::tempdir().unwrap();
        let appliance = Self {
            node,
            plugin,
            config,
            directory,
            pods: BTreeMap::new(),
            _upstream: upstream,
            _files: files,
        };
        appliance.apply("cluster.yaml");
        appliance.portolan(&format!("node-blocks --node {NODE} --once"), true);
        appliance
    }

    /// Returns the directory of the manifests.
    pub fn manifests(&self) -> &Path {
        self.directory.path()
    }

    /// Puts a file of `deploy/demo-node` into the manifests.
    ///
    /// # Panics
    /// It is not there.
    pub fn apply(&self, file: &str) {
        self.put(file, &fs::read_to_string(deployed(file)).unwrap());
    }

    /// Writes a file of the manifests whole, as those do who are followed.
    fn put(&self, file: &str, text: &str) {
        let next = tempfile::NamedTempFile::new_in("/run").unwrap();
        fs::write(next.path(), text).unwrap();
        fs::copy(next.path(), self.manifests().join(format!(".{file}.next"))).unwrap();
        fs::rename(self.manifests().join(format!(".{file}.next")), self.manifests().join(file))
            .unwrap();
    }

    /// Runs `portolan` on the node, with the manifests or without, and returns what it printed.
    ///
    /// # Panics
    /// It fails.
    pub fn portolan(&self, words: &str, with_manifests: bool) -> String {
        let mut command = Command::new(binary());
        command.args(words.split(' '));
        if with_manifests {
            command.arg("--manifests").arg(self.manifests());
        }
        text(&command.output().unwrap())
    }

    /// Makes a call of the main plugin as a container runtime does.
    fn cni(&self, verb: &str, namespace: &str, name: &str, netns: &str) -> Value {
        let arguments =
            format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name}");
        let call = self.node.call(self.plugin, verb, name, netns).with("CNI_ARGS", &arguments);
        call.run(&self.config).ok()
    }

    /// Starts a pod of `deploy/demo-node/pods`, with its address by CNI and its `resolv.conf` by its `dnsPolicy`.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start(&mut self, namespace: &'static str, name: &'static str) {
        let netns = self.node.netns(name);
        run("ip", &["-n", name, "link", "set", "lo", "up"]);
        let result = self.cni("ADD", namespace, name, &netns);
        let address = result["ips"][0]["address"].as_str().unwrap();
        let address: Ipv4Addr = address.split('/').next().unwrap().parse().unwrap();
        let manifest = fs::read_to_string(deployed(&format!("pods/{name}.yaml"))).unwrap();
        self.put(&format!("{name}.yaml"), &manifest.replace("ADDRESS", &address.to_string()));
        let words = format!("resolv-conf --pod {namespace}/{name} --cluster-dns {CLUSTER_DNS}");
        let pod = Pod::inside(&netns, &self.portolan(&words, true));
        let mut placed = Placed { pod, address, namespace, netns, server: None };
        if name.starts_with("backend") {
            placed.server = Some(placed.serve(name));
        }
        self.pods.insert(name, placed);
        self.lead();
    }

    /// Makes the addresses of Services lead to the pods that there are, as kube-proxy does.
    fn lead(&self) {
        let mut rules =
            "flush map ip services services_tcp\nflush map ip services services_udp\n".to_owned();
        if let Some(Placed { address, .. }) = self.pods.get("dns") {
            for map in ["services_tcp", "services_udp"] {
                rules += &format!(
                    "add element ip services {map} {{ {CLUSTER_DNS} . 53 : {address} . 53 }}\n"
                );
            }
        }
        let mut backends = self.pods.iter().filter(|(name, _)| name.starts_with("backend"));
        if let Some((_, Placed { address, .. })) = backends.next() {
            let pair = format!("{BACKEND} . 80 : {address} . {BACKEND_PORT}");
            rules += &format!("add element ip services services_tcp {{ {pair} }}\n");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), rules).unwrap();
        run("/usr/sbin/nft", &["-f", file.path().to_str().unwrap()]);
    }

    /// Ends a pod: its processes, its network, its address, its objects.
    ///
    /// # Panics
    /// There is none, or the plugin fails.
    pub fn stop(&mut self, name: &str) {
        fs::remove_file(self.manifests().join(format!("{name}.yaml"))).unwrap();
        let Placed { pod, namespace, netns, server, .. } = self.pods.remove(name).unwrap();
        drop((server, pod));
        self.cni("DEL", namespace, name, &netns);
        run("ip", &["netns", "delete", name]);
        self.lead();
    }

    /// Returns a pod.
    pub fn pod(&self, name: &str) -> &Placed {
        &self.pods[name]
    }

    /// Returns the names of the pods, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.pods.keys().copied().collect()
    }

    /// Starts the DNS server in its pod, and waits until it serves.
    pub fn dns(&self) -> Server {
        let mut command = self.pod("dns").pod.enter();
        command.arg(binary()).args(["dns", "-conf"]).arg(deployed("Corefile"));
        command.env("MANIFESTS", self.manifests());
        Server::of(command, tempfile::tempdir().unwrap()).serving()
    }

    /// Starts the agent that enforces policies, and waits until it does.
    pub fn netpol(&self) -> Agent {
        let mut command = Command::new(binary());
        command.args(["netpol", "--node", NODE, "--admin", "127.0.0.1:0", "--manifests"]);
        command.arg(self.manifests());
        Agent::start(command)
    }
}

impl Placed {
    /// Starts a web server that answers with the name of the pod.
    fn serve(&self, name: &str) -> Server {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("index.html"), name).unwrap();
        let mut command = self.pod.enter();
        command.args(["busybox", "httpd", "-f", "-p", &BACKEND_PORT.to_string(), "-h"]);
        command.arg(directory.path());
        let server = Server::of(command, directory);
        let own = format!("http://127.0.0.1:{BACKEND_PORT}/");
        until("the web server", || self.pod.fetch(&own).ok(), |seen| seen.as_deref() == Some(name));
        server
    }

    /// Explains a name, as a process of the pod of the DNS server.
    ///
    /// # Panics
    /// It cannot be explained.
    pub fn explain(&self, name: &str, client: Ipv4Addr) -> String {
        let portolan = binary();
        let words = format!("{} explain dns {name} --client {client}", portolan.display());
        text(&self.pod.run(&words))
    }
}
