//! A node whose blocks fill up gets further ones before a pod fails: the API server, `portolan ipam-controller`, `portolan
//! node-blocks` and `portolan-ipam` together.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use portolan_tests::cni::{Answer, Call, Node, ipam_binary};
use portolan_tests::ipam_cases::addresses;
use portolan_tests::ipam_controller::{NodeCluster, SOON};
use portolan_tests::namespace::inside_with_mounts;
use portolan_tests::server::{Server, binary};
use portolan_tests::stage::{Stage, until};
use serde_json::{Value, json};
use test_apiserver::{Cut, Flavour, WriteFault};

/// Where the plugin finds the blocks of its node.
const FILE: &str = "/run/portolan/node-blocks.json";

/// Addresses of an IPv4 block of /28, and of an IPv6 block of /124: without gateway and what is no host.
const EACH: [usize; 2] = [13, 14];

/// Fewer free addresses than these have a block asked for, by default.
const BELOW: usize = 8;

/// Starts the role on a node.
fn node_blocks(cluster: &NodeCluster, node: &str, flags: &[&str]) -> Server {
    let mut command = Command::new(binary());
    command.args(["node-blocks", "--further-blocks", "--node", &cluster.name(node)]);
    command.arg("--kubeconfig").arg(cluster.stage.kubeconfig(Flavour::Token)).args(flags);
    Server::of(command, tempfile::tempdir().unwrap())
}

/// How many blocks of each family the file has.
fn blocks() -> [usize; 2] {
    let Ok(octets) = fs::read(FILE) else { return [0, 0] };
    let blocks = cni_ipam::node_blocks::parse(&octets).unwrap();
    let of = |is_v4: bool| blocks.iter().filter(|block| block.addr().is_ipv4() == is_v4).count();
    [of(true), of(false)]
}

fn config() -> Value {
    json!({"cniVersion": "1.1.0", "name": "pods", "ipam": {"type": "portolan-ipam"}})
}

fn add(pod: usize) -> Answer {
    Call::attachment(ipam_binary(), "ADD", &format!("pod-{pod}")).run(&config())
}

/// Pods come one after the other: none waits for an address, and the node never has more blocks than it needs.
#[test]
fn a_node_that_fills_up_gets_further_blocks_before_a_pod_fails() {
    inside_with_mounts("a_node_that_fills_up_gets_further_blocks_before_a_pod_fails", || {
        let Some(stage) = Stage::in_process("nodes of a real cluster are not the test's") else {
            return;
        };
        let _node = Node::new();
        let mut cluster = NodeCluster::new(stage);
        cluster.pool("four", "10.64.0.0/20", 28);
        cluster.pool("six", "fd00:7::/112", 124);
        cluster.node("a", &[]);
        let mut controller = cluster.controller(&SOON);
        let mut role = node_blocks(&cluster, "a", &[]);
        until("the first blocks", blocks, |blocks| *blocks == [1, 1]);
        // Whatever happens to the watches, and to every third write.
        cluster.stage.faults().limit_to("nodeblocks");
        cluster.stage.faults().fail_writes(3, WriteFault::Refused(500));
        let mut seen = [1, 1];
        for pod in 0..30 {
            assert_eq!(addresses(&add(pod).ok()).len(), 2);
            let needed = EACH.map(|each| (pod + 1 + BELOW).div_ceil(each).max(1));
            let found = until("the blocks that are needed", blocks, |found| {
                found.iter().zip(needed).all(|(found, needed)| *found >= needed)
            });
            assert_eq!(found, needed, "after {} pods", pod + 1);
            if found != seen {
                cluster.stage.faults().cut_watches(Cut::Reset);
                seen = found;
            }
        }
        assert_eq!(seen, [3, 3]);
        let note = cluster.event("a", "FurtherBlockAssigned");
        assert!(note.contains("addresses were free"), "{note}");
        cluster.until(
            "the blocks in the metrics",
            || {
                let metrics = ["further_blocks_total", "nodes_short_of_blocks"];
                metrics.map(|name| controller.metric(&format!("portolan_ipam_{name}"), ""))
            },
            |seen| *seen == [4.0, 0.0],
        );
        role.signal("TERM");
        assert!(role.wait().success());
        assert!(role.log().contains("further block asked for"), "{}", role.log());
    });
}

/// What a node is not given it is told why, pods get what is left, and it comes as soon as there is room.
#[test]
fn a_node_that_gets_none_is_told_of_and_gets_it_when_there_is_room() {
    inside_with_mounts("a_node_that_gets_none_is_told_of_and_gets_it_when_there_is_room", || {
        let Some(stage) = Stage::in_process("nodes of a real cluster are not the test's") else {
            return;
        };
        let _node = Node::new();
        let mut cluster = NodeCluster::new(stage);
        cluster.pool("four", "10.64.0.0/27", 28);
        for name in ["a", "b"] {
            cluster.node(name, &[]);
        }
        let flags: Vec<&str> = SOON.into_iter().chain(["--blocks-per-node=2"]).collect();
        let mut controller = cluster.controller(&flags);
        cluster.wait_for_blocks(1);
        let _role = node_blocks(&cluster, "a", &[]);
        until("the first block", blocks, |blocks| *blocks == [1, 0]);
        for pod in 0..EACH[0] {
            add(pod).ok();
        }
        assert!(cluster.event("a", "CIDRNotAvailable").contains("add an IPPool"));
        let told = cluster.explain("a");
        for part in
            ["  asks for 2 IPv4 blocks and has 1: ", "  CIDRNotAvailable: no free IPv4 block"]
        {
            assert!(told.contains(part), "{told}");
        }
        let mut short = |expected: f64| {
            cluster.until(
                "the gauge",
                || controller.metric("portolan_ipam_nodes_short_of_blocks", ""),
                |seen| (seen - expected).abs() < f64::EPSILON,
            )
        };
        short(1.0);
        assert_eq!(add(13).error().0, 11);
        // Room comes, for more than the node may have.
        let wider = cluster.name("wider");
        cluster.stage.put(json!({
            "apiVersion": "portolan.dev/v1alpha1",
            "kind": "IPPool",
            "metadata": {"name": wider},
            "spec": {"cidr": "10.65.0.0/26", "blockSize": 28},
        }));
        until("a further block", blocks, |blocks| *blocks == [2, 0]);
        short(0.0);
        for pod in 13..2 * EACH[0] {
            add(pod).ok();
        }
        let note = cluster.event("a", "FurtherBlockLimit");
        assert!(note.contains("--blocks-per-node is 2"), "{note}");
        short(1.0);
        assert_eq!((add(26).error().0, blocks()), (11, [2, 0]));
        // The other node has what it had.
        assert_eq!(cluster.blocks()["b"].len(), 1);
    });
}

/// Without the threshold nobody asks, and whoever runs once only reads.
#[test]
fn a_node_that_is_told_not_to_ask_does_not() {
    inside_with_mounts("a_node_that_is_told_not_to_ask_does_not", || {
        let Some(stage) = Stage::in_process("nodes of a real cluster are not the test's") else {
            return;
        };
        let _node = Node::new();
        let mut cluster = NodeCluster::new(stage);
        cluster.pool("four", "10.64.0.0/20", 29);
        cluster.node("a", &[]);
        let _controller = cluster.controller(&SOON);
        cluster.wait_for_blocks(1);
        let _role = node_blocks(&cluster, "a", &["--ask-below=0"]);
        until("the first block", blocks, |blocks| *blocks == [1, 0]);
        let full = (0..).find(|pod| add(*pod).code != Some(0)).unwrap();
        assert_eq!((full, add(full).error().0), (5, 11));
        // One that asks gets a block at once, of the same store.
        let _asking = node_blocks(&cluster, "a", &["--ask-below=1"]);
        until("a further block", blocks, |blocks| *blocks == [2, 0]);
        add(full).ok();
        assert!(Path::new("/run/portolan/ipam/pods/index").exists());
    });
}
