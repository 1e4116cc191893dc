//! The corners of the specification, one by one. Each question is also asked of the compiled ruleset.

use cluster::{Namespace, Object, Peer, PortMatch, Protocol};

use super::*;
use crate::Traffic;
use crate::testing::{World, block, flow, labels, named, pods, pods_of, port, rule, tcp};

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";
const C: &str = "10.0.1.3";
const HTTP: Traffic = Traffic::Tcp(80);

/// Pods a and b in x, c in y.
fn world() -> World {
    World::new().pod("x/a", A, "pod=a").pod("x/b", B, "pod=b").pod("y/c", C, "pod=c")
}

#[test]
fn a_pod_is_isolated_in_the_directions_that_policies_are_about() {
    assert!(world().passes(A, B, HTTP) && world().passes(C, A, HTTP));
    let ingress = world().ingress("x/deny", "pod=a", vec![]);
    assert!(
        !ingress.passes(B, A, HTTP)
            && !ingress.passes(C, A, HTTP)
            && !ingress.passes("203.0.113.1", A, HTTP)
    );
    assert!(ingress.passes(A, B, HTTP) && ingress.passes(C, B, HTTP), "neither egress nor others");
    let egress = world().egress("x/deny", "pod=a", vec![]);
    assert!(!egress.passes(A, B, HTTP) && !egress.passes(A, "203.0.113.1", HTTP));
    assert!(egress.passes(B, A, HTTP) && egress.passes(C, A, HTTP));
}

#[test]
fn what_any_policy_allows_is_allowed() {
    let world = world()
        .ingress("x/deny", "", vec![])
        .ingress("x/from-b", "pod=a", vec![rule([pods("pod=b")], [])])
        .ingress("x/http", "", vec![rule([pods_of("ns=y", "")], [tcp(80)])]);
    assert!(
        world.passes(B, A, Traffic::Udp(7)) && world.passes(C, A, HTTP) && world.passes(C, B, HTTP)
    );
    assert!(!world.passes(C, A, Traffic::Tcp(81)) && !world.passes(A, B, HTTP));
}

#[test]
fn both_ends_have_to_agree() {
    let world = world().egress("x/out", "pod=a", vec![rule([pods("pod=b")], [])]).ingress(
        "x/in",
        "pod=b",
        vec![rule([pods("pod=c")], [])],
    );
    assert!(!world.passes(A, B, HTTP), "the ingress of b");
    let flow = flow(world.cluster(), A, B, HTTP);
    let found = verdict(world.cluster(), &Options::default(), &flow);
    let grant = Grant { policy: ObjectKey::new("x", "out"), rule: 0, peer: Some(0), port: None };
    assert_eq!(found.egress.decision, Decision::Allowed(grant));
    assert_eq!(found.ingress.decision, Decision::Denied(vec![ObjectKey::new("x", "in")]));
}

#[test]
fn selectors_are_those_of_kubernetes() {
    // (selector, whether a pod without the label, with an empty one and with app=a is selected)
    let cases = [
        ("", [true, true, true]),
        ("app=", [false, true, false]),
        ("app in (a)", [false, false, true]),
        ("app notin (a)", [true, true, false]),
        ("app", [false, true, true]),
        ("!app", [true, false, false]),
        ("app,app notin (a)", [false, true, false]),
    ];
    for (selector, selected) in cases {
        let world = World::new()
            .pod("x/server", C, "server=")
            .pod("x/none", "10.0.0.1", "")
            .pod("x/empty", "10.0.0.2", "app=")
            .pod("x/a", "10.0.0.3", "app=a")
            .ingress("x/p", "server", vec![rule([pods(selector)], [])]);
        let found = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|ip| world.passes(ip, C, HTTP));
        assert_eq!(found, selected, "{selector:?}");
    }
}

#[test]
fn peers_are_and_inside_and_or_between() {
    let from = |peers: Vec<Peer>| world().ingress("x/p", "pod=a", vec![rule(peers, [])]);
    let own = from(vec![pods("")]);
    assert!(own.passes(B, A, HTTP) && !own.passes(C, A, HTTP), "of the own namespace");
    let all = from(vec![pods_of("", "")]);
    assert!(
        all.passes(B, A, HTTP) && all.passes(C, A, HTTP) && !all.passes("203.0.113.1", A, HTTP)
    );
    let both = from(vec![pods_of("ns=y", "pod=b")]);
    assert!(!both.passes(B, A, HTTP) && !both.passes(C, A, HTTP));
    let either = from(vec![pods_of("ns=y", ""), pods("pod=b")]);
    assert!(either.passes(B, A, HTTP) && either.passes(C, A, HTTP));
    assert!(from(vec![]).passes("203.0.113.1", A, HTTP), "anyone");
    let namespaces = Peer::Pods { pods: None, namespaces: Some(Default::default()) };
    assert!(from(vec![namespaces]).passes(C, A, HTTP));
}

#[test]
fn what_cannot_be_read_opens_nothing() {
    let nothing = cluster::PolicyPort { protocol: Protocol::Tcp, ports: PortMatch::Nothing };
    let world = world().ingress(
        "x/p",
        "pod=a",
        vec![
            rule([Peer::Nobody], []),
            rule([], [nothing]),
            rule([Peer::Nobody, pods("pod=b")], [tcp(80)]),
        ],
    );
    assert!(world.passes(B, A, HTTP), "what can be read stays");
    assert!(!world.passes(C, A, HTTP) && !world.passes(B, A, Traffic::Tcp(81)));
}

#[test]
fn pods_of_a_namespace_that_is_not_known_are_selected_by_none() {
    let world = World::new()
        .pod("x/a", A, "")
        .pod("lost/l", "10.0.0.9", "")
        .ingress("x/p", "", vec![rule([pods_of("", "")], [])])
        .ingress("lost/p", "", vec![rule([pods("")], [])]);
    assert!(!world.passes("10.0.0.9", A, HTTP));
    assert!(!world.passes(A, "10.0.0.9", HTTP), "its own policies hold all the same");
}

#[test]
fn blocks_are_a_union_of_networks_without_their_own_exceptions() {
    let world = World::new().pod("x/a", A, "").egress(
        "x/p",
        "",
        vec![rule(
            [block("10.0.0.0/8", &["10.1.0.0/16", "10.2.0.0/16"]), block("10.1.0.0/24", &[])],
            [],
        )],
    );
    for (address, passes) in [
        ("10.0.255.255", true),
        ("10.1.0.0", true),
        ("10.1.0.255", true),
        ("10.1.1.0", false),
        ("10.2.0.1", false),
        ("10.3.0.0", true),
        ("11.0.0.0", false),
    ] {
        assert_eq!(world.passes(A, address, HTTP), passes, "{address}");
    }
}

#[test]
fn blocks_are_plain_addresses_also_of_pods_and_of_every_size() {
    let to = |cidr, except: &[&str]| {
        world().egress("x/p", "pod=a", vec![rule([block(cidr, except)], [])])
    };
    assert!(
        to("10.0.0.2/32", &[]).passes(A, B, HTTP) && !to("10.0.0.2/32", &[]).passes(A, C, HTTP)
    );
    let all = to("0.0.0.0/0", &[]);
    assert!(all.passes(A, "255.255.255.255", HTTP) && all.passes(A, "0.0.0.0", HTTP));
    let upper = to("128.0.0.0/1", &["255.255.255.255/32"]);
    assert!(upper.passes(A, "255.255.255.254", HTTP) && !upper.passes(A, "255.255.255.255", HTTP));
    let dual = World::new().pod("x/a", "10.0.0.1 fd00::1", "").egress(
        "x/p",
        "",
        vec![rule([block("0.0.0.0/0", &[])], [])],
    );
    assert!(dual.passes(A, "1.1.1.1", HTTP) && !dual.passes("fd00::1", "2001:db8::1", HTTP));
}

#[test]
fn ports_are_those_of_their_protocol() {
    let any = |protocol| cluster::PolicyPort { protocol, ports: PortMatch::Any };
    let on = |ports: Vec<_>| world().ingress("x/p", "pod=a", vec![rule([], ports)]);
    let all = on(vec![]);
    for traffic in [HTTP, Traffic::Udp(1), Traffic::Sctp(1), Traffic::Icmp(8), Traffic::Other(47)] {
        assert!(all.passes(B, A, traffic), "{traffic}");
    }
    let tcp_only = on(vec![any(Protocol::Tcp)]);
    assert!(tcp_only.passes(B, A, Traffic::Tcp(0)) && tcp_only.passes(B, A, Traffic::Tcp(65535)));
    for traffic in [Traffic::Udp(80), Traffic::Sctp(80), Traffic::Icmp(8), Traffic::Other(47)] {
        assert!(!tcp_only.passes(B, A, traffic), "{traffic}");
    }
    let sctp = on(vec![port(Protocol::Sctp, 80, 80)]);
    assert!(
        sctp.passes(B, A, Traffic::Sctp(80)) && !sctp.passes(B, A, HTTP),
        "isolated for TCP, too"
    );
    let range = on(vec![port(Protocol::Tcp, 80, 82), port(Protocol::Tcp, 82, 90), tcp(65535)]);
    let found: Vec<u16> = [79, 80, 81, 90, 91, 65534, 65535]
        .into_iter()
        .filter(|p| range.passes(B, A, Traffic::Tcp(*p)))
        .collect();
    assert_eq!(found, [80, 81, 90, 65535]);
}

#[test]
fn names_of_ports_are_those_of_the_destination() {
    let world = World::new()
        .pod("x/a", A, "")
        .pod_with_ports("x/one", "10.0.0.5", "http:80")
        .pod_with_ports("y/two", "10.0.0.6", "http:8080 http:8081 other:80")
        .egress("x/out", "", vec![rule([], [named("http")])])
        .ingress("y/in", "", vec![rule([block("10.0.0.0/8", &[])], [named("http")])]);
    assert!(world.passes(A, "10.0.0.5", HTTP), "without peers, pods of every namespace");
    assert!(
        !world.passes(A, "10.0.0.5", Traffic::Tcp(8080))
            && !world.passes(A, "10.0.0.5", Traffic::Udp(80))
    );
    assert!(
        world.passes(A, "10.0.0.6", Traffic::Tcp(8080))
            && world.passes(A, "10.0.0.6", Traffic::Tcp(8081))
    );
    assert!(!world.passes(A, "10.0.0.6", HTTP));
    assert!(!world.passes(A, "203.0.113.1", HTTP), "what is no pod has no names");
}

#[test]
fn pods_in_the_network_of_a_node_are_no_pods_to_policies() {
    let world = world()
        .changed_pod("x/host", "192.0.2.1 192.0.2.7", "pod=host", |pod| pod.host_network = true)
        .ingress("x/in", "", vec![rule([pods("")], [])])
        .egress("x/out", "pod=b", vec![rule([block("192.0.2.0/24", &[])], [])]);
    assert!(!world.passes("192.0.2.7", A, HTTP), "selected by none");
    assert!(world.passes(C, "192.0.2.7", HTTP), "isolated by none");
    assert!(world.passes(B, "192.0.2.7", HTTP), "but an address");
}

#[test]
fn the_own_node_may_always_come_in_and_is_gone_to_by_choice() {
    let deny = || world().policy("x/deny", "", Some(vec![]), Some(vec![]));
    assert!(deny().passes("192.0.2.1", A, HTTP));
    let other = deny().node("m", "192.0.2.2");
    assert!(!other.passes("192.0.2.2", A, HTTP), "another node is an address");
    assert!(!deny().passes(A, "192.0.2.1", HTTP));
    let allow = Options { pod_to_own_node: PodToOwnNode::Allow, ..Options::default() };
    assert!(deny().passes_with(&allow, A, "192.0.2.1", HTTP));
    assert!(!other.passes_with(&allow, A, "192.0.2.2", HTTP));
}

#[test]
fn the_dns_server_of_the_node_can_be_asked() {
    let world = world().node("n", "169.254.20.10").egress("x/deny", "", vec![]);
    assert!(world.passes(A, "169.254.20.10", Traffic::Udp(53)));
    assert!(world.passes(A, "169.254.20.10", Traffic::Tcp(53)));
    assert!(!world.passes(A, "169.254.20.10", Traffic::Sctp(53)));
    assert!(!world.passes(A, "169.254.20.10", Traffic::Tcp(9253)));
    let none = Options { node_local_dns: vec![], ..Options::default() };
    assert!(!world.passes_with(&none, A, "169.254.20.10", Traffic::Udp(53)));
}

#[test]
fn a_pod_reaches_itself_and_neighbours_are_found() {
    let world = World::new().pod("x/a", "10.0.0.1 fd00::1", "").policy(
        "x/deny",
        "",
        Some(vec![]),
        Some(vec![]),
    );
    assert!(world.passes(A, A, HTTP) && world.passes("fd00::1", "fd00::1", HTTP));
    assert!(world.passes("fd00::1", "fd00::2", Traffic::Icmp(135)));
    assert!(!world.passes("fd00::1", "fd00::2", Traffic::Icmp(128)));
    assert!(!world.passes("fd00::1", "::", Traffic::Icmp(133)), "nobody's address");
    assert!(!world.passes(A, B, Traffic::Icmp(135)), "a number of ICMPv6");
    assert!(!world.passes(A, B, Traffic::Other(58)), "ICMPv6 in IPv4 is no way around");
}

/// Between pods of a bridge, whose each link-local address is nobody tells: where a pod is isolated, none passes.
#[test]
fn link_local_addresses_are_closed_where_a_pod_is_isolated() {
    const LOCAL: [&str; 2] = ["fe80::1", "febf::2"];
    // An isolated pod without an address of IPv6 has a link-local one, too.
    let closed = || world().ingress("x/deny", "pod=a", vec![]);
    let audited = Namespace { name: "x".into(), labels: labels("ns=x"), audit: true };
    let open = [
        world(),
        world().ingress("x/nobody", "pod=z", vec![]),
        closed().with(Object::Namespace(Arc::new(audited))),
        World::new().changed_pod("x/a", A, "pod=a", |pod| pod.node_name = None).ingress(
            "x/deny",
            "pod=a",
            vec![],
        ),
    ];
    let both = |world: &World, source, destination| {
        [HTTP, Traffic::Icmp(128)].map(|traffic| world.passes(source, destination, traffic))
    };
    for (source, destination) in
        [(LOCAL[0], LOCAL[1]), (LOCAL[0], LOCAL[0]), (LOCAL[0], "fd00::9"), ("fd00::9", LOCAL[1])]
    {
        assert_eq!(both(&closed(), source, destination), [false; 2], "{source} {destination}");
        for world in &open {
            assert_eq!(both(world, source, destination), [true; 2], "{source} {destination}");
        }
    }
    assert!(closed().passes(LOCAL[0], LOCAL[1], Traffic::Icmp(135)), "neighbours are found");
    assert!(closed().passes(LOCAL[0], "ff02::fb", Traffic::Udp(5353)), "what all are told");
    assert!(closed().passes("fec0::1", "fd00::9", HTTP), "behind the last one");

    let flow = flow(closed().cluster(), LOCAL[0], LOCAL[1], HTTP);
    let found = verdict(closed().cluster(), &Options::default(), &flow);
    assert_eq!((found.passes(), found.passes_on("n"), found.passes_on("m")), (false, false, true));
}

#[test]
fn the_dns_server_of_the_node_is_at_the_addresses_that_are_named() {
    let world = || {
        let port = cluster::TargetPort::Number(53);
        world().service("y/dns", port, C).egress("x/deny", "pod=a", vec![])
    };
    let cluster_ip = "10.96.0.7";
    let both = Options {
        node_local_dns: vec!["169.254.20.10".parse().unwrap(), cluster_ip.parse().unwrap()],
        ..Options::default()
    };
    let (dns, usual) = (Traffic::Udp(53), Options::default());
    for (options, address, traffic, path) in [
        (&usual, "169.254.20.10", dns, Path::ToNode),
        (&usual, "169.254.20.10", HTTP, Path::ToNode),
        (&usual, cluster_ip, dns, Path::Forwarded),
        (&both, cluster_ip, dns, Path::ToNode),
        // Of a ClusterIP, the cache has but this port.
        (&both, cluster_ip, HTTP, Path::Forwarded),
    ] {
        let world = world();
        let flow = crate::testing::flow_with(world.cluster(), options, A, address, traffic);
        assert_eq!(flow.path, path, "{address} {traffic}");
        let is_exempt = path == Path::ToNode && traffic == dns;
        assert_eq!(world.passes_with(options, A, address, traffic), is_exempt, "{address}");
    }
}

#[test]
fn an_address_is_that_of_the_pod_that_lives() {
    let from_b = |world: World| world.ingress("x/p", "pod=a", vec![rule([pods("pod=b")], [])]);
    let base = || World::new().pod("x/a", A, "pod=a");
    let terminating = base().changed_pod("x/b", B, "pod=b", |pod| pod.terminating = true);
    assert!(from_b(terminating).passes(B, A, HTTP), "counts until it is gone");
    for phase in [Phase::Succeeded, Phase::Failed] {
        let ended = base().changed_pod("x/b", B, "pod=b", |pod| pod.phase = phase);
        assert!(!from_b(ended).passes(B, A, HTTP), "{phase:?}");
    }
    let both = |change: fn(&mut Pod, &mut Pod)| {
        let (mut old, mut new) = (None, None);
        let world = base()
            .changed_pod("x/b", B, "pod=b", |pod| old = Some(pod.clone()))
            .changed_pod("x/other", B, "pod=other", |pod| new = Some(pod.clone()));
        let (mut old, mut new) = (old.unwrap(), new.unwrap());
        change(&mut old, &mut new);
        let world = world.with(Object::Pod(Arc::new(old))).with(Object::Pod(Arc::new(new)));
        from_b(world).passes(B, A, HTTP)
    };
    assert!(!both(|old, new| (old.started, new.started) = (1, 2)), "the later one has it");
    assert!(both(|old, new| (old.started, new.started) = (2, 1)));
    assert!(both(|_, new| (new.terminating, new.started) = (true, 9)), "the one that stays");
}

#[test]
fn families_are_apart_and_isolation_is_of_both() {
    let world = World::new()
        .pod("x/a", "10.0.0.1 fd00::1", "pod=a")
        .pod("x/b", "10.0.0.2 fd00::2", "pod=b")
        .ingress("x/p", "pod=a", vec![rule([pods("pod=b")], [tcp(80)])]);
    for (source, destination) in [("10.0.0.2", "10.0.0.1"), ("fd00::2", "fd00::1")] {
        assert!(world.passes(source, destination, HTTP));
        assert!(!world.passes(source, destination, Traffic::Tcp(81)));
    }
    assert!(!world.passes("fd00::9", "fd00::1", HTTP));
}

#[test]
fn an_audited_namespace_lets_through_what_it_tells() {
    let audited = Namespace { name: "x".into(), labels: labels("ns=x"), audit: true };
    let world = world().ingress("x/deny", "", vec![]).with(Object::Namespace(Arc::new(audited)));
    assert!(world.passes(B, A, HTTP));
    let flow = flow(world.cluster(), B, A, HTTP);
    let decision = verdict(world.cluster(), &Options::default(), &flow).ingress.decision;
    assert_eq!(decision, Decision::Audited(vec![ObjectKey::new("x", "deny")]));
}

#[test]
fn each_node_decides_about_its_own_pods() {
    let world = World::new()
        .pod("x/a", A, "pod=a")
        .changed_pod("x/b", B, "pod=b", |pod| pod.node_name = Some("m".into()))
        .egress("x/deny", "pod=a", vec![]);
    let flow = flow(world.cluster(), A, B, HTTP);
    let verdict = verdict(world.cluster(), &Options::default(), &flow);
    assert_eq!(
        (verdict.passes(), verdict.passes_on("n"), verdict.passes_on("m")),
        (false, false, true)
    );
}
