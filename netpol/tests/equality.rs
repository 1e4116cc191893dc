//! The two statements of what policies mean are equal: the ruleset, run by the tracer, and the verdict.

mod random;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use nft::{Hook, Packet, Policy, protocol, trace};
use portolan_netpol::{Decision, Flow, Path, Traffic, compile, verdict};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// The packet that begins a flow.
fn packet(flow: &Flow) -> Packet {
    let between = |protocol, port| {
        let (source, destination) =
            (SocketAddr::new(flow.source, 40000), SocketAddr::new(flow.destination, port));
        Packet::between(protocol, source, destination)
    };
    // Behind an IP header of another protocol stand octets that look like port 80.
    let other =
        |protocol, kind| Packet::new(flow.source, flow.destination, protocol, [kind, 0, 0, 80]);
    match flow.traffic {
        Traffic::Tcp(port) => between(protocol::TCP, port),
        Traffic::Udp(port) => between(protocol::UDP, port),
        Traffic::Sctp(port) => between(protocol::SCTP, port),
        Traffic::Icmp(kind) if flow.source.is_ipv4() => other(protocol::ICMP, kind),
        Traffic::Icmp(kind) => other(protocol::ICMP6, kind),
        Traffic::Other(number) => other(number, 133),
    }
}

fn hook(path: Path) -> Hook {
    match path {
        Path::Forwarded => Hook::Forward,
        Path::ToNode => Hook::Input,
        Path::FromNode => Hook::Output,
    }
}

proptest! {
    /// The property that the whole crate stands on. `PROPTEST_CASES=100000` is the full run.
    #[test]
    fn the_ruleset_decides_as_the_verdict_does(
        objects in random::objects(),
        options in random::options(),
        flows in vec(random::flow(), 40),
    ) {
        let cluster = random::cluster(objects);
        for node in random::NODES {
            let compiled = compile(&cluster, node, &options);
            for flow in &flows {
                let decision = trace(&compiled.ruleset, hook(flow.path), &packet(flow)).unwrap();
                let verdict = verdict(&cluster, &options, flow);
                prop_assert_eq!(
                    decision.verdict == Policy::Accept,
                    verdict.passes_on(node),
                    "{:?} on {}: {:?}\n{:?}\n{}", flow, node, verdict, decision, compiled.ruleset
                );
            }
        }
    }

    #[test]
    fn every_set_holds_disjoint_ranges_and_every_reference_is_there(
        objects in random::objects(),
        options in random::options(),
    ) {
        let cluster = random::cluster(objects);
        let compiled = compile(&cluster, "n1", &options);
        prop_assert_eq!(&compile(&cluster, "n1", &options), &compiled, "same input, same bytes");
        let used = compiled.ruleset.chains.values().flat_map(|chain| &chain.rules);
        let used: Vec<_> = used.flat_map(|rule| &rule.statements).collect();
        for (name, set) in &compiled.ruleset.sets {
            if let nft::Elements::Ranges(ranges) = &set.elements {
                let ranges: Vec<_> = ranges.iter().collect();
                prop_assert!(ranges.windows(2).all(|two| two[0].last < two[1].first), "{}", name);
            }
            let is_used = used.iter().any(|statement| {
                matches!(statement, nft::Statement::Lookup { set, .. } if set == name)
            });
            // Those of the skeleton are there for every cluster.
            prop_assert!(is_used || name.as_str().starts_with("self"), "{} is used by no rule", name);
        }
        for name in compiled.ruleset.chains.keys() {
            let is_base = matches!(name.as_str(), "forward" | "input");
            prop_assert!(is_base || compiled.profiles.contains_key(name), "{} has no profile", name);
        }
    }
}

/// A generator that hits nothing would prove nothing.
#[test]
fn random_flows_meet_every_decision() {
    let mut runner = TestRunner::deterministic();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..300 {
        let mut draw = || {
            let strategy = (random::objects(), random::options(), vec(random::flow(), 40));
            strategy.new_tree(&mut runner).unwrap().current()
        };
        let (objects, options, flows) = draw();
        let cluster = random::cluster(objects);
        for flow in &flows {
            let verdict = verdict(&cluster, &options, flow);
            for side in [&verdict.egress, &verdict.ingress] {
                *counts.entry(word(&side.decision)).or_default() += 1;
            }
        }
    }
    let met = [
        "no pod",
        "exempt",
        "not isolated",
        "everyone",
        "peer",
        "port",
        "both",
        "denied",
        "audited",
        "link-local",
    ];
    for word in met {
        assert!(counts.get(word).is_some_and(|count| *count >= 40), "{word}: {counts:?}");
    }
}

fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::NoPod => "no pod",
        Decision::Exempt(_) => "exempt",
        Decision::NotIsolated => "not isolated",
        Decision::Allowed(grant) => match (grant.peer, grant.port) {
            (None, None) => "everyone",
            (Some(_), None) => "peer",
            (None, Some(_)) => "port",
            (Some(_), Some(_)) => "both",
        },
        Decision::Denied(_) => "denied",
        Decision::Audited(_) => "audited",
        Decision::LinkLocal(_) => "link-local",
    }
}
