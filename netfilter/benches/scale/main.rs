//! How long it takes from an event of the cluster to the kernel: 5,000 pods, 1,000 policies, 250 pods on the node.
//!
//! Each step is what the agent does: apply the event to the model, follow it in the node's ruleset, commit the
//! transaction. It runs in a network namespace of its own.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its table, or panics"
)]

#[path = "../common/mod.rs"]
mod common;

use std::time::Instant;

use cluster::{Event, Kind, Store};
use netpol::{Compiler, Options, compile};
use portolan_netfilter::Netfilter;
use serde_json::{Value, json};

use common::{
    NODE, NODES, PODS, POLICIES, PORT, cluster, key_of_pod, key_of_policy, namespace, pod, pod_of,
    policy,
};

/// The events of each kind.
const RUNS: u16 = 250;

fn main() {
    common::enter_namespace();
    let store = cluster((0..POLICIES).map(|number| policy(number, PORT)));
    let start = Instant::now();
    let compiler = Compiler::new(&store.snapshot(), NODE, &Options::default());
    let compiling = milliseconds(start);
    let mut netfilter = Netfilter::open().unwrap();
    let start = Instant::now();
    let first = netfilter.follow(None, &compiler.compiled().ruleset).unwrap();
    let (elements, committing) = (first.elements, milliseconds(start));
    println!("{PODS} pods, {} of them on the node, {POLICIES} policies", PODS / NODES);
    println!(
        "the first time: {compiling:.1} ms to compile, {committing:.1} ms to the kernel; {elements} elements"
    );
    let mut node = Node { store, compiler, netfilter, results: Vec::new() };
    println!(
        "{:<36} {:>8} {:>8} {:>8} {:>12} {:>11} {:>8}",
        "event", "p50 ms", "p99 ms", "most ms", "follow ms", "commit ms", "changes"
    );
    let local = |run: u16| NODES * (run % (PODS / NODES));
    let tier = |run: u16| if run.is_multiple_of(2) { "db" } else { "web" };
    node.measure("label of a pod elsewhere", |run| Event::Upsert(pod(local(run) + 1, tier(run))));
    node.measure("label of a pod here", |run| Event::Upsert(pod(local(run), tier(run))));
    node.measure("label of a pod here, other policies", |run| {
        Event::Upsert(pod_of(local(run), run % 7, "web"))
    });
    node.measure("a pod ends here", |run| Event::Delete(Kind::Pod, key_of_pod(local(run))));
    node.measure("a pod starts here", |run| Event::Upsert(pod(local(run), "web")));
    node.measure("a policy's port", |run| Event::Upsert(policy(run, PORT + 1)));
    node.measure("a policy goes", |run| Event::Delete(Kind::NetworkPolicy, key_of_policy(run)));
    node.measure("a policy comes", |run| Event::Upsert(policy(run, PORT)));
    node.measure("label of a namespace", |run| {
        Event::Upsert(namespace(run % common::NAMESPACES, (run + 1) % 4))
    });
    let start = Instant::now();
    let whole = compile(&node.store.snapshot(), NODE, &Options::default());
    let anew = milliseconds(start);
    assert_eq!(*node.compiler.compiled(), whole, "what followed is what is compiled");
    let there = node.netfilter.read(&whole.ruleset.table).unwrap();
    assert_eq!(there.map(|there| there.into_ruleset()), Some(whole.ruleset), "and what is there");
    println!("to compile the node anew: {anew:.1} ms");
    let (now, most) = (memory("VmRSS:"), memory("VmHWM:"));
    println!("resident: {now}, at most {most}");
    let results = json!({
        "pods": PODS, "local_pods": PODS / NODES, "policies": POLICIES, "runs": RUNS,
        "first": {"compile_ms": compiling, "commit_ms": committing, "elements": elements},
        "events": node.results, "compile_anew_ms": anew, "resident": now, "resident_at_most": most,
    });
    common::write_results("netpol-scale", results);
}

/// The model, the ruleset, and the node's kernel.
struct Node {
    store: Store,
    compiler: Compiler,
    netfilter: Netfilter,
    results: Vec<Value>,
}

impl Node {
    /// Measures events, each from its arrival to the kernel's answer.
    fn measure(&mut self, what: &str, event: impl Fn(u16) -> Event) {
        let (mut times, mut follows, mut commits, mut most_changes) = (vec![], vec![], vec![], 0);
        for run in 0..RUNS {
            let event = event(run);
            let start = Instant::now();
            self.store.apply(event, 0);
            let changes = self.compiler.update(&self.store.snapshot());
            follows.push(milliseconds(start));
            let commit = Instant::now();
            let ruleset = &self.compiler.compiled().ruleset;
            self.netfilter.follow(Some(&changes), ruleset).unwrap();
            commits.push(milliseconds(commit));
            times.push(milliseconds(start));
            most_changes = most_changes.max(changes.changes.len());
        }
        let [follow, commit] = [&mut follows, &mut commits].map(|times| at(times, 50));
        let [p50, p99, most] = [50, 99, 100].map(|part| at(&mut times, part));
        println!(
            "{what:<36} {p50:>8.2} {p99:>8.2} {most:>8.2} {follow:>12.2} {commit:>11.2} {most_changes:>8}"
        );
        self.results.push(json!({
            "event": what, "p50_ms": p50, "p99_ms": p99, "most_ms": most,
            "follow_p50_ms": follow, "commit_p50_ms": commit, "most_changes": most_changes,
        }));
    }
}

/// Returns what so many of a hundred are not above.
fn at(times: &mut [f64], part: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    times[(times.len() * part / 100).min(times.len() - 1)]
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Returns memory of this process, as the kernel writes it.
fn memory(what: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    line.unwrap().trim().to_owned()
}
