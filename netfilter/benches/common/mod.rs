//! What both benches share: a cluster, a namespace of their own, a table of results.

#![allow(dead_code, reason = "each bench has its part of it")]

use std::fs;
use std::process::Command;
use std::sync::Arc;

use cluster::{
    Event, IpBlock, Labels, Namespace, NetworkPolicy, Object, ObjectKey, Peer, Phase, Pod,
    PolicyDirection, PolicyPort, PolicyRule, PortMatch, Protocol, Selector, Store,
};
use serde_json::{Value, json};

pub(crate) const PODS: u16 = 5_000;
pub(crate) const NODES: u16 = 20;
pub(crate) const NAMESPACES: u16 = 50;
pub(crate) const POLICIES: u16 = 1_000;

/// The node that is measured.
pub(crate) const NODE: &str = "node-0";

/// The port that policies allow.
pub(crate) const PORT: u16 = 8080;

/// Set in the process that runs inside of the namespace.
const INSIDE: &str = "PORTOLAN_BENCH_NAMESPACE";

/// Starts this program again in a network namespace of its own, unless it is there.
pub(crate) fn enter_namespace() {
    if std::env::var_os(INSIDE).is_none() {
        let this = std::env::current_exe().unwrap();
        let unshare = ["--user", "--map-root-user", "--net", "--"];
        let status = Command::new("unshare").args(unshare).arg(this).env(INSIDE, "1").status();
        std::process::exit(status.unwrap().code().unwrap_or(1));
    }
}

/// Writes results to the directory that `PORTOLAN_BENCH_OUT` names, as NAME.json; without it nowhere.
pub(crate) fn write_results(name: &str, results: Value) {
    let Some(directory) = std::env::var_os("PORTOLAN_BENCH_OUT") else { return };
    fs::create_dir_all(&directory).unwrap();
    let path = std::path::Path::new(&directory).join(format!("{name}.json"));
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let machine = json!({
        "cpu": model.map(|model| model.trim_start_matches(['\t', ' ', ':'])),
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "load": fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
    });
    let whole = json!({"machine": machine, "results": results});
    fs::write(&path, format!("{whole:#}\n")).unwrap();
    println!("results: {}", path.display());
}

/// A cluster with so many policies.
pub(crate) fn cluster(policies: impl Iterator<Item = Object>) -> Store {
    let mut store = Store::new();
    let namespaces = (0..NAMESPACES).map(|number| namespace(number, number % 4));
    let pods = (0..PODS).map(|number| pod(number, "web"));
    for object in namespaces.chain(pods).chain(policies) {
        store.apply(Event::Upsert(object), 0);
    }
    store
}

pub(crate) fn namespace(number: u16, team: u16) -> Object {
    let labels: Labels = [("team", format!("team-{team}"))].into_iter().collect();
    let name = format!("ns-{number}").into();
    Object::Namespace(Arc::new(Namespace { name, labels, audit: false }))
}

pub(crate) fn key_of_pod(number: u16) -> ObjectKey {
    ObjectKey::new(format!("ns-{}", number / NODES % NAMESPACES), format!("pod-{number}"))
}

/// The address of a pod.
pub(crate) fn address(number: u16) -> [u8; 4] {
    let [high, low] = number.to_be_bytes();
    [10, 0, high, low]
}

/// A pod; those whose number is a multiple of the nodes are on the node that is measured.
pub(crate) fn pod(number: u16, tier: &str) -> Object {
    pod_of(number, number / NODES % 10, tier)
}

/// A pod of any app, which is what policies select pods by.
pub(crate) fn pod_of(number: u16, app: u16, tier: &str) -> Object {
    let app = format!("app-{app}");
    Object::Pod(Arc::new(Pod {
        key: key_of_pod(number),
        labels: [("app", &*app), ("tier", tier)].into_iter().collect(),
        node_name: Some(format!("node-{}", number % NODES).into()),
        ips: [address(number).into()].into(),
        phase: Phase::Running,
        host_network: false,
        terminating: false,
        started: 0,
        ports: [].into(),
    }))
}

pub(crate) fn key_of_policy(number: u16) -> ObjectKey {
    ObjectKey::new(format!("ns-{}", number % NAMESPACES), format!("policy-{number}"))
}

/// A policy for the pods of an app: from another tier of its namespace, from an app in namespaces of a team, and from a
/// network.
pub(crate) fn policy(number: u16, port: u16) -> Object {
    let [high, low] = number.to_be_bytes();
    let block = IpBlock { cidr: format!("192.{high}.{low}.0/24").parse().unwrap(), except: vec![] };
    let peers = vec![
        Peer::Pods { pods: Some(select("tier=web".to_owned())), namespaces: None },
        Peer::Pods {
            pods: Some(select(format!("app=app-{}", number % 5))),
            namespaces: Some(select(format!("team=team-{}", number % 4))),
        },
        Peer::IpBlock(block),
    ];
    policy_of(key_of_policy(number), format!("app=app-{}", number % 10), peers, port)
}

/// A policy for the pods of the first app of the first namespace, from a peer of its own; the last rule of all of them
/// allows the client.
pub(crate) fn policy_of_one_pod(number: u16) -> Object {
    let peer = if number + 1 == POLICIES { "tier=web".to_owned() } else { format!("a=a{number}") };
    let peers = vec![Peer::Pods { pods: Some(select(peer)), namespaces: None }];
    policy_of(ObjectKey::new("ns-0", format!("policy-{number}")), "app=app-0".into(), peers, PORT)
}

fn policy_of(key: ObjectKey, selector: String, peers: Vec<Peer>, port: u16) -> Object {
    let ports = vec![PolicyPort { protocol: Protocol::Tcp, ports: PortMatch::Range(port, port) }];
    Object::NetworkPolicy(Arc::new(NetworkPolicy {
        key,
        pod_selector: select(selector),
        ingress: Some(PolicyDirection { rules: vec![PolicyRule { peers, ports }] }),
        egress: None,
        oddities: Box::default(),
    }))
}

fn select(text: String) -> Selector {
    Selector::parse(&text).unwrap()
}
