//! The network of a node as its manifest has it: pods of several blocks reach each other, pods of other nodes by their own
//! addresses, and what is outside by the node's; policies hold between them.

use std::fs;
use std::process::Command;

use portolan_tests::cni::Node;
use portolan_tests::namespace::{inside_with_mounts, run};
use portolan_tests::server::{binary, write};
use serde_json::{Value, json};

use super::kustomize::{object, objects};
use super::root;

/// A pod of another node.
const FAR: &str = "10.244.4.2";
/// What is outside of the cluster.
const OUTSIDE: &str = "198.51.100.2";

/// Returns the configuration that the runtime calls the main plugin with.
fn main_plugin() -> Value {
    let objects = objects(&root().join("deploy/overlays/node"));
    let config = object(&objects, "ConfigMap", "portolan-cni");
    let list = config["data"]["10-portolan.conflist"].as_str().unwrap();
    let list: Value = serde_json::from_str(list).unwrap();
    let mut plugin = list["plugins"][0].clone();
    for key in ["cniVersion", "name"] {
        plugin[key] = list[key].clone();
    }
    plugin
}

/// Makes what the node is connected with: another node, which takes packets for its pod from pods alone, and a machine
/// that knows no way to pods.
fn surroundings(node: &Node) {
    for (name, own, other) in
        [("far", "192.0.2.1/24", "192.0.2.2/24"), ("outside", "198.51.100.1/24", "198.51.100.2/24")]
    {
        let netns = node.netns(name);
        let link = ["link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name];
        run("ip", &link);
        run("ip", &["address", "add", own, "dev", name]);
        run("ip", &["link", "set", name, "up"]);
        node.within(&netns, &format!("ip address add {other} dev eth0"));
        node.within(&netns, "ip link set eth0 up");
    }
    run("ip", &["route", "add", "10.244.4.0/24", "via", "192.0.2.2"]);
    for line in [
        &format!("ip address add {FAR}/32 dev eth0")[..],
        "ip route add 10.244.3.0/24 via 192.0.2.1",
        "/usr/sbin/nft add table ip pods",
        "/usr/sbin/nft add chain ip pods input { type filter hook input priority 0; }",
        &format!(
            "/usr/sbin/nft add rule ip pods input ip daddr {FAR} ip saddr != 10.244.0.0/16 drop"
        ),
    ] {
        node.within("/run/netns/far", line);
    }
}

/// Says whether a pod gets an answer.
fn reaches(pod: &str, address: &str, patience: &str) -> bool {
    let enter = format!("--net=/run/netns/{pod}");
    let mut ping = Command::new("nsenter");
    ping.args([&enter[..], "ping", "-c", "1", "-W", patience, address]);
    ping.output().unwrap().status.success()
}

#[test]
fn pods_keep_their_addresses_within_the_cluster_and_none_outside() {
    let name = "node_network::pods_keep_their_addresses_within_the_cluster_and_none_outside";
    inside_with_mounts(name, || {
        let node = Node::new();
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        surroundings(&node);
        let masquerade = root().join("deploy/node-ipam/masquerade.nft").display().to_string();
        run("/usr/sbin/nft", &["-f", &masquerade]);
        // As at the next start of a unit.
        run("/usr/sbin/nft", &["-f", &masquerade]);
        // Blocks of one pod each.
        let blocks =
            json!({"node": "n1", "blocks": [{"cidr": "10.244.3.0/30"}, {"cidr": "10.244.3.4/30"}]});
        fs::create_dir("/run/portolan").unwrap();
        fs::write("/run/portolan/node-blocks.json", blocks.to_string()).unwrap();

        let config = main_plugin();
        let plugin = config["type"].as_str().unwrap();
        let mut pods = ["one", "two"].map(|pod| {
            let result = node.call(plugin, "ADD", pod, &node.netns(pod)).run(&config).ok();
            let address = result["ips"][0]["address"].as_str().unwrap();
            assert_eq!(result["ips"].as_array().unwrap().len(), 1, "{result}");
            (address.split('/').next().unwrap().to_owned(), pod)
        });
        pods.sort();
        let [(first, one), (second, two)] = &pods;
        assert_eq!((&**first, &**second), ("10.244.3.2", "10.244.3.6"));
        for (from, to) in [(one, second), (two, first)] {
            for to in [to, FAR, OUTSIDE] {
                assert!(reaches(from, to, "10"), "{from} reaches {to}");
            }
        }

        // Policies hold between pods of the node without br_netfilter, and not beside it.
        let directory = tempfile::tempdir().unwrap();
        write(
            &directory.path().join("cluster.yaml"),
            &format!(
                "apiVersion: v1\nkind: Node\nmetadata: {{name: n1}}\n---\n\
                 apiVersion: v1\nkind: Pod\nmetadata: {{name: two}}\nspec: {{nodeName: n1}}\n\
                 status: {{phase: Running, podIPs: [{{ip: {second}}}]}}\n---\n\
                 apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: closed}}\n\
                 spec: {{podSelector: {{}}, policyTypes: [Ingress]}}\n"
            ),
        );
        let mut netpol = Command::new(binary());
        netpol.args(["netpol", "--once", "--node=n1", "--manifests"]).arg(directory.path());
        assert!(netpol.status().unwrap().success());
        assert!(!reaches(one, second, "1"), "the policy closes {second}");
        assert!(reaches(two, first, "10"), "it closes no other pod");
        assert!(reaches(two, FAR, "10"), "it isolates ingress alone");
        for (_, pod) in &pods {
            node.call(plugin, "DEL", pod, &format!("/run/netns/{pod}")).run(&config).ok();
        }
    });
}
