use cluster::TargetPort;

use super::*;
use crate::Traffic;
use crate::testing::{World, block, flow, named, pods, pods_of, rule, tcp};

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";

fn text(world: &World, source: &str, destination: &str, traffic: Traffic) -> String {
    let cluster = world.cluster();
    explain(cluster, &Options::default(), &flow(cluster, source, destination, traffic)).to_string()
}

fn world() -> World {
    World::new().pod("x/a", A, "pod=a").pod_with_ports("y/b", B, "http:8080")
}

#[test]
fn what_passes_names_the_rule_and_the_peer() {
    let world = world().ingress("y/p", "", vec![rule([pods_of("ns=x", "")], [tcp(1), tcp(80)])]);
    assert_eq!(
        text(&world, A, B, Traffic::Tcp(80)),
        "80/tcp from pod x/a (10.0.0.1) to pod y/b (10.0.0.2) passes\n  \
         egress, on node n: passes, no policy is about the egress of the pod\n  \
         ingress, on node n: passes, allowed by y/p ingress[0].from[0] and ports[1]\n"
    );
    assert_eq!(
        text(&world, "192.0.2.1", B, Traffic::Tcp(80)),
        "80/tcp from node n (192.0.2.1) to pod y/b (10.0.0.2) passes\n  \
         egress: passes, policies say nothing about nodes\n  \
         ingress, on node n: passes, the node and its own pods\n"
    );
}

#[test]
fn what_is_denied_names_what_is_missing_the_nearest_first() {
    let world = world().ingress("y/deny", "", vec![]).ingress(
        "y/p",
        "",
        vec![
            rule([pods("tier=frontend"), pods_of("ns=y", "pod notin (a),tier")], [tcp(81)]),
            rule([pods_of("ns=x", "tier=frontend")], []),
        ],
    );
    assert_eq!(
        text(&world, A, B, Traffic::Tcp(80)),
        "80/tcp from pod x/a (10.0.0.1) to pod y/b (10.0.0.2) is denied\n  \
         egress, on node n: passes, no policy is about the egress of the pod\n  \
         ingress, on node n: denied, isolated by y/deny, y/p\n    \
         y/deny ingress\n      it has no rules, and so allows nothing\n    \
         y/p ingress[1]\n      from[0]: label tier=frontend is missing of pod x/a\n    \
         y/p ingress[0]\n      \
         from[0]: pod x/a is not in namespace y; without a namespaceSelector the policy's own is meant; \
         label tier=frontend is missing of pod x/a\n      \
         from[1]: label ns of namespace x is \"x\", not y; label pod of pod x/a is \"a\", which is excluded; \
         label tier is missing of pod x/a\n      \
         ports[0]: 80/tcp is not 81/tcp\n"
    );
}

#[test]
fn each_kind_of_port_and_block_says_what_it_is() {
    let world = world().egress(
        "x/p",
        "",
        vec![
            rule([block("10.0.0.0/8", &["10.0.0.0/24"]), block("192.0.2.0/24", &[])], []),
            rule([], [named("http"), named("web")]),
        ],
    );
    let said = text(&world, A, B, Traffic::Tcp(80));
    for part in [
        "to[0]: 10.0.0.2 is in `except` 10.0.0.0/24",
        "to[1]: 10.0.0.2 is not in 192.0.2.0/24",
        "ports[0]: 80/tcp is not http, which is 8080/tcp of pod y/b",
        "ports[1]: pod y/b declares no port of tcp named web",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let ping = text(&world, A, "203.0.113.1", Traffic::Icmp(8));
    assert!(
        ping.contains("ports[0]: icmp type 8 has no port; only a rule without ports allows it"),
        "{ping}"
    );
    let outside = text(&world, A, "203.0.113.1", Traffic::Tcp(80));
    assert!(
        outside.contains("203.0.113.1 is not the address of a pod, and has no port named http"),
        "{outside}"
    );
    assert!(outside.contains("ingress: passes, the address is not that of a pod"), "{outside}");
}

#[test]
fn services_are_named_where_people_mean_them() {
    let world = world().service("y/web", TargetPort::Name("http".into()), B).ingress(
        "y/p",
        "",
        vec![rule([], [tcp(8080)])],
    );
    let said = text(&world, A, B, Traffic::Tcp(80));
    let note = "  note: 80 is the port of Service y/web; the pod listens on 8080, which is what policies see\n";
    assert!(said.ends_with(note), "{said}");
    assert!(!text(&world, A, B, Traffic::Tcp(8080)).contains("note:"));
    let said = text(&world, A, "10.96.0.7", Traffic::Tcp(80));
    assert!(
        said.contains("note: 10.96.0.7 is the ClusterIP of Service y/web; policies see"),
        "{said}"
    );
}

#[test]
fn the_dns_server_of_the_node_is_told_from_a_service() {
    let cluster_ip = "10.96.0.7";
    let world = world().service("y/dns", TargetPort::Number(53), B).egress("x/deny", "", vec![]);
    let (cluster, dns) = (world.cluster(), Traffic::Udp(53));
    let said = text(&world, A, "169.254.20.10", dns);
    assert!(said.contains("egress, on node n: passes, the DNS server of the node\n"), "{said}");
    let said = text(&world, A, cluster_ip, dns);
    assert!(said.contains("is denied\n"), "{said}");
    assert!(
        said.contains("where a cache of the node has it, say so by --node-local-dns"),
        "{said}"
    );
    let addresses = vec![cluster_ip.parse().unwrap()];
    let options = Options { node_local_dns: addresses, ..Options::default() };
    let flow = crate::testing::flow_with(cluster, &options, A, cluster_ip, dns);
    let said = explain(cluster, &options, &flow).to_string();
    assert!(said.contains("egress, on node n: passes, the DNS server of the node\n"), "{said}");
    assert!(!said.contains("note:"), "{said}");
}

#[test]
fn a_link_local_address_says_where_it_is_closed() {
    let local = |world: &World| text(world, "fe80::1", "fe80::2", Traffic::Tcp(80));
    let said = local(&world());
    assert!(
        said.contains("passes, the address is link-local, and no policy isolates a pod"),
        "{said}"
    );
    let said = local(&world().egress("x/deny", "", vec![]));
    let closed = "ingress: denied on nodes that isolate a pod (n), for nobody tells whose";
    assert!(said.contains(closed), "{said}");
}
