//! What compiling a cluster for one node costs, as policies become more: 5,000 pods, 250 of them on the node.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use cluster::{
    Cluster, ContainerPort, Event, Labels, Namespace, NetworkPolicy, Object, ObjectKey, Peer,
    Phase, Pod, PolicyDirection, PolicyPort, PolicyRule, PortMatch, Protocol, Selector, Store,
};
use portolan_netpol::{Options, compile};

const PODS: u8 = 250;
const NODES: u8 = 20;
const NAMESPACES: u16 = 50;
const RUNS: usize = 21;

fn pod(node: u8, place: u8) -> Object {
    let number = u16::from(node) * u16::from(PODS) + u16::from(place);
    let app = format!("app-{}", place % 10);
    Object::Pod(Arc::new(Pod {
        key: ObjectKey::new(format!("ns-{}", number % NAMESPACES), format!("pod-{number}")),
        labels: [("app", &*app), ("tier", "web")].into_iter().collect(),
        node_name: Some(format!("node-{node}").into()),
        ips: [[10, 0, node, place].into()].into(),
        phase: Phase::Running,
        host_network: false,
        terminating: false,
        started: 0,
        ports: [ContainerPort { name: "http".into(), port: 8080, protocol: Protocol::Tcp }].into(),
    }))
}

/// A policy for the pods of an app: from another app of its namespace, and from everything in namespaces of a team.
fn policy(number: u16) -> Object {
    let select = |text: String| Selector::parse(&text).unwrap_or_default();
    let from = vec![
        Peer::Pods { pods: Some(select(format!("app=app-{}", number % 7))), namespaces: None },
        Peer::Pods {
            pods: Some(select(format!("app=app-{}", number % 5))),
            namespaces: Some(select(format!("team=team-{}", number % 4))),
        },
    ];
    let port = PolicyPort { protocol: Protocol::Tcp, ports: PortMatch::Range(8080, 8080) };
    let rules = vec![PolicyRule { peers: from, ports: vec![port] }];
    Object::NetworkPolicy(Arc::new(NetworkPolicy {
        key: ObjectKey::new(format!("ns-{}", number % NAMESPACES), format!("policy-{number}")),
        pod_selector: select(format!("app=app-{}", number % 10)),
        ingress: Some(PolicyDirection { rules }),
        egress: None,
        oddities: Box::default(),
    }))
}

fn cluster_with(policies: u16) -> Arc<Cluster> {
    let mut store = Store::new();
    let namespaces = (0..NAMESPACES).map(|number| {
        let team = format!("team-{}", number % 4);
        let labels: Labels = [("team", &*team)].into_iter().collect();
        let name = format!("ns-{number}").into();
        Object::Namespace(Arc::new(Namespace { name, labels, audit: false }))
    });
    let pods = (0..NODES).flat_map(|node| (0..PODS).map(move |place| pod(node, place)));
    for object in namespaces.chain(pods).chain((0..policies).map(policy)) {
        store.apply(Event::Upsert(object), 0);
    }
    store.snapshot()
}

#[expect(clippy::print_stdout, reason = "a bench prints its table")]
fn main() {
    println!("compiling for a node with {PODS} of {} pods", u32::from(PODS) * u32::from(NODES));
    println!("{:>8} {:>10} {:>8} {:>8} {:>10}", "policies", "ms", "chains", "sets", "elements");
    for policies in [10, 100, 1_000] {
        let cluster = cluster_with(policies);
        let mut times: Vec<f64> = (0..RUNS)
            .map(|_| {
                let start = Instant::now();
                black_box(compile(&cluster, "node-3", &Options::default()));
                start.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let ruleset = compile(&cluster, "node-3", &Options::default()).ruleset;
        let (chains, sets) = (ruleset.chains.len(), ruleset.sets.len());
        let (median, elements) = (times[RUNS / 2], ruleset.elements());
        println!("{policies:>8} {median:>10.2} {chains:>8} {sets:>8} {elements:>10}");
    }
}
