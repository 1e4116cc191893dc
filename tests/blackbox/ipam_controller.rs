//! `portolan ipam-controller`: whatever happens to it and to the API server, every node has one block of each family, and no
//! block has two owners.

use std::process::Command;
use std::time::{Duration, Instant};

use portolan_tests::client::http_get;
use portolan_tests::ipam_controller::{NodeCluster, SOON};
use portolan_tests::server::binary;
use portolan_tests::soak::soak;
use portolan_tests::stage::{Stage, is_real, show};
use serde_json::{Value, json};
use test_apiserver::{Cut, Flavour, Verb, WriteFault};

/// Nodes that all come at once: each gets its blocks by one write, before any record is written, so that 5,000 take 50 s
/// at 100 writes a second.
#[test]
fn many_nodes_get_blocks_by_one_write_each() {
    // Long: at the rate that is the default.
    let is_long = soak().is_some_and(|limit| limit >= Duration::from_secs(60));
    let count: u64 = match (is_real(), is_long) {
        (true, _) => 100,
        (false, true) => 5_000,
        (false, false) => 1_000,
    };
    let mut cluster = NodeCluster::new(Stage::new());
    cluster.pool("four", "10.128.0.0/11", 24);
    cluster.pool("six", "fd00:7::/32", 64);
    for number in 0..count {
        cluster.node(&format!("n{number}"), &[]);
    }
    let rate = if is_long { "--writes-per-second=100" } else { "--writes-per-second=5000" };
    let flags = [rate, "--admin=127.0.0.1:0"];
    let started = Instant::now();
    let mut controller = cluster.controller(&flags);
    for part in 1..=20 {
        let some = cluster.stage.requests().wait_for(Verb::Patch, "nodes", count * part / 20);
        cluster.stage.wait(some);
    }
    let writes = cluster.writes("nodes") + cluster.writes("nodeblocks");
    let took = started.elapsed();
    show(&format!("{count} nodes have blocks after {took:?} and {writes} writes"));
    assert!(!is_long || took < Duration::from_secs(60), "{took:?}");
    let blocks = cluster.wait_for_blocks(2);
    assert_eq!(blocks.len() as u64, count);
    assert_eq!(cluster.no_block_has_two_owners() as u64, 2 * count);
    assert_eq!(cluster.stage.requests().count(Verb::Patch, "nodes"), count, "one write a node");
    // What is under way beside the last of them, and what came since.
    let log = cluster.stage.requests().entries();
    let last = log.iter().rposition(|entry| entry.info.verb == Verb::Patch).unwrap();
    let before = log[..last]
        .iter()
        .filter(|e| e.info.resource == "nodeblocks" && e.info.verb == Verb::Create);
    let before = before.count();
    assert!(before < 500, "{before} records were written before the last node had blocks");
    cluster.until(
        "the time of each",
        || controller.metric("portolan_ipam_assignment_seconds_count", ""),
        |seen| *seen >= f64::from(u32::try_from(count).unwrap()),
    );
    cluster.until(
        "the blocks of all in the pool's metric",
        || controller.metric("portolan_ipam_pool_used_blocks", "four"),
        |used| *used >= f64::from(u32::try_from(count).unwrap()),
    );
}

/// The leader is killed in the middle, writes fail, answers are lost, events come twice, watches end.
#[test]
fn a_storm_leaves_one_block_of_each_family() {
    let count: u64 = if is_real() { 60 } else { 150 };
    let mut cluster = NodeCluster::new(Stage::new());
    cluster.pool("four", "10.64.0.0/13", 24);
    cluster.pool("six", "fd00:8::/40", 64);
    for number in 0..count {
        cluster.node(&format!("n{number}"), &[]);
    }
    let faults = cluster.stage.faults();
    faults.duplicate_events(true);
    for (every, fault) in [
        (9, WriteFault::Refused(500)),
        (13, WriteFault::AnswerLost),
        (17, WriteFault::Refused(409)),
        (23, WriteFault::Refused(429)),
    ] {
        faults.fail_writes(every, fault);
    }
    let at = |rate: &'static str| -> Vec<&str> {
        let others = SOON.into_iter().filter(|flag| !flag.starts_with("--writes-per-second"));
        others.chain([rate]).collect()
    };
    // Slow enough to be killed in the middle.
    let slow = at("--writes-per-second=20");
    let mut first = cluster.controller(&slow);
    first.leads();
    let second = cluster.controller(&at("--writes-per-second=500"));
    cluster.stage.wait(cluster.stage.requests().wait_for(Verb::Patch, "nodes", count / 3));
    first.server.signal("KILL");
    first.server.wait();
    let left = cluster.blocks().values().filter(|blocks| blocks.is_empty()).count();
    assert!(left > 0, "the leader was killed too late");
    let mut second = second;
    second.leads();
    for cut in [Cut::Clean, Cut::Reset] {
        cluster.stage.faults().cut_watches(cut);
    }
    cluster.wait_for_blocks(2);
    cluster.stage.faults().cut_watches(Cut::Reset);
    assert_eq!(cluster.no_block_has_two_owners() as u64, 2 * count);
    // And each has its record in the end.
    cluster.stage.faults().clear();
    let nodes = cluster.blocks();
    let records = cluster.until(
        "a record of each node",
        || cluster.list("/apis/portolan.dev/v1alpha1/nodeblocks"),
        |records| records.len() as u64 >= count,
    );
    for record in records {
        let node = record["spec"]["node"].as_str().unwrap();
        let Some(node) = node.strip_prefix(&cluster.name("")) else { continue };
        let blocks: Vec<&str> = record["spec"]["blocks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block["cidr"].as_str().unwrap())
            .collect();
        assert_eq!(nodes[node], blocks, "{record}");
    }
}

/// What is wrong is told by an Event with the remedy and a metric, and nobody loses anything.
#[test]
fn what_is_wrong_is_told_and_nothing_is_revoked() {
    let mut cluster = NodeCluster::new(Stage::new());
    cluster.pool("four", "10.64.0.0/23", 24);
    cluster.node("bad", &["10.64.7.0/24"]);
    cluster.node("one", &["10.64.0.0/24"]);
    cluster.node("twin", &["10.64.0.0/25"]);
    let mut controller = cluster.controller(&SOON);
    assert!(cluster.event("bad", "PodCIDROutOfRange").contains("add an IPPool with it"));
    assert!(cluster.event("twin", "PodCIDRConflict").contains("drain one of them"));
    // One block is left.
    cluster.node("two", &[]);
    cluster.until(
        "the last block",
        || cluster.blocks(),
        |blocks| blocks["two"] == ["10.64.1.0/24"],
    );
    cluster.node("three", &[]);
    assert!(cluster.event("three", "CIDRNotAvailable").contains("add an IPPool"));
    let problems = |controller: &mut portolan_tests::ipam_controller::Controller, reason: &str| {
        controller.metric("portolan_ipam_problems_total", reason)
    };
    for reason in ["PodCIDROutOfRange", "PodCIDRConflict", "CIDRNotAvailable"] {
        assert!(problems(&mut controller, reason) >= 1.0, "{reason}");
    }
    cluster.until(
        "the gauge",
        || controller.metric("portolan_ipam_nodes_without_blocks", ""),
        |value| *value >= 1.0,
    );
    // A pool that cannot be read, and one that shrinks: what it was, and what nodes have, stays.
    let (name, bad) = (
        cluster.name("four"),
        |spec: Value| json!({"apiVersion": "portolan.dev/v1alpha1", "kind": "IPPool", "metadata": {"name": cluster.name("four")}, "spec": spec}),
    );
    let before = cluster.blocks();
    cluster.stage.put(bad(json!({"cidr": "10.64.0.1/23", "blockSize": 24})));
    assert!(cluster.event("four", "InvalidObject").contains("write 10.64.0.0/23"), "{name}");
    cluster.until(
        "the gauge",
        || controller.metric("portolan_ipam_bad_objects", "ippools"),
        |value| *value >= 1.0,
    );
    let selector = format!("portolan-test={}", cluster.stage.namespace());
    cluster
        .stage
        .put(bad(json!({"cidr": "10.64.0.0/24", "blockSize": 24, "nodeSelector": selector})));
    assert!(cluster.event("two", "PodCIDROutOfRange").contains("stays with the node"));
    assert_eq!(cluster.blocks(), before);
}

/// The block of a node that is gone goes to nobody before its time, whoever leads.
#[test]
fn a_block_waits_before_it_moves() {
    let mut cluster = NodeCluster::new(Stage::new());
    cluster.pool("four", "10.64.0.0/24", 24);
    cluster.node("old", &[]);
    let mut controller = cluster.controller(&SOON);
    cluster.wait_for_blocks(1);
    cluster.delete_node("old");
    cluster.node("new", &[]);
    cluster.event("new", "CIDRNotAvailable");
    cluster.until(
        "quarantine",
        || controller.metric("portolan_ipam_quarantined_nodes", ""),
        |value| *value >= 1.0,
    );
    let of_test = |record: &Value| {
        let node = record["spec"]["node"].as_str().unwrap_or_default().to_owned();
        node.starts_with(&cluster.name("")) && record["spec"]["releasedAt"].is_string()
    };
    cluster.until(
        "the record of the release",
        || cluster.list("/apis/portolan.dev/v1alpha1/nodeblocks").iter().any(of_test),
        |found| *found,
    );
    assert!(cluster.blocks()["new"].is_empty());
    let had = "10.64.0.0/24 of pool ";
    let told = cluster.explain("old");
    assert!(told.contains(" is gone since 2") && told.contains(had), "{told}");
    let told = cluster.explain("new");
    assert!(told.contains(&format!("{} (UID ", cluster.name("old"))), "{told}");
    // Gracefully: the Lease is given back, and nothing is waited for.
    controller.server.signal("TERM");
    assert!(controller.server.wait().success());
    let quick: Vec<&str> = SOON
        .iter()
        .map(|f| if f.starts_with("--quarantine") { "--quarantine=0" } else { *f })
        .collect();
    let _next = cluster.controller(&quick);
    cluster.until("the block", || cluster.blocks(), |blocks| blocks["new"] == ["10.64.0.0/24"]);
}

/// A node that asks for more gets further blocks, in its record.
#[test]
fn a_node_that_runs_out_gets_further_blocks() {
    let mut cluster = NodeCluster::new(Stage::new());
    cluster.pool("four", "10.64.0.0/16", 24);
    cluster.node("a", &[]);
    let _controller = cluster.controller(&SOON);
    cluster.wait_for_blocks(1);
    let mut node = json!({"apiVersion": "v1", "kind": "Node", "spec": {"unschedulable": true, "podCIDR": "10.64.0.0/24", "podCIDRs": ["10.64.0.0/24"]}});
    node["metadata"] = json!({
        "name": cluster.name("a"),
        "labels": {"portolan-test": cluster.stage.namespace()},
        "annotations": {"portolan.dev/blocks": "3"},
    });
    cluster.stage.put(node);
    let own = cluster.name("a");
    let blocks = || {
        let records = cluster.list("/apis/portolan.dev/v1alpha1/nodeblocks");
        let record = records.iter().find(|record| record["spec"]["node"] == *own);
        record.map_or(0, |record| record["spec"]["blocks"].as_array().unwrap().len())
    };
    cluster.until("three blocks", blocks, |count| *count == 3);
    // And on the node.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("node-blocks.json");
    let kubeconfig = cluster.stage.kubeconfig(Flavour::Token);
    let run = Command::new(binary())
        .args(["node-blocks", "--once", "--further-blocks", "--node", &own, "--kubeconfig"])
        .arg(kubeconfig)
        .arg("--file")
        .arg(&file)
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let blocks = cni_ipam::node_blocks::parse(&std::fs::read(&file).unwrap()).unwrap();
    let blocks: Vec<String> = blocks.iter().map(ToString::to_string).collect();
    assert_eq!(blocks, ["10.64.0.0/24", "10.64.1.0/24", "10.64.2.0/24"]);
    assert_eq!(cluster.blocks()["a"], ["10.64.0.0/24"]);
}

/// It does nothing that its account is not given.
#[test]
fn it_asks_for_what_its_rules_allow() {
    let Some(stage) = Stage::in_process("the log of a real cluster has what others ask") else {
        return;
    };
    let mut cluster = NodeCluster::new(stage);
    cluster.pool("four", "10.64.0.0/23", 24);
    cluster.node("gone", &[]);
    let mut controller = cluster.controller(&SOON);
    cluster.wait_for_blocks(1);
    cluster.delete_node("gone");
    for name in ["a", "b"] {
        cluster.node(name, &[]);
    }
    cluster.event("b", "CIDRNotAvailable");
    cluster.stage.faults().fail_writes(2, WriteFault::Refused(500));
    controller.server.signal("TERM");
    assert!(controller.server.wait().success());
    let more = cluster.asked_beyond_its_rules();
    assert!(more.is_empty(), "not allowed: {more:?}");
}

/// What would be written is printed, and nothing is written.
#[test]
fn a_dry_run_writes_nothing() {
    let Some(stage) = Stage::in_process("other nodes of a real cluster are not the test's") else {
        return;
    };
    let mut cluster = NodeCluster::new(stage);
    cluster.pool("four", "10.64.0.0/24", 24);
    cluster.node("a", &[]);
    cluster.node("b", &[]);
    let output = cluster.command(&["--dry-run"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // Which of them is first follows from UIDs, which are random.
    let (a, b, pool) = (cluster.name("a"), cluster.name("b"), cluster.name("four"));
    let is_right = [(&a, &b), (&b, &a)].into_iter().any(|(one, other)| {
        let block = format!("Node {one}: spec.podCIDRs: 10.64.0.0/24 of pool {pool}; it has none");
        text.contains(&block) && text.contains(&format!("Node {other}: Event CIDRNotAvailable: "))
    });
    assert!(is_right, "{text}");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        cluster.writes("nodes") + cluster.writes("nodeblocks") + cluster.writes("leases"),
        0
    );
}

#[test]
fn a_command_line_that_cannot_work_says_what_would() {
    let run = |words: &[&str]| {
        let output = Command::new(binary()).arg("ipam-controller").args(words).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap()
    };
    for (words, expected) in [
        (&["--manifests", "x.yaml"][..], "add --dry-run"),
        (
            &["--kubeconfig", "x", "--leader-elect-renew-deadline=15"],
            "write for example 2, 10 and 15",
        ),
        (&["--kubeconfig", "x", "--admin", "nonsense port"], "write an address"),
        (
            &["--kubeconfig", "x", "--cluster-cidrs", "10.0.0.0/16", "--node-mask-size-ipv4", "8"],
            "write a length from 16 to 32",
        ),
    ] {
        let text = run(words);
        assert!(text.contains(expected), "{words:?}: {text}");
    }
}

/// Its page has every reason of an Event that it counts.
#[test]
fn the_page_has_every_event() {
    let page = include_str!("../../docs/ipam-controller.md");
    let cluster = NodeCluster::new(Stage::local());
    let mut controller = cluster.controller(&SOON);
    let (_, text) = http_get(controller.server.endpoint("admin"), "/metrics");
    let reasons: Vec<&str> =
        text.lines().filter_map(|line| line.split("reason=\"").nth(1)?.split('"').next()).collect();
    assert!(reasons.len() > 10, "{text}");
    for reason in reasons {
        assert!(page.contains(&format!("| `{reason}` |")), "the page does not have {reason}");
    }
}
