//! What `portolan netpol` tells of denied packets: lines with names, counters by policy, and namespaces that are only
//! audited.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::{SocketAddr, UdpSocket};

use portolan_tests::namespace::inside;
use portolan_tests::netpol_agent::{Agent, Node, deny, expect};
use portolan_tests::server::{PATIENCE, Server};
use portolan_tests::stage::until;
use serde_json::Value;
use test_pods::network::{address, ip};
use test_pods::probe::Family;
use test_pods::wiring::Layout;
use test_pods::world::Edit;

const ALL: &str = "portolan_netpol_denied_packets_total";
const BY_POLICY: &str = "portolan_netpol_policy_denied_packets_total";
const SKIPPED: &str = "portolan_netpol_denied_log_skipped_total";

/// Places of the pods x/a and y/a.
const X_A: usize = 0;
const Y_A: usize = 3;

/// Sends datagrams from the pod y/a to the pod x/a, one to each port.
fn send(node: &Node, family: Family, ports: std::ops::Range<u16>) {
    node.network.place(Y_A).within(|| {
        let socket = UdpSocket::bind(SocketAddr::new(ip(Y_A, family), 0)).unwrap();
        for port in ports {
            socket.send_to(b"?", SocketAddr::new(ip(X_A, family), port)).unwrap();
        }
    });
}

/// Waits until so many packets have been counted in a direction.
fn denied(agent: &mut Agent, labels: &str, packets: f64) {
    until(labels, || agent.sample(ALL, labels), |count| *count >= packets);
    assert!(agent.sample(ALL, labels) == packets, "{labels}");
}

fn mode(namespace: &str, mode: &str) -> Edit {
    Edit::Mode { namespace: namespace.to_owned(), mode: mode.to_owned() }
}

/// Returns the labels of a policy's counter.
fn labels(policy: &str, direction: &str, mode: &str) -> String {
    let (namespace, policy) = policy.split_once('/').unwrap();
    format!(r#"direction="{direction}",mode="{mode}",namespace="{namespace}",policy="{policy}""#)
}

const IN: &str = r#"direction="ingress",mode="enforce""#;
const OUT: &str = r#"direction="egress",mode="enforce""#;
const AUDITED: &str = r#"direction="ingress",mode="audit""#;

#[test]
fn a_denied_packet_is_told_with_names_and_counted_by_policy() {
    inside("a_denied_packet_is_told_with_names_and_counted_by_policy", || {
        let mut node = Node::new(Layout::Routed);
        let policies =
            [deny("x/all", None, &["Ingress"]), deny("x/one", Some("a"), &["Ingress", "Egress"])];
        node.edit(&policies);
        let mut agent = node.agent();
        assert!(agent.sample(BY_POLICY, &labels("x/one", "egress", "enforce")) == 0.0);

        send(&node, Family::V4, 4444..4445);
        let line = agent.server.wait_for_line("denied by policies");
        let (from, to) = (address(Y_A).v4, address(X_A).v4);
        assert_eq!(
            line,
            format!(
                "[INFO] denied by policies pod=\"x/a\" direction=\"ingress\" peer=\"y/a\" traffic=4444/udp \
                 policies=\"x/all, x/one\" source={from} destination={to}"
            )
        );
        denied(&mut agent, IN, 1.0);
        for policy in ["x/all", "x/one"] {
            assert!(agent.sample(BY_POLICY, &labels(policy, "ingress", "enforce")) == 1.0);
        }
        assert!(agent.sample(ALL, OUT) == 0.0);

        // What counted before its chain was replaced stays counted.
        send(&node, Family::V6, 4444..4447);
        agent.enforces(&mut node, &[Edit::DeletePolicy("x/all".to_owned())]);
        send(&node, Family::V4, 4450..4451);
        denied(&mut agent, IN, 5.0);
        assert!(agent.sample(BY_POLICY, &labels("x/one", "ingress", "enforce")) == 5.0);
        let (_, text) =
            portolan_tests::client::http_get(agent.server.endpoint("admin"), "/metrics");
        assert!(!text.contains("policy=\"all\""), "the policy is gone: {text}");
    });
}

#[test]
fn an_audited_namespace_lets_through_what_it_tells_and_counts() {
    inside("an_audited_namespace_lets_through_what_it_tells_and_counts", || {
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("x/all", None, &["Ingress"]), mode("x", "audit")]);
        let mut agent = node.agent();
        let answers = node
            .network
            .place(X_A)
            .within(|| UdpSocket::bind(SocketAddr::new(ip(X_A, Family::V4), 4444)).unwrap());
        answers.set_read_timeout(Some(PATIENCE)).unwrap();
        send(&node, Family::V4, 4444..4445);
        assert_eq!(answers.recv(&mut [0; 8]).unwrap(), 1, "it arrives");
        let line = agent.server.wait_for_line("would be denied by policies");
        assert!(line.contains("pod=\"x/a\" direction=\"ingress\" peer=\"y/a\""), "{line}");
        denied(&mut agent, AUDITED, 1.0);
        assert!(agent.sample(BY_POLICY, &labels("x/all", "ingress", "audit")) == 1.0);
        assert!(agent.sample(ALL, IN) == 0.0);
        node.shows("audited", &expect(&[]));

        agent.enforces(&mut node, &[mode("x", "enforce")]);
        node.shows("enforced", &expect(&["deny */* -> x/*"]));
        assert!(agent.sample(ALL, IN) > 0.0);
        agent.enforces(&mut node, &[mode("x", "audit")]);
        node.shows("audited again", &expect(&[]));
    });
}

#[test]
fn lines_are_few_however_many_packets_there_are() {
    inside("lines_are_few_however_many_packets_there_are", || {
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("x/all", None, &["Ingress"])]);
        // By the kernel: of 500 packets at once, what a second allows.
        let mut agent = node.agent_with(&["--denied-log", "2"]);
        let started = std::time::Instant::now();
        send(&node, Family::V4, 5000..5500);
        denied(&mut agent, IN, 500.0);
        // Lines come a moment after the packets are counted.
        agent.server.wait_for_line("denied by policies");
        let seconds = started.elapsed().as_secs() + 1;
        let lines = agent.server.log().matches("denied by policies").count() as u64;
        assert!((1..=2 + 2 * seconds).contains(&lines), "{lines} lines in {seconds} s");
        agent.server.signal("KILL");
        agent.server.wait();

        // By the process: the same flow once.
        let mut agent = node.agent_with(&["--denied-log", "1000"]);
        for _ in 0..40 {
            send(&node, Family::V4, 6000..6001);
        }
        let repeated = |agent: &mut Agent| agent.sample(SKIPPED, r#"reason="repeated""#);
        until("repetitions", || repeated(&mut agent), |count| *count >= 39.0);
        agent.server.wait_for_line("traffic=6000/udp");
        assert_eq!(agent.server.log().matches("traffic=6000/udp").count(), 1);
        assert!(agent.sample(SKIPPED, r#"reason="lost""#) == 0.0);
        assert!(agent.sample(SKIPPED, r#"reason="too_many""#) == 0.0);
    });
}

#[test]
fn a_line_as_json_has_fields() {
    inside("a_line_as_json_has_fields", || {
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("y/out", Some("a"), &["Egress"])]);
        let more = ["--admin", "off", "--log-format", "json", "--denied-log-group", "17"];
        let mut server = Server::of(node.command(&more), tempfile::tempdir().unwrap());
        server.wait_for_line("policies enforced");
        node.network.place(Y_A).within(|| {
            let socket = UdpSocket::bind(SocketAddr::new(ip(Y_A, Family::V4), 0)).unwrap();
            socket.send_to(b"?", SocketAddr::new(address(9).v4.into(), 53)).unwrap();
        });
        let line: Value =
            serde_json::from_str(&server.wait_for_line("denied by policies")).unwrap();
        let fields = ["message", "pod", "direction", "peer", "traffic", "policies"];
        let values = ["denied by policies", "y/a", "egress", "198.51.100.10", "53/udp", "y/out"];
        assert_eq!(fields.map(|field| line[field].as_str().unwrap()), values);
    });
}

/// Whoever has the group, and a log that nobody wants, change nothing of what is enforced.
#[test]
fn policies_are_enforced_without_a_log() {
    inside("policies_are_enforced_without_a_log", || {
        let mut node = Node::new(Layout::Routed);
        node.edit(&[deny("x/all", None, &["Ingress"])]);
        let mut other = netfilter::Log::open(9353, 64).unwrap();
        let mut agent = node.agent();
        agent.server.wait_for_line("choose another one with --denied-log-group");
        node.shows("the group is another's", &expect(&["deny */* -> x/*"]));
        assert!(matches!(other.wait().unwrap(), netfilter::LogEvent::Packet(_)));
        // It is taken when it is free.
        drop(other);
        let line = || {
            send(&node, Family::V4, 7000..7001);
            agent.server.log().contains("traffic=7000/udp")
        };
        until("a line", line, |is_there| *is_there);
        agent.server.signal("KILL");
        agent.server.wait();

        let mut agent = node.agent_with(&["--denied-log", "0"]);
        node.shows("no log", &expect(&["deny */* -> x/*"]));
        assert!(agent.sample(ALL, IN) > 0.0);
        assert!(
            !portolan_tests::namespace::run("/usr/sbin/nft", &["list", "ruleset"]).contains("log ")
        );
    });
}
