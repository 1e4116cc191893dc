//! What policies cost the packets of pods: TCP throughput and new connections a second between two pods of a node, with
//! 10, 100 and 1,000 policies, against the same node without any.
//!
//! ```text
//! client pod (a process in a network namespace) ── veth ── node: this process ── veth ── server pod
//! ```
//!
//! The node follows connections in any case, as one with kube-proxy does. Rounds of short measurements go through all cases,
//! so that what else the machine does meets them alike. What is compared are the best tenths of each: others on the
//! machine make packets slower and never faster.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its table, or panics"
)]

#[path = "../common/mod.rs"]
mod common;
mod pods;

use std::sync::Arc;

use cluster::Object;
use netpol::{Options, compile};
use nft::{
    BaseChain, Chain, Comparison, CtState, Field, Hook, Name, Policy, Rule, Ruleset, Statement,
    Verdict,
};
use portolan_netfilter::Netfilter;
use serde_json::{Value, json};

use common::{NODE, POLICIES, PORT, cluster, policy, policy_of_one_pod};
use pods::{Measure, Pods};

/// How often every case is measured.
const ROUNDS: usize = 60;

/// What is measured.
struct Case {
    name: String,
    /// None for a node without the table.
    ruleset: Option<Ruleset>,
    /// Megabits and connections a second, of each round.
    seen: [Vec<f64>; 2],
}

fn main() {
    if pods::is_pod() {
        return pods::serve();
    }
    common::enter_namespace();
    let mut pods = Pods::new();
    // As kube-proxy has it.
    let mut baseline = Netfilter::open().unwrap();
    baseline.apply(&follow_connections()).unwrap();
    let mut cases = cases();
    for _ in 0..ROUNDS {
        for case in &mut cases {
            // A socket each, so that a table is another one's while none of it is there.
            let mut netfilter = Netfilter::open().unwrap();
            if let Some(ruleset) = &case.ruleset {
                netfilter.apply(ruleset).unwrap();
            }
            for (measure, seen) in
                [Measure::Stream, Measure::Connect].into_iter().zip(&mut case.seen)
            {
                seen.push(pods.measure(measure));
            }
            netfilter.uninstall(&table()).unwrap();
        }
    }
    report(&cases);
}

fn cases() -> Vec<Case> {
    let spread = |policies: u16| compiled((0..policies).map(|number| policy(number, PORT)));
    let mut cases = vec![Case::new("no table".to_owned(), None)];
    for policies in [0, 10, 100, POLICIES] {
        cases.push(Case::new(format!("{policies} policies"), Some(spread(policies))));
    }
    let of_one = compiled((0..POLICIES).map(policy_of_one_pod));
    cases.push(Case::new(format!("{POLICIES} policies of the server alone"), Some(of_one)));
    cases
}

impl Case {
    fn new(name: String, ruleset: Option<Ruleset>) -> Self {
        Self { name, ruleset, seen: [Vec::new(), Vec::new()] }
    }
}

fn compiled(policies: impl Iterator<Item = Object>) -> Ruleset {
    compile(&cluster(policies).snapshot(), NODE, &Options::default()).ruleset
}

fn report(cases: &[Case]) {
    println!(
        "{:<36} {:>10} {:>8} {:>14} {:>8}",
        "between two pods of the node", "Gbit/s", "ratio", "connections/s", "ratio"
    );
    let mut results: Vec<Value> = Vec::new();
    for case in cases {
        let [stream, connect] = [0, 1].map(|what| {
            let (own, none) = (best(&case.seen[what]), best(&cases[0].seen[what]));
            (own, own / none)
        });
        println!(
            "{:<36} {:>10.2} {:>7.1}% {:>14.0} {:>7.1}%",
            case.name,
            stream.0 / 1000.0,
            stream.1 * 100.0,
            connect.0,
            connect.1 * 100.0
        );
        results.push(json!({
            "case": case.name, "megabits_per_second": stream.0, "throughput_ratio": stream.1,
            "connections_per_second": connect.0, "connections_ratio": connect.1,
        }));
    }
    println!("the best tenths of {ROUNDS} rounds");
    common::write_results("netpol-throughput", json!({"rounds": ROUNDS, "cases": results}));
}

/// Returns what a tenth of the values reach.
fn best(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() * 9 / 10]
}

fn table() -> Name {
    Name::new(netpol::TABLE).unwrap()
}

/// A table that looks at the state of each connection.
fn follow_connections() -> Ruleset {
    let mut ruleset = Ruleset::new(Name::new("others").unwrap());
    let known = Comparison::AnyBit(CtState::ESTABLISHED.value());
    let is_known = Statement::Compare { field: Field::CtState, comparison: known };
    let rule = Rule::new([is_known, Statement::Verdict(Verdict::Accept)]);
    let base = BaseChain { hook: Hook::Forward, priority: 0, policy: Policy::Accept };
    let chain = Chain { base: Some(base), ..Chain::new([rule]) };
    ruleset.chains.insert(Name::new("forward").unwrap(), Arc::new(chain));
    ruleset
}
