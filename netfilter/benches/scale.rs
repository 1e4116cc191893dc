//! How long it takes from an event of the cluster to the kernel: 5,000 pods, 1,000 policies, 250 pods on the node.
//!
//! Each step is what the agent does: apply the event to the model, compile the node's ruleset, commit the transaction. It
//! runs in a network namespace of its own.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its table, or panics"
)]

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use cluster::{
    Event, IpBlock, Kind, Labels, Namespace, NetworkPolicy, Object, ObjectKey, Peer, Phase, Pod,
    PolicyDirection, PolicyPort, PolicyRule, PortMatch, Protocol, Selector, Store,
};
use netpol::{Options, compile};
use portolan_netfilter::Netfilter;

const PODS: u16 = 5_000;
const NODES: u16 = 20;
const NAMESPACES: u16 = 50;
const POLICIES: u16 = 1_000;
const RUNS: u16 = 100;

/// Set in the process that runs inside of the namespace.
const INSIDE: &str = "PORTOLAN_BENCH_NAMESPACE";

fn main() {
    if std::env::var_os(INSIDE).is_none() {
        let this = std::env::current_exe().unwrap();
        let unshare = ["--user", "--map-root-user", "--net", "--"];
        let status = Command::new("unshare").args(unshare).arg(this).env(INSIDE, "1").status();
        std::process::exit(status.unwrap().code().unwrap_or(1));
    }
    let mut node = Node { store: Store::new(), netfilter: Netfilter::open().unwrap() };
    let namespaces = (0..NAMESPACES).map(namespace);
    let pods = (0..PODS).map(|number| pod(number, "web"));
    for object in namespaces.chain(pods).chain((0..POLICIES).map(|number| policy(number, 8080))) {
        node.store.apply(Event::Upsert(object), 0);
    }
    let first = node.enforce();
    println!("{PODS} pods, {} of them on the node, {POLICIES} policies", PODS / NODES);
    println!("first transaction: {first}");
    println!(
        "{:<34} {:>8} {:>8} {:>10} {:>8}",
        "event", "p50 ms", "p99 ms", "commit ms", "elements"
    );
    let local = |run: u16| NODES * (run % (PODS / NODES));
    node.measure("label of a pod elsewhere", |run| {
        Event::Upsert(pod(local(run) + 1, if run.is_multiple_of(2) { "db" } else { "web" }))
    });
    node.measure("label of a pod here", |run| {
        Event::Upsert(pod(local(run), if run.is_multiple_of(2) { "db" } else { "web" }))
    });
    node.measure("a pod ends here", |run| Event::Delete(Kind::Pod, key_of_pod(local(run))));
    node.measure("a pod starts here", |run| Event::Upsert(pod(local(run), "web")));
    node.measure("a policy's port", |run| Event::Upsert(policy(run, 9090)));
    println!("resident at most: {}", most_resident());
}

/// The model, and the node's kernel.
struct Node {
    store: Store,
    netfilter: Netfilter,
}

impl Node {
    /// Brings the kernel to the model, and says what it took.
    fn enforce(&mut self) -> String {
        let start = Instant::now();
        let compiled = compile(&self.store.snapshot(), "node-0", &Options::default());
        let compiling = milliseconds(start);
        let applied = self.netfilter.apply(&compiled.ruleset).unwrap();
        let (all, elements) = (milliseconds(start), applied.elements);
        format!("{all:.1} ms, {compiling:.1} of it to compile; {elements} elements")
    }

    /// Measures events, each from its arrival to the kernel's answer.
    fn measure(&mut self, what: &str, event: impl Fn(u16) -> Event) {
        let (mut times, mut commits, mut elements) = (Vec::new(), Vec::new(), 0);
        for run in 0..RUNS {
            let event = event(run);
            let start = Instant::now();
            self.store.apply(event, 0);
            let compiled = compile(&self.store.snapshot(), "node-0", &Options::default());
            let commit = Instant::now();
            elements = elements.max(self.netfilter.apply(&compiled.ruleset).unwrap().elements);
            commits.push(milliseconds(commit));
            times.push(milliseconds(start));
        }
        times.sort_by(f64::total_cmp);
        commits.sort_by(f64::total_cmp);
        let at = |part: usize| times[times.len() * part / 100];
        let (p50, p99, commit) = (at(50), at(99), commits[commits.len() / 2]);
        println!("{what:<34} {p50:>8.2} {p99:>8.2} {commit:>10.2} {elements:>8}");
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Returns the most memory that the process has had, as the kernel writes it.
fn most_resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap().trim().to_owned()
}

fn namespace(number: u16) -> Object {
    let labels: Labels = [("team", format!("team-{}", number % 4))].into_iter().collect();
    let name = format!("ns-{number}").into();
    Object::Namespace(Arc::new(Namespace { name, labels, audit: false }))
}

fn key_of_pod(number: u16) -> ObjectKey {
    ObjectKey::new(format!("ns-{}", number / NODES % NAMESPACES), format!("pod-{number}"))
}

/// A pod; those whose number is a multiple of the nodes are on the node that is measured.
fn pod(number: u16, tier: &str) -> Object {
    let [high, low] = number.to_be_bytes();
    let app = format!("app-{}", number / NODES % 10);
    Object::Pod(Arc::new(Pod {
        key: key_of_pod(number),
        labels: [("app", &*app), ("tier", tier)].into_iter().collect(),
        node_name: Some(format!("node-{}", number % NODES).into()),
        ips: [[10, 0, high, low].into()].into(),
        phase: Phase::Running,
        host_network: false,
        terminating: false,
        started: 0,
        ports: [].into(),
    }))
}

/// A policy for the pods of an app: from another tier of its namespace, from an app in namespaces of a team, and from a
/// network.
fn policy(number: u16, port: u16) -> Object {
    let select = |text: String| Selector::parse(&text).unwrap();
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
    let ports = vec![PolicyPort { protocol: Protocol::Tcp, ports: PortMatch::Range(port, port) }];
    Object::NetworkPolicy(Arc::new(NetworkPolicy {
        key: ObjectKey::new(format!("ns-{}", number % NAMESPACES), format!("policy-{number}")),
        pod_selector: select(format!("app=app-{}", number % 10)),
        ingress: Some(PolicyDirection { rules: vec![PolicyRule { peers, ports }] }),
        egress: None,
    }))
}
