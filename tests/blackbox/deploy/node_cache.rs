//! The cache of a node as its manifest starts it: Pods get the cluster's answers at both of its addresses.

use std::process::Command;

use portolan_tests::cni::Node;
use portolan_tests::dig::dig;
use portolan_tests::namespace::{inside, inside_with_mounts, run};
use portolan_tests::server::{Server, binary, write};
use serde_json::Value;

use super::kustomize::{containers, object, objects, pods, texts};
use super::root;

/// The address that the Service `kube-dns-upstream` has here.
const UPSTREAM: &str = "10.96.0.11";

/// Starts the cache with the arguments of its manifest.
fn cache(objects: &[Value]) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let corefile = directory.path().join("Corefile");
    let config = object(objects, "ConfigMap", "node-local-dns");
    write(&corefile, config["data"]["Corefile"].as_str().unwrap());
    let arguments = arguments(objects, "node-local-dns").into_iter();
    let arguments = arguments
        .map(|argument| argument.replace("/etc/coredns/Corefile", corefile.to_str().unwrap()));
    let mut command = Command::new(binary());
    command.arg("dns").args(arguments).env("KUBE_DNS_UPSTREAM_SERVICE_HOST", UPSTREAM);
    let mut cache = Server::of(command, directory).serving();
    cache.wait_for_line("are not tracked");
    cache
}

/// Returns the arguments of a DaemonSet's container.
fn arguments(objects: &[Value], name: &str) -> Vec<String> {
    let pods = pods(objects);
    let (_, pod) = pods.iter().find(|(owner, _)| owner == name).unwrap();
    texts(&containers(pod).next().unwrap()["args"])
}

/// Starts the cluster's DNS where the cache asks it.
fn cluster_dns() -> Server {
    run("ip", &["address", "add", &format!("{UPSTREAM}/32"), "dev", "lo"]);
    let mut cluster = Server::start(&format!(
        ".:53 {{
            bind {UPSTREAM}
            kubernetes cluster.local in-addr.arpa {{
                manifests {}
            }}
        }}",
        root().join("deploy/demo").display()
    ));
    cluster.endpoint("admin");
    cluster
}

#[test]
fn the_cache_of_a_node_answers_as_the_cluster_does() {
    inside("node_cache::the_cache_of_a_node_answers_as_the_cluster_does", || {
        let _cluster = cluster_dns();
        let mut cache = cache(&objects(&root().join("deploy/overlays/node")));
        for address in ["169.254.20.10:53", "10.96.0.10:53"] {
            let reply = dig(address.parse().unwrap(), "kubernetes.default.svc.cluster.local A");
            assert_eq!(reply.status, "NOERROR", "{}", reply.text);
            assert!(reply.answer[0].ends_with(" A 10.96.0.1"), "{:?}", reply.answer);
            let reply = dig(address.parse().unwrap(), "-x 10.96.0.1");
            assert!(
                reply.answer[0].ends_with("kubernetes.default.svc.cluster.local."),
                "{reply:?}"
            );
        }
        cache.signal("TERM");
        assert_eq!(cache.wait().code(), Some(0));
        let left = run("ip", &["-brief", "address", "show", "lo"]);
        assert!(!left.contains("10.96.0.10/"), "{left}");
    });
}

/// A node with a pod whose policy lets it ask the Pods of `kube-dns` and nobody else, as clusters write it.
const ISOLATED: &str = "\
apiVersion: v1
kind: Node
metadata: {name: n1}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {nodeName: n1}
status: {phase: Running, podIPs: [{ip: 10.244.1.2}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: egress, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector: {}
      podSelector: {matchLabels: {k8s-app: kube-dns}}
    ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
";

/// Packets to the cache are for the node, whatever address it has: policies that name the Pods of `kube-dns` do not name it.
#[test]
fn a_pod_that_may_ask_nobody_but_dns_asks_the_cache() {
    inside_with_mounts("node_cache::a_pod_that_may_ask_nobody_but_dns_asks_the_cache", || {
        let node = Node::new();
        let _cluster = cluster_dns();
        let objects = objects(&root().join("deploy/overlays/node"));
        let _cache = cache(&objects);
        let pod = node.netns("pod");
        run("ip", &["link", "add", "pod", "type", "veth", "peer", "name", "eth0", "netns", "pod"]);
        run("ip", &["address", "add", "10.244.1.1/24", "dev", "pod"]);
        run("ip", &["link", "set", "pod", "up"]);
        for line in [
            "ip address add 10.244.1.2/24 dev eth0",
            "ip link set eth0 up",
            "ip route add default via 10.244.1.1",
        ] {
            node.within(&pod, line);
        }
        let directory = tempfile::tempdir().unwrap();
        write(&directory.path().join("cluster.yaml"), ISOLATED);
        let arguments = arguments(&objects, "portolan-netpol").into_iter();
        let arguments = arguments.map(|argument| argument.replace("$(NODE_NAME)", "n1"));
        let mut netpol = Command::new(binary());
        netpol.args(["netpol", "--once", "--manifests"]).arg(directory.path()).args(arguments);
        assert!(netpol.status().unwrap().success());

        let dig = "dig +short +tries=1 kubernetes.default.svc.cluster.local";
        for server in ["169.254.20.10", "10.96.0.10"] {
            for transport in ["+notcp", "+tcp"] {
                let answer = node.within(&pod, &format!("{dig} {transport} @{server}"));
                assert_eq!(answer, "10.96.0.1\n", "{server} {transport}");
            }
        }
        let ping = ["--net=/run/netns/pod", "ping", "-c", "1", "-W", "1", "10.244.1.1"];
        let allowed = Command::new("nsenter").args(ping).output().unwrap().status.success();
        assert!(!allowed, "the policy is in force");
    });
}

/// Both Corefiles are such that nothing is to be said of them.
#[test]
fn the_corefiles_are_good() {
    let objects = objects(&root().join("deploy/overlays/all"));
    for name in ["coredns", "node-local-dns"] {
        let directory = tempfile::tempdir().unwrap();
        let corefile = directory.path().join("Corefile");
        let config = object(&objects, "ConfigMap", name);
        write(&corefile, config["data"]["Corefile"].as_str().unwrap());
        let output = Command::new(binary())
            .arg("check")
            .arg(&corefile)
            .env("KUBE_DNS_UPSTREAM_SERVICE_HOST", UPSTREAM)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.ends_with(": no mistakes, no warnings\n"), "{name}: {said}");
    }
}
