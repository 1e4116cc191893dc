//! Pods as kubelet makes them and kube-proxy reaches them: without an address at first, ending for a while, in the host's
//! network, and behind Services.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use portolan_tests::namespace::{inside, run};
use portolan_tests::netpol_agent::{Agent, Node, deny, expect};
use portolan_tests::stage::Stage;
use serde_json::{Value, json};
use test_pods::network::{NODE, address, between_pods, beyond_pods, lines};
use test_pods::probe::{Family, Outcome, Probe};
use test_pods::wiring::Layout;
use test_pods::world::{Edit, NODE_NAME};

const COUNT: &str = "portolan_netpol_enforcement_seconds_count";

/// The place of the pod x/a, whose life is followed, and that of y/a.
const X_A: usize = 0;
const Y_A: usize = 3;

/// The pod x/a in some state.
fn pod(status: &Value, metadata: &Value, spec: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "x", "name": "a", "labels": {"pod": "a"}},
        "spec": {"nodeName": NODE_NAME, "containers": [{"name": "agnhost"}]},
        "status": status,
    });
    for (field, more) in [("metadata", metadata), ("spec", spec)] {
        pod[field].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    }
    pod
}

/// Writes an object, and waits until the kernel has been brought up to date.
fn put(agent: &mut Agent, stage: &Stage, object: Value) {
    let before = agent.metric(COUNT);
    stage.server().put(object).unwrap();
    agent.waits_for(COUNT, before + 1.0);
}

/// Probes every pair, of which those to x/a are denied in some families.
fn shows(node: &Node, what: &str, denied: &[Family]) {
    let expected = |probe: &Probe| match (probe.from, probe.to) {
        (X_A, X_A) => Outcome::Connected,
        (_, X_A) if denied.contains(&probe.family) => Outcome::Timeout,
        _ => Outcome::Connected,
    };
    let wrong = node.network.check(&between_pods(), expected);
    assert!(wrong.is_empty(), "{what}: {}", lines(&wrong));
}

/// A pod is isolated with each address as soon as the API says that it has it, until it has given it back.
#[test]
fn a_pod_is_isolated_from_its_address_to_its_end() {
    inside("a_pod_is_isolated_from_its_address_to_its_end", || {
        let (mut node, stage) = (Node::new(Layout::Routed), Stage::local());
        node.world.edit(&Edit::DeletePod("x/a".to_owned()));
        node.world.edit(&deny("x/a", Some("a"), &["Ingress"]));
        let mut agent = node.agent_of(&stage);
        let (v4, v6) = (address(X_A).v4, address(X_A).v6);
        let (none, running) = (json!({}), |status: Value| {
            let mut status = status;
            status["phase"] = json!("Running");
            status
        });
        put(
            &mut agent,
            &stage,
            pod(&json!({"phase": "Pending"}), &none, &json!({"nodeName": null})),
        );
        put(&mut agent, &stage, pod(&json!({"phase": "Pending"}), &none, &none));
        shows(&node, "no address is known", &[]);
        put(&mut agent, &stage, pod(&running(json!({"podIP": v4})), &none, &none));
        shows(&node, "one address", &[Family::V4]);
        let both = json!({"podIP": v4, "podIPs": [{"ip": v4}, {"ip": v6}]});
        put(&mut agent, &stage, pod(&running(both.clone()), &none, &none));
        shows(&node, "both addresses", &Family::ALL);
        // As kubelet does, something keeps the object until the containers have ended.
        let kept =
            json!({"finalizers": ["example.com/kept"], "labels": {"pod": "a", "kept": "yes"}});
        put(&mut agent, &stage, pod(&running(both.clone()), &kept, &none));
        let before = agent.metric(COUNT);
        stage.server().delete("Pod", "x", "a").unwrap();
        agent.waits_for(COUNT, before + 1.0);
        let there = stage.server().get("Pod", "x", "a").unwrap();
        assert!(there["metadata"]["deletionTimestamp"].is_string(), "{there}");
        shows(&node, "it ends", &Family::ALL);
        let mut ended = there;
        ended["status"]["phase"] = json!("Succeeded");
        put(&mut agent, &stage, ended);
        shows(&node, "it has ended", &[]);
        assert!(agent.metric("portolan_netpol_transaction_failures_total") == 0.0);
    });
}

/// Pods in the host's network are the node: policies do not select them, the node reaches its pods, and no peer means it.
#[test]
fn pods_of_the_hosts_network_are_the_node() {
    inside("pods_of_the_hosts_network_are_the_node", || {
        let (mut node, stage) = (Node::new(Layout::Bridged), Stage::local());
        let from_y = json!([{"from": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}]}]);
        let spec =
            json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": from_y});
        for name in ["x/policy", "z/policy"] {
            node.world.edit(&Edit::Policy { name: name.to_owned(), spec: spec.clone() });
        }
        let mut agent = node.agent_of(&stage);
        let host = address(NODE);
        let status = json!({
            "phase": "Running", "podIP": host.v4, "podIPs": [{"ip": host.v4}, {"ip": host.v6}],
        });
        for namespace in ["x", "y"] {
            let more = json!({"namespace": namespace, "name": "host"});
            put(&mut agent, &stage, pod(&status, &more, &json!({"hostNetwork": true})));
        }
        let statements = [
            "deny */* -> x/*",
            "deny */* -> z/*",
            "allow y/* -> */*",
            "deny x/* -> */*",
            "deny z/* -> */*",
        ];
        node.shows("between pods", &expect(&statements));
        // Pods of x and z may not send to the node, or to what is outside; the node may send to all.
        let is_isolated = |place: usize| (0..3).contains(&place) || (6..9).contains(&place);
        let expected = |probe: &Probe| match (probe.from, probe.to) {
            (NODE, _) => Outcome::Connected,
            (from, to) if is_isolated(from) || is_isolated(to) => Outcome::Timeout,
            _ => Outcome::Connected,
        };
        let wrong = node.network.check(&beyond_pods(), expected);
        assert!(wrong.is_empty(), "the node: {}", lines(&wrong));
    });
}

/// Rewrites what is sent to a Service to port 81 of y/a, as kube-proxy does, and what y/a sends to itself this way.
const SERVICE: &str = "table ip service {
    chain pre { type nat hook prerouting priority dstnat; ip daddr 10.96.0.10 tcp dport 8080 dnat to 10.244.0.34:81; }
    chain out { type nat hook output priority -100; ip daddr 10.96.0.10 tcp dport 8080 dnat to 10.244.0.34:81; }
    chain post { type nat hook postrouting priority srcnat; ip saddr 10.244.0.34 ip daddr 10.244.0.34 masquerade; }
}";

/// Says whether a place reaches the Service.
fn reaches(node: &Node, place: usize) -> bool {
    // Of those that are denied nothing comes; the others answer in microseconds, or when the machine gets to it.
    let patience = if [X_A, Y_A, NODE].contains(&place) { 10_000 } else { 500 };
    let to: SocketAddr = "10.96.0.10:8080".parse().unwrap();
    let connect = || TcpStream::connect_timeout(&to, Duration::from_millis(patience));
    node.network.place(place).within(connect).is_ok()
}

/// Policies see the pod behind a Service and its port, and a pod reaches itself through one.
fn a_service_is_reached_by_who_may_reach_its_pod(layout: Layout) {
    let mut node = Node::new(layout);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("service.nft");
    std::fs::write(&file, SERVICE).unwrap();
    run("/usr/sbin/nft", &["-f", &file.display().to_string()]);
    // A node has a route for what it rewrites itself, by default.
    run("ip", &["route", "add", "10.96.0.0/16", "dev", "outside"]);
    if layout == Layout::Bridged {
        // As the bridge plugin does with `hairpinMode`.
        run("ip", &["link", "set", &format!("pod{Y_A}"), "type", "bridge_slave", "hairpin", "on"]);
    }
    let mut agent = node.agent();
    let from_x_a = json!([{
        "from": [{"namespaceSelector": {"matchLabels": {"ns": "x"}}, "podSelector": {"matchLabels": {"pod": "a"}}}],
        "ports": [{"port": 81}],
    }]);
    let to_y = json!([{"to": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}], "ports": [{"port": 81}]}]);
    let edits = [
        Edit::Policy {
            name: "y/in".to_owned(),
            spec: json!({"podSelector": {"matchLabels": {"pod": "a"}}, "ingress": from_x_a}),
        },
        Edit::Policy {
            name: "x/out".to_owned(),
            spec: json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": to_y}),
        },
    ];
    agent.enforces(&mut node, &edits);
    for (place, expected) in [(X_A, true), (1, false), (4, false), (Y_A, true), (NODE, true)] {
        assert_eq!(reaches(&node, place), expected, "{layout:?}, from place {place}");
    }
}

#[test]
fn a_service_is_reached_by_who_may_reach_its_pod_with_routed_pods() {
    let name = "a_service_is_reached_by_who_may_reach_its_pod_with_routed_pods";
    inside(name, || a_service_is_reached_by_who_may_reach_its_pod(Layout::Routed));
}

#[test]
fn a_service_is_reached_by_who_may_reach_its_pod_with_bridged_pods() {
    let name = "a_service_is_reached_by_who_may_reach_its_pod_with_bridged_pods";
    inside(name, || a_service_is_reached_by_who_may_reach_its_pod(Layout::Bridged));
}
