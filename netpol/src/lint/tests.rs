use cluster::{Oddity, Peer, PolicyPort, PortMatch, Protocol, Selector, TargetPort};

use super::*;
use crate::testing::{World, block, named, pods, pods_of, port, rule, tcp};

/// A web server that declares its port and has a Service, and a client.
fn world() -> World {
    World::new()
        .pod_with_ports("x/web", "10.0.0.1", "http:8080")
        .pod("y/client", "10.0.0.2", "app=client")
        .service("x/web", TargetPort::Number(8080), "10.0.0.1")
}

fn found(world: &World) -> Vec<String> {
    lint(world.cluster()).iter().map(ToString::to_string).collect()
}

fn udp_53() -> PolicyPort {
    port(Protocol::Udp, 53, 53)
}

#[test]
fn good_policies_are_not_blamed() {
    let world = world()
        .policy("x/deny", "", Some(vec![]), Some(vec![]))
        .ingress(
            "x/in",
            "",
            vec![rule([pods_of("ns=y", "app=client")], [tcp(8080), named("http")])],
        )
        .egress(
            "x/out",
            "",
            vec![rule([block("10.0.0.0/8", &["10.1.0.0/16"])], [tcp(443)]), rule([], [udp_53()])],
        );
    assert_eq!(found(&world), [""; 0]);
}

#[test]
fn each_mistake_is_named_with_its_field() {
    let namespaces = Peer::Pods { pods: None, namespaces: Some(Selector::parse("ns=y").unwrap()) };
    let nothing = PolicyPort { protocol: Protocol::Tcp, ports: PortMatch::Nothing };
    let spelling = Oddity::Spelling {
        field: "spec.egress[0].to[0].ipBlock.cidr".into(),
        written: "010.0.0.0/8".into(),
        network: "10.0.0.0/8".parse().unwrap(),
    };
    let ingress = |peers: Vec<Peer>, ports: Vec<PolicyPort>| {
        world().ingress("x/p", "", vec![rule(peers, ports)])
    };
    let cases = [
        (
            world().ingress("x/p", "app=wbe", vec![]),
            "spec.podSelector: `app in (wbe)` selects no pod of the",
        ),
        (
            world().ingress("empty/p", "", vec![]),
            "spec.podSelector: selects no pod: its namespace has none",
        ),
        (
            ingress(vec![namespaces, pods("")], vec![]),
            "spec.ingress[0].from[0]: two items of a list are",
        ),
        (
            ingress(vec![pods("app=client")], vec![]),
            "spec.ingress[0].from[0]: podSelector `app in (client)` selects no pod of namespace x",
        ),
        (
            ingress(vec![pods_of("ns=z", "")], vec![]),
            "spec.ingress[0].from[0]: namespaceSelector `ns in (z)` selects no",
        ),
        (
            ingress(vec![pods_of("ns=y", "app=x")], vec![]),
            "selects no pod of the selected namespaces",
        ),
        (ingress(vec![Peer::Nobody], vec![]), "spec.ingress[0].from[0]: cannot be read"),
        (
            ingress(vec![block("10.0.0.0/16", &["10.1.0.0/16"])], vec![]),
            "`except` 10.1.0.0/16 is not inside of 10.0.0.0/16",
        ),
        (
            ingress(vec![block("10.0.0.0/16", &["10.0.0.0/16"])], vec![]),
            "`except` 10.0.0.0/16 leaves nothing of",
        ),
        (
            ingress(vec![block("10.96.0.7/32", &[])], vec![]),
            "10.96.0.7 is the ClusterIP of Service x/web",
        ),
        (
            ingress(vec![block("10.96.0.0/12", &[])], vec![]),
            "10.96.0.0/12 has the ClusterIPs of 1 of the Services and no pod or node",
        ),
        (
            world().odd("x/p", Oddity::UnusedRules("egress")),
            "spec.policyTypes: leaves Egress out, so that the rules of spec.egress mean nothing",
        ),
        (
            world().odd("x/p", Oddity::ImpliedIngress),
            "spec.policyTypes: is not written, so that the policy isolates ingress, too",
        ),
        (
            world().odd("x/p", Oddity::EmptyEgress),
            "spec.policyTypes: is not written, and no egress rule means nothing then",
        ),
        (
            world().odd("x/p", spelling),
            "spec.egress[0].to[0].ipBlock.cidr: 010.0.0.0/8 means 10.0.0.0/8; write it so",
        ),
        (
            ingress(vec![], vec![tcp(80)]),
            "spec.ingress[0].ports[0]: 80 is the port of Service x/web; its pods listen on 8080",
        ),
        (
            ingress(vec![], vec![named("web")]),
            "spec.ingress[0].ports[0]: no selected pod declares a port named web",
        ),
        (ingress(vec![], vec![nothing]), "spec.ingress[0].ports[0]: cannot be read"),
        (
            world().egress("x/p", "", vec![rule([], [tcp(443)])]),
            "spec.egress: no policy lets pod x/web ask DNS",
        ),
    ];
    for (world, expected) in cases {
        let found = found(&world);
        assert!(matches!(&found[..], [only] if only.contains(expected)), "{expected}\n{found:#?}");
        assert!(found[0].starts_with("NetworkPolicy "), "{found:?}");
    }
}

#[test]
fn another_policy_may_allow_dns() {
    let world = world().egress("x/p", "", vec![rule([], [tcp(443)])]).egress(
        "x/dns",
        "",
        vec![rule([pods_of("ns=y", "")], [udp_53()])],
    );
    assert_eq!(found(&world), [""; 0]);
}
