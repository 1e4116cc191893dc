//! `portolan netpol` with real pods: what it does once, what it follows, and what it leaves alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::Write;
use std::process::{Command, Stdio};

use portolan_tests::namespace::{inside, run};
use portolan_tests::netpol_agent::{Node, deny, expect};
use portolan_tests::stage::until;
use test_pods::case::e2e;
use test_pods::wiring::Layout;
use test_pods::world::{Edit, World};

/// Every case of Kubernetes' own tests, each step by a process that brings the kernel up to date and ends: the rules
/// stay, and the next process takes them over.
fn end_to_end(layout: Layout) {
    let mut node = Node::new(layout);
    for case in e2e() {
        node.world = World::new();
        for step in &case.steps {
            node.edit(&step.edits);
            node.print(&["--once"]);
            node.shows(&case.name, step.expect.as_ref().unwrap());
        }
    }
}

#[test]
fn the_end_to_end_cases_once_with_routed_pods() {
    inside("the_end_to_end_cases_once_with_routed_pods", || end_to_end(Layout::Routed));
}

#[test]
fn the_end_to_end_cases_once_with_bridged_pods() {
    inside("the_end_to_end_cases_once_with_bridged_pods", || end_to_end(Layout::Bridged));
}

/// A running agent follows every step of every case.
#[test]
fn an_agent_follows_edits() {
    inside("an_agent_follows_edits", || {
        let mut node = Node::new(Layout::Routed);
        let mut agent = node.agent();
        let mut number = 0;
        for case in e2e() {
            node.world = World::new();
            for step in &case.steps {
                // Cases may begin as others end; a label that no policy reads makes every step a change.
                number += 1;
                let labels = [("ns", "z".to_owned()), ("step", number.to_string())];
                let labels = labels.map(|(key, value)| (key.to_owned(), value)).into();
                let mark = Edit::Namespace { name: "z".to_owned(), labels };
                agent.enforces(&mut node, &[&step.edits[..], &[mark]].concat());
                node.shows(&case.name, step.expect.as_ref().unwrap());
            }
        }
        assert!(agent.metric("portolan_netpol_transaction_failures_total") == 0.0);
        // The table is there a moment before the agent has noted it.
        let unsynced = || agent.metric("portolan_netpol_unsynced_seconds");
        until("the agent is up to date", unsynced, |seconds| *seconds == 0.0);
    });
}

#[test]
fn nothing_is_removed_at_the_end_but_by_uninstall() {
    inside("nothing_is_removed_at_the_end_but_by_uninstall", || {
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("x/deny", None, &["Ingress"])]);
        let denied = expect(&["deny */* -> x/*"]);
        let mut agent = node.agent();
        node.shows("while the agent runs", &denied);
        agent.server.signal("TERM");
        assert!(agent.server.wait().success());
        node.shows("after SIGTERM", &denied);
        assert_eq!(node.print(&["--uninstall"]), "the table portolan-netpol removed\n");
        node.shows("after --uninstall", &expect(&[]));
        assert_eq!(node.print(&["--uninstall"]), "the table portolan-netpol was not there\n");
    });
}

#[test]
fn the_printed_ruleset_is_what_nft_takes_and_nothing_is_touched() {
    inside("the_printed_ruleset_is_what_nft_takes_and_nothing_is_touched", || {
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("x/deny", None, &["Ingress"])]);
        let ruleset = node.print(&["--print-ruleset"]);
        assert_eq!(run("/usr/sbin/nft", &["list", "ruleset"]), "");
        let mut nft =
            Command::new("/usr/sbin/nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        nft.stdin.take().unwrap().write_all(ruleset.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success(), "{ruleset}");
        node.shows("loaded by nft", &expect(&["deny */* -> x/*"]));
    });
}

#[test]
fn a_dry_run_says_what_would_change_and_changes_nothing() {
    inside("a_dry_run_says_what_would_change_and_changes_nothing", || {
        let mut node = Node::new(Layout::Routed);
        node.print(&["--once"]);
        let nothing = node.print(&["--dry-run"]);
        assert_eq!(nothing, "0 changes, 0 live connections would be cut\n");
        let listener =
            node.network.place(3).within(|| std::net::TcpListener::bind("10.244.0.34:8080"));
        let client = || std::net::TcpStream::connect("10.244.0.34:8080");
        let _connection = node.network.place(0).within(client).unwrap();
        let before = run("/usr/sbin/nft", &["list", "ruleset"]);
        node.edit(&[deny("y/deny", Some("a"), &["Ingress"])]);
        let text = node.print(&["--dry-run"]);
        assert!(text.contains(" -> 10.244.0.34:8080\n"), "{text}");
        assert!(text.contains("would cut tcp 10.244.0.18:"), "{text}");
        assert!(text.ends_with("1 live connections would be cut\n"), "{text}");
        assert_eq!(run("/usr/sbin/nft", &["list", "ruleset"]), before);
        drop(listener);
    });
}

/// Until the cluster is listed, the kernel keeps what it has: an agent that knows nothing yet opens nothing.
#[test]
fn the_kernel_is_not_touched_before_the_cluster_is_listed() {
    inside("the_kernel_is_not_touched_before_the_cluster_is_listed", || {
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("x/deny", None, &["Ingress"])]);
        node.print(&["--once"]);
        let directory = tempfile::tempdir().unwrap();
        let kubeconfig = directory.path().join("kubeconfig");
        // Nobody listens there.
        let text = "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
            clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}], users: [{name: u, user: {}}]}";
        std::fs::write(&kubeconfig, text).unwrap();
        let once = Command::new(portolan_tests::server::binary())
            .args(["netpol", "--node", "node-1", "--once", "--sync-timeout", "1", "--kubeconfig"])
            .arg(&kubeconfig)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&once.stderr);
        assert_eq!(once.status.code(), Some(1), "{errors}");
        assert!(errors.contains("was not listed within 1 s (--sync-timeout): "), "{errors}");
        assert!(errors.contains("NetworkPolicy"), "{errors}");
        node.shows("after a cluster that could not be listed", &expect(&["deny */* -> x/*"]));
    });
}

/// A policy that cannot be used as it is written closes its own pods and nothing else.
#[test]
fn a_bad_policy_closes_only_its_own_pods() {
    inside("a_bad_policy_closes_only_its_own_pods", || {
        let mut node = Node::new(Layout::Routed);
        let peers = serde_json::json!([{"from": [{"ipBlock": {"cidr": "nonsense"}}]}]);
        let spec =
            serde_json::json!({"podSelector": {"matchLabels": {"pod": "a"}}, "ingress": peers});
        node.edit(&[Edit::Policy { name: "x/bad".to_owned(), spec }]);
        node.print(&["--once"]);
        node.shows("a peer that is no network", &expect(&["deny */* -> x/a"]));
    });
}
