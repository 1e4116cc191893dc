//! Rulesets of documented examples as text, and objects that mean harm.

use cluster::{Labels, Namespace, Object, ObjectKey, Protocol};

use super::*;
use crate::testing::{World, block, labels, named, pods, pods_of, port, rule, tcp};
use crate::{LogOptions, Traffic};

/// Compares with a file of `golden`; `PORTOLAN_GOLDEN=write` writes it.
fn assert_golden(name: &str, compiled: &Compiled) {
    let path = format!("{}/golden/{name}.nft", env!("CARGO_MANIFEST_DIR"));
    let text = compiled.ruleset.to_string();
    if std::env::var("PORTOLAN_GOLDEN").is_ok_and(|what| what == "write") {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (number, (line, expected)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(line, expected, "line {} of {path}", number + 1);
    }
    assert_eq!(text, golden, "{path}");
}

fn compiled(world: &World) -> Compiled {
    compile(world.cluster(), "n", &Options::default())
}

#[test]
fn a_cluster_without_policies_has_empty_maps() {
    assert_golden("none", &compiled(&World::new().pod("x/a", "10.0.0.1 fd00::1", "")));
}

/// The example of the Kubernetes documentation: a database that takes connections from its clients and two kinds of
/// others, and may send to one network.
#[test]
fn the_example_of_the_documentation() {
    let world = World::new()
        .namespace("default", "")
        .namespace("friends", "project=myproject")
        .pod("default/db", "10.0.0.1 fd00::1", "role=db")
        .pod("default/frontend", "10.0.0.2 fd00::2", "role=frontend")
        .pod("friends/other", "10.0.1.3", "")
        .policy(
            "default/test-network-policy",
            "role=db",
            Some(vec![rule(
                [
                    block("172.17.0.0/16", &["172.17.1.0/24"]),
                    pods_of("project=myproject", ""),
                    pods("role=frontend"),
                ],
                [tcp(6379)],
            )]),
            Some(vec![rule([block("10.0.0.0/24", &[])], [tcp(5978)])]),
        );
    assert_golden("documentation", &compiled(&world));
}

/// Everything that a rule can become: names of ports, ranges, several protocols, logging, an audited namespace.
#[test]
fn every_form_of_a_rule() {
    let sctp = port(Protocol::Sctp, 0, u16::MAX);
    let ranges = [tcp(80), port(Protocol::Tcp, 8000, 8080), port(Protocol::Tcp, 8081, 9000)];
    let audited = Namespace { name: "y".into(), labels: labels("ns=y"), audit: true };
    let world = World::new()
        .with(Object::Namespace(Arc::new(audited)))
        .pod_with_ports("x/web", "10.0.0.1", "http:8080")
        .pod_with_ports("y/api", "10.0.0.2", "http:80 http:81")
        .ingress("x/in", "", vec![rule([pods("")], ranges), rule([], [named("http"), sctp])])
        .egress("x/out", "", vec![rule([pods_of("ns=y", "")], [named("http")])])
        .ingress("y/closed", "", vec![]);
    let log = Some(LogOptions { group: 100, per_second: 10 });
    let compiled = compile(world.cluster(), "n", &Options { log, ..Options::default() });
    assert_golden("forms", &compiled);
    let modes: Vec<_> =
        compiled.profiles.values().map(|it| (it.policies[0].to_string(), it.mode)).collect();
    assert!(modes.contains(&("y/closed".into(), Mode::Audit)), "{modes:?}");
    assert!(modes.contains(&("x/in".into(), Mode::Enforce)), "{modes:?}");
}

#[test]
fn pods_with_equal_rules_share_a_profile_and_a_replica_is_one_element() {
    let world = |replicas: u8| {
        let world = World::new().ingress("x/in", "", vec![rule([pods("app=web")], [tcp(80)])]);
        (0..replicas)
            .fold(world, |world, n| world.pod(&format!("x/p{n}"), &format!("10.0.0.{n}"), "app=db"))
    };
    let (few, many) = (compiled(&world(3)).ruleset, compiled(&world(4)).ruleset);
    assert_eq!(few.chains, many.chains);
    assert_eq!(few.chains.len(), 3, "forward, input, one profile");
    assert_eq!(many.maps["ingress4"].elements.len(), 4);
    let changed = few.sets.iter().filter(|(name, set)| many.sets.get(*name) != Some(*set)).count();
    assert_eq!(changed, 1, "self4 alone: the selected pods are others");
}

/// kube-router gives both policies one chain.
#[test]
fn namespaces_and_names_do_not_run_into_each_other() {
    let world = World::new()
        .pod("team/a", "10.0.0.1", "")
        .pod("team1/a", "10.0.0.2", "")
        .ingress("team/1allow", "", vec![])
        .ingress("team1/allow", "", vec![]);
    let profiles = compiled(&world).profiles;
    assert_eq!(profiles.len(), 2);
    let policies: Vec<_> = profiles.values().flat_map(|profile| profile.policies.clone()).collect();
    assert!(
        policies.contains(&ObjectKey::new("team", "1allow"))
            && policies.contains(&ObjectKey::new("team1", "allow"))
    );
}

#[test]
fn hostile_objects_harm_nobody() {
    let long = format!("{}.x", "n".repeat(251));
    let label: Labels = [("k\"$\\\n{}", "v;#\u{1f600}")].into_iter().collect();
    let selector: Vec<_> = label
        .iter()
        .map(|(key, value)| cluster::Requirement {
            key: key.into(),
            operator: cluster::Operator::In,
            values: vec![value.into()],
        })
        .collect();
    let strange =
        cluster::Peer::Pods { pods: Some(cluster::Selector::new(selector)), namespaces: None };
    let many: Vec<_> = (1..=10_000u16).map(|n| tcp(n * 6)).collect();
    let overlapping = (0..=32u8).map(|prefix| block(&format!("0.0.0.0/{prefix}"), &["0.0.0.0/1"]));
    let world = World::new()
        .pod("x/victim", "10.0.0.1", "")
        .changed_pod("x/odd", "10.0.0.2", "", |pod| pod.labels = label)
        .ingress(&format!("x/{long}"), "", vec![rule([strange], many)])
        .ingress(
            "x/a\"b$c",
            "",
            vec![rule(overlapping, []), rule([block("10.0.0.0/8", &["10.0.0.0/8"])], [])],
        );
    assert!(world.passes("10.0.0.2", "10.0.0.1", Traffic::Tcp(60_000)));
    assert!(!world.passes("10.0.0.2", "10.0.0.1", Traffic::Tcp(60_001)));
    assert!(world.passes("128.0.0.1", "10.0.0.1", Traffic::Tcp(1)), "0.0.0.0/0 but its lower half");
    assert!(!world.passes("10.0.0.9", "10.0.0.1", Traffic::Tcp(1)));
    let ruleset = compiled(&world).ruleset;
    let names = ruleset.chains.keys().chain(ruleset.sets.keys()).chain(ruleset.maps.keys());
    for name in names {
        assert!(name.as_str().len() <= 60, "{name}");
    }
}

#[test]
fn only_pods_of_the_node_are_dispatched() {
    let world = World::new()
        .pod("x/here", "10.0.0.1", "")
        .changed_pod("x/there", "10.0.0.2", "", |pod| pod.node_name = Some("m".into()))
        .changed_pod("x/nowhere", "10.0.0.3", "", |pod| pod.node_name = None)
        .ingress("x/in", "", vec![rule([pods("")], [])]);
    let ruleset = compiled(&world).ruleset;
    assert_eq!(ruleset.maps["ingress4"].elements.len(), 1);
    let peers =
        ruleset.sets.iter().find(|(name, _)| name.as_str().starts_with("pods4_")).unwrap().1;
    assert_eq!(peers.elements.len(), 3, "peers are those of all nodes");
}

#[test]
fn without_enforcement_towards_the_node_there_is_no_input_chain() {
    let allow = Options { pod_to_own_node: crate::PodToOwnNode::Allow, ..Options::default() };
    let ruleset = compile(World::new().cluster(), "n", &allow).ruleset;
    assert!(!ruleset.chains.contains_key("input") && !ruleset.sets.contains_key("dns4"));
}
