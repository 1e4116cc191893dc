//! Random clusters, policies and flows over a small alphabet, so that what is selected and what is there meet often:
//! absent and empty labels, addresses that two pods have, overlapping blocks, ports at the ends of the numbers.

#![expect(clippy::unwrap_used, reason = "the alphabet is written here, and can be read")]
#![allow(dead_code, reason = "each test has its part of it")]

use std::net::IpAddr;
use std::sync::Arc;

use cluster::{
    Cluster, ContainerPort, Event, IpBlock, Kind, Labels, Namespace, NetworkPolicy, Node, Object,
    ObjectKey, Operator, Peer, Phase, Pod, PolicyDirection, PolicyPort, PolicyRule, PortMatch,
    Protocol, Requirement, Selector, Store,
};
use portolan_netpol::{Flow, LogOptions, Options, Path, PodToOwnNode, Traffic};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// The nodes of every cluster.
pub(crate) const NODES: [&str; 2] = ["n1", "n2"];
const NAMESPACES: [&str; 3] = ["a", "b", "c"];
const NAMES: [&str; 4] = ["p", "q", "r", "s"];
const KEYS: [&str; 2] = ["app", "tier"];
const VALUES: [&str; 3] = ["", "x", "y"];
const PORT_NAMES: [&str; 2] = ["http", "dns"];
const PORTS: [u16; 6] = [0, 1, 53, 80, 81, 65535];
const V4: [&str; 8] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.0.4",
    "192.0.2.1",
    "192.0.2.2",
    "169.254.20.10",
    "255.255.255.255",
];
const V6: [&str; 9] = [
    "fd00::1",
    "fd00::2",
    "fd00::3",
    "2001:db8::1",
    "2001:db8::2",
    "::",
    "fe80::1",
    "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "ff02::fb",
];
/// How many of the first ones are of pods.
const POD_V4: usize = 4;
const POD_V6: usize = 3;
const BLOCKS: [&str; 14] = [
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "10.0.0.0/8",
    "10.0.0.0/30",
    "10.0.0.2/31",
    "10.0.0.2/32",
    "192.0.2.0/24",
    "255.255.255.255/32",
    "::/0",
    "8000::/1",
    "fd00::/126",
    "fd00::2/128",
    "2001:db8::/32",
];

fn protocol() -> impl Strategy<Value = Protocol> {
    select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp])
}

fn labels() -> impl Strategy<Value = Labels> {
    vec((select(&KEYS[..]), select(&VALUES[..])), 0..3)
        .prop_map(|labels| labels.into_iter().collect())
}

fn selector() -> impl Strategy<Value = Selector> {
    let operator =
        select(vec![Operator::In, Operator::NotIn, Operator::Exists, Operator::DoesNotExist]);
    let requirement = (select(&KEYS[..]), operator, vec(select(&VALUES[..]), 1..3)).prop_map(
        |(key, operator, values)| {
            let has_values = matches!(operator, Operator::In | Operator::NotIn);
            let values = values.into_iter().filter(|_| has_values).map(Into::into).collect();
            Requirement { key: key.into(), operator, values }
        },
    );
    vec(requirement, 0..3).prop_map(Selector::new)
}

/// The address of a pod, which several may have.
fn address() -> impl Strategy<Value = IpAddr> {
    let parsed = |text: &str| text.parse::<IpAddr>().unwrap();
    prop_oneof![3 => select(&V4[..POD_V4]).prop_map(parsed), 2 => select(&V6[..POD_V6]).prop_map(parsed)]
}

/// Both addresses of a flow: mostly of pods.
fn pair() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    let parsed = |(a, b): (&str, &str)| (a.parse().unwrap(), b.parse().unwrap());
    prop_oneof![
        8 => (select(&V4[..POD_V4]), select(&V4[..POD_V4])).prop_map(parsed),
        2 => (select(&V4[..]), select(&V4[..])).prop_map(parsed),
        4 => (select(&V6[..POD_V6]), select(&V6[..POD_V6])).prop_map(parsed),
        2 => (select(&V6[..]), select(&V6[..])).prop_map(parsed),
    ]
}

fn pod() -> impl Strategy<Value = Object> {
    let key = (select(&NAMESPACES[..]), select(&NAMES[..]));
    let port = (option::weighted(0.8, select(&PORT_NAMES[..])), select(&PORTS[1..]), protocol());
    let phases = vec![
        Phase::Running,
        Phase::Running,
        Phase::Pending,
        Phase::Unknown,
        Phase::Succeeded,
        Phase::Failed,
    ];
    let life = (select(phases), prop::bool::weighted(0.05), prop::bool::weighted(0.15), 0..3u32);
    let node = option::weighted(0.95, select(&NODES[..]));
    (key, labels(), node, vec(address(), 1..4), life, vec(port, 0..3)).prop_map(
        |(
            (namespace, name),
            labels,
            node,
            ips,
            (phase, host_network, terminating, started),
            ports,
        )| {
            let port = |(name, port, protocol): (Option<&str>, u16, Protocol)| ContainerPort {
                name: name.unwrap_or_default().into(),
                port,
                protocol,
            };
            Object::Pod(Arc::new(Pod {
                key: ObjectKey::new(namespace, name),
                labels,
                node_name: node.map(Into::into),
                ips: ips.into(),
                phase,
                host_network,
                terminating,
                started,
                ports: ports.into_iter().map(port).collect(),
            }))
        },
    )
}

fn namespace() -> impl Strategy<Value = Object> {
    (select(&NAMESPACES[..]), labels(), prop::bool::weighted(0.2)).prop_map(
        |(name, labels, audit)| {
            Object::Namespace(Arc::new(Namespace { name: name.into(), labels, audit }))
        },
    )
}

fn peer() -> impl Strategy<Value = Peer> {
    let network = || select(&BLOCKS[..]).prop_map(|text| text.parse().unwrap());
    prop_oneof![
        5 => (option::of(selector()), option::of(selector()))
            .prop_map(|(pods, namespaces)| Peer::Pods { pods, namespaces }),
        4 => (network(), vec(network(), 0..3))
            .prop_map(|(cidr, except)| Peer::IpBlock(IpBlock { cidr, except })),
        1 => Just(Peer::Nobody),
    ]
}

fn policy_port() -> impl Strategy<Value = PolicyPort> {
    let range = |(a, b): (u16, u16)| PortMatch::Range(a.min(b), a.max(b));
    let ports = prop_oneof![
        1 => Just(PortMatch::Any),
        3 => select(&PORTS[1..]).prop_map(|port| PortMatch::Range(port, port)),
        2 => (select(&PORTS[1..]), select(&PORTS[1..])).prop_map(range),
        3 => select(&PORT_NAMES[..]).prop_map(|name| PortMatch::Named(name.into())),
        1 => Just(PortMatch::Nothing),
    ];
    (protocol(), ports).prop_map(|(protocol, ports)| PolicyPort { protocol, ports })
}

fn policy() -> impl Strategy<Value = Object> {
    let direction = || {
        let rule = (vec(peer(), 0..3), vec(policy_port(), 0..3))
            .prop_map(|(peers, ports)| PolicyRule { peers, ports });
        option::weighted(0.7, vec(rule, 0..3).prop_map(|rules| PolicyDirection { rules }))
    };
    let key = (select(&NAMESPACES[..]), select(&NAMES[..]));
    let selector = prop_oneof![Just(Selector::default()), selector()];
    (key, selector, direction(), direction()).prop_map(
        |((namespace, name), pod_selector, ingress, egress)| {
            let key = ObjectKey::new(namespace, name);
            Object::NetworkPolicy(Arc::new(NetworkPolicy {
                key,
                pod_selector,
                ingress,
                egress,
                oddities: Box::default(),
            }))
        },
    )
}

fn node(name: &str, addresses: [&str; 2]) -> Object {
    Object::Node(Arc::new(Node {
        name: name.into(),
        labels: Labels::default(),
        addresses: addresses.map(|text| text.parse().unwrap()).into(),
        pod_cidrs: [].into(),
    }))
}

/// The objects of a cluster. Namespaces may be missing.
pub(crate) fn objects() -> impl Strategy<Value = Vec<Object>> {
    (vec(namespace(), 1..5), vec(pod(), 4..13), vec(policy(), 1..9)).prop_map(
        |(namespaces, pods, policies)| {
            let nodes = [
                node("n1", ["192.0.2.1", "2001:db8::1"]),
                node("n2", ["192.0.2.2", "2001:db8::2"]),
            ];
            namespaces.into_iter().chain(pods).chain(policies).chain(nodes).collect()
        },
    )
}

/// A change of one object: it comes, changes or goes.
pub(crate) fn edit() -> impl Strategy<Value = Event> {
    let key = (select(&NAMESPACES[..]), select(&NAMES[..]));
    let key = key.prop_map(|(namespace, name)| ObjectKey::new(namespace, name));
    let kinds = vec![Kind::Pod, Kind::Pod, Kind::NetworkPolicy];
    let namespace_gone = select(&NAMESPACES[..]).prop_map(ObjectKey::cluster_scoped);
    prop_oneof![
        5 => pod().prop_map(Event::Upsert),
        3 => policy().prop_map(Event::Upsert),
        2 => namespace().prop_map(Event::Upsert),
        3 => (select(kinds), key).prop_map(|(kind, key)| Event::Delete(kind, key)),
        1 => namespace_gone.prop_map(|key| Event::Delete(Kind::Namespace, key)),
    ]
}

/// The first values that a strategy makes.
pub(crate) fn samples<T: std::fmt::Debug>(
    strategy: impl Strategy<Value = T>,
    count: usize,
) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// The snapshot of some objects.
pub(crate) fn cluster(objects: Vec<Object>) -> Arc<Cluster> {
    let mut store = Store::new();
    for object in objects {
        store.apply(Event::Upsert(object), 0);
    }
    store.snapshot()
}

/// What an operator may choose.
pub(crate) fn options() -> impl Strategy<Value = Options> {
    let own_node = select(vec![PodToOwnNode::Enforce, PodToOwnNode::Allow]);
    let log = option::of(Just(LogOptions { group: 100, per_second: 10 }));
    (own_node, vec(select(&V4[POD_V4..]).prop_map(|text| text.parse().unwrap()), 0..2), log)
        .prop_map(|(pod_to_own_node, dns, log)| Options {
            pod_to_own_node,
            node_local_dns: dns,
            revoked_mark: 0x0200_0000,
            log,
        })
}

/// A flow between any two addresses of one family, on any path.
pub(crate) fn flow() -> impl Strategy<Value = Flow> {
    let port = || select(&PORTS[..]);
    let traffic = prop_oneof![
        4 => port().prop_map(Traffic::Tcp),
        3 => port().prop_map(Traffic::Udp),
        2 => port().prop_map(Traffic::Sctp),
        1 => select(vec![0u8, 8, 128, 132, 133, 137, 138]).prop_map(Traffic::Icmp),
        1 => select(vec![4u8, 47, 58]).prop_map(Traffic::Other),
    ];
    let path = prop_oneof![
        6 => Just(Path::Forwarded),
        2 => Just(Path::ToNode),
        1 => Just(Path::FromNode),
    ];
    (pair(), traffic, path).prop_filter_map(
        "protocol 58 is ICMP in IPv6",
        |((source, destination), traffic, path)| {
            let is_icmp6 = source.is_ipv6() && traffic == Traffic::Other(58);
            (!is_icmp6).then_some(Flow { source, destination, traffic, path })
        },
    )
}
