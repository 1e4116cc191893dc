//! Pods of one bridge reach each other by addresses that no object names: a policy has to hold for those, too.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::Duration;

use cluster::{
    Cluster, Event, Labels, Namespace, NetworkPolicy, Object, ObjectKey, Phase, Pod,
    PolicyDirection, PolicyPort, PolicyRule, PortMatch, Protocol, Selector, Store,
};
use netfilter::Netfilter;
use netpol::{Flow, Options, Traffic};
use portolan_test_pods::namespace::inside;
use portolan_test_pods::network::{Network, ip};
use portolan_test_pods::place::Place;
use portolan_test_pods::probe::Family;
use portolan_test_pods::wiring::Layout;

/// Places of pods: who asks, and who is asked.
const ASKING: usize = 0;
const ASKED: usize = 1;
const NODE: &str = "node-1";
const PORT: u16 = 4444;
/// A port that the policy allows: what is sent to it comes behind what was sent before.
const ALLOWED: u16 = 4445;
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns the link-local address of a pod, and the number of its link.
fn link_local(place: &Place) -> (Ipv6Addr, u32) {
    // Of this thread, not of the process: that is where it is.
    let text = place.within(|| std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap());
    let line = text.lines().find(|line| line.starts_with("fe80") && line.ends_with("eth0"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    let address = u128::from_str_radix(words[0], 16).unwrap();
    (Ipv6Addr::from(address), u32::from_str_radix(words[1], 16).unwrap())
}

/// A node whose second pod is isolated, but for one port.
fn isolated() -> Store {
    let mut store = Store::new();
    let mut add = |object| store.apply(Event::Upsert(object), 0);
    let namespace = Namespace { name: "x".into(), labels: Labels::default(), audit: false };
    add(Object::Namespace(namespace.into()));
    add(Object::Pod(
        Pod {
            key: ObjectKey::new("x", "asked"),
            labels: Labels::default(),
            node_name: Some(NODE.into()),
            ips: Family::ALL.map(|family| ip(ASKED, family)).into(),
            phase: Phase::Running,
            host_network: false,
            terminating: false,
            started: 0,
            ports: [].into(),
        }
        .into(),
    ));
    let ports = PortMatch::Range(ALLOWED, ALLOWED);
    let ports = vec![PolicyPort { protocol: Protocol::Udp, ports }];
    let ingress = PolicyDirection { rules: vec![PolicyRule { peers: vec![], ports }] };
    add(Object::NetworkPolicy(
        NetworkPolicy {
            key: ObjectKey::new("x", "one-port"),
            pod_selector: Selector::default(),
            ingress: Some(ingress),
            egress: None,
            oddities: Box::default(),
        }
        .into(),
    ));
    store
}

/// A socket of a pod that waits, at all of its addresses.
fn socket(network: &Network, place: usize, port: u16) -> UdpSocket {
    let bind = || UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap();
    let socket = network.place(place).within(bind);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn received(socket: &UdpSocket) -> Vec<u8> {
    let mut octets = [0; 64];
    let count = socket.recv(&mut octets).unwrap();
    octets[..count].to_vec()
}

fn load(netfilter: &mut Netfilter, cluster: &Cluster) {
    let compiled = netpol::compile(cluster, NODE, &Options::default());
    netfilter.apply(&compiled.ruleset).unwrap();
}

fn says(cluster: &Cluster, source: IpAddr, destination: IpAddr, port: u16) -> bool {
    let (traffic, options) = (Traffic::Udp(port), Options::default());
    let flow = Flow::between(cluster, &options, source, destination, traffic);
    netpol::verdict(cluster, &options, &flow).passes()
}

#[test]
fn an_isolated_pod_is_not_reached_at_its_link_local_address() {
    inside("an_isolated_pod_is_not_reached_at_its_link_local_address", || {
        let network = Network::new(Layout::Bridged);
        let (source, link) = link_local(network.place(ASKING));
        let (local, _) = link_local(network.place(ASKED));
        let by_local = |port| SocketAddr::from(SocketAddrV6::new(local, port, 0, link));
        let global = ip(ASKED, Family::V6);
        let by_global = |port| SocketAddr::new(global, port);
        let client = socket(&network, ASKING, 0);
        let (closed, open) = (socket(&network, ASKED, PORT), socket(&network, ASKED, ALLOWED));
        let mut netfilter = Netfilter::open().unwrap();

        let nobody = Store::new();
        load(&mut netfilter, nobody.cluster());
        for to in [by_local(PORT), by_global(PORT)] {
            client.send_to(b"before", to).unwrap();
            assert_eq!(received(&closed), b"before", "{to}: no pod is isolated");
        }
        assert!(says(nobody.cluster(), source.into(), local.into(), PORT));

        let store = isolated();
        load(&mut netfilter, store.cluster());
        let asking = ip(ASKING, Family::V6);
        assert!(!says(store.cluster(), source.into(), local.into(), ALLOWED));
        assert!(!says(store.cluster(), asking, global, PORT));
        assert!(says(store.cluster(), asking, global, ALLOWED));
        // New connections, and at last one that the policy allows: it comes behind the others, on the same way.
        let client = socket(&network, ASKING, 0);
        for to in [by_local(PORT), by_local(ALLOWED), by_global(PORT), by_global(ALLOWED)] {
            client.send_to(to.to_string().as_bytes(), to).unwrap();
        }
        assert_eq!(received(&open), by_global(ALLOWED).to_string().as_bytes());
        for socket in [&closed, &open] {
            socket.set_nonblocking(true).unwrap();
            assert!(socket.recv(&mut [0; 64]).is_err(), "something came through");
        }
    });
}
