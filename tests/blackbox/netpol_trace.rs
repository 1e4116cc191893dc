//! `portolan explain flow --live`: one connection, traced through the kernel.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};

use portolan_tests::namespace::{inside, run};
use portolan_tests::netpol_agent::{Node, deny};
use portolan_tests::server::binary;
use portolan_tests::stage::until;
use test_pods::network::ip;
use test_pods::probe::Family;
use test_pods::wiring::Layout;

const NFT: &str = "/usr/sbin/nft";

/// Places of pods, as the harness numbers them.
const X_A: usize = 0;
const Y_A: usize = 3;

fn tables() -> String {
    run(NFT, &["list", "tables"])
}

/// Starts to trace what y/a sends to a port of x/a.
fn explain(node: &Node, port: u16, more: &[&str]) -> Child {
    let mut command = Command::new(binary());
    command.args(["explain", "flow", "--from", "y/a", "--to", "x/a", "--live", "--node", "node-1"]);
    command.args(["--port", &format!("{port}/udp"), "--manifests"]).arg(node.manifests());
    command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Traces a datagram from y/a to a port of x/a, and returns what is said of it.
fn traced(node: &Node, port: u16) -> String {
    let child = explain(node, port, &[]);
    until("marks", tables, |text| text.contains("portolan-trace"));
    node.network.place(Y_A).within(|| {
        let socket = UdpSocket::bind(SocketAddr::new(ip(Y_A, Family::V4), 0)).unwrap();
        socket.send_to(b"?", SocketAddr::new(ip(X_A, Family::V4), port)).unwrap();
    });
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!tables().contains("portolan-trace"));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_connection_is_followed_through_the_rules() {
    inside("a_connection_is_followed_through_the_rules", || {
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("x/deny", Some("a"), &["Ingress"])]);
        let mut agent = node.agent();
        let text = traced(&node, 4444);
        assert!(text.contains("ingress, on node node-1: denied, isolated by x/deny\n"), "{text}");
        let of_map = "  table inet portolan-netpol, chain forward, `ip daddr vmap @ingress4`: jump ingress4_";
        assert!(text.contains(of_map), "{text}");
        assert!(text.contains(", `counter drop`: drop\n"), "{text}");
        assert!(text.ends_with("it was dropped on this node, as policies say\n"), "{text}");

        node.edit(&[deny("x/deny", Some("b"), &["Ingress"])]);
        agent.waits_for("portolan_netpol_transactions_total", 2.0);
        let text = traced(&node, 4445);
        assert!(text.ends_with("it passed this node, as policies say\n"), "{text}");

        run(NFT, &["add table inet others"]);
        run(NFT, &["add chain inet others strict { type filter hook forward priority 10; }"]);
        run(NFT, &["add rule inet others strict udp dport 4446 drop"]);
        let text = traced(&node, 4446);
        let by = "it was dropped by somebody else: table inet others, chain strict\n";
        assert!(text.ends_with(by), "{text}");

        agent.server.signal("KILL");
        agent.server.wait();
        node.edit(&[deny("x/deny", Some("a"), &["Ingress"])]);
        let text = traced(&node, 4447);
        assert!(text.contains("it passed this node, but policies deny it: see whether"), "{text}");
    });
}

/// Questions to a cache of the node are not tracked, and begin no connection.
#[test]
fn a_question_to_the_cache_of_the_node_is_followed() {
    inside("a_question_to_the_cache_of_the_node_is_followed", || {
        const CACHE: &str = "169.254.20.10";
        let mut node = Node::new(Layout::Routed);
        run("ip", &["address", "add", &format!("{CACHE}/32"), "dev", "lo"]);
        run(NFT, &["add table inet cache"]);
        run(NFT, &["add chain inet cache raw { type filter hook prerouting priority -300; }"]);
        run(NFT, &[&format!("add rule inet cache raw ip daddr {CACHE} udp dport 53 notrack")]);
        node.edit(&[deny("y/deny", Some("a"), &["Egress"])]);
        let _agent = node.agent();
        let mut command = Command::new(binary());
        command.args(["explain", "flow", "--from", "y/a", "--to", CACHE, "--port", "53/udp"]);
        command.args(["--live", "--node", "node-1", "--manifests"]).arg(node.manifests());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until("marks", tables, |text| text.contains("portolan-trace"));
        node.network.place(Y_A).within(|| {
            let socket = UdpSocket::bind(SocketAddr::new(ip(Y_A, Family::V4), 0)).unwrap();
            socket.send_to(b"?", (CACHE, 53)).unwrap();
        });
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.contains("egress, on node node-1: passes, the DNS server of the node\n"),
            "{text}"
        );
        assert!(
            text.contains("ip daddr . meta l4proto . th dport @dns4 accept`: accept\n"),
            "{text}"
        );
        assert!(text.ends_with("it passed this node, as policies say\n"), "{text}");
    });
}

#[test]
fn marks_are_gone_with_whoever_made_them() {
    inside("marks_are_gone_with_whoever_made_them", || {
        let node = Node::new(Layout::BridgedPast);
        for signal in ["INT", "KILL"] {
            let mut child = explain(&node, 4444, &[]);
            until("marks", tables, |text| text.contains("portolan-trace"));
            run("kill", &[&format!("-{signal}"), &child.id().to_string()]);
            child.wait().unwrap();
            assert!(!tables().contains("portolan-trace"), "{signal}");
        }
        let output = explain(&node, 4444, &["--live-timeout", "1"]).wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(
            errors.contains("no such connection began through this node within 1 s"),
            "{errors}"
        );
        assert!(
            errors.contains("note: packets between pods of bridge cni0 pass the rules by"),
            "{errors}"
        );
        assert!(!tables().contains("portolan-trace"));
    });
}
