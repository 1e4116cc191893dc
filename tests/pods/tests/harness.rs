//! Shows that the pods of the tests see what the kernel does: without it nothing of the other tests would mean
//! anything.

use std::io::Write as _;
use std::process::{Command, Stdio};

use portolan_test_pods::namespace::inside;
use portolan_test_pods::network::{Network, between_pods, beyond_pods, lines};
use portolan_test_pods::probe::{Outcome, Probe, Transport};
use portolan_test_pods::wiring::Layout;

/// Loads rules with Debian's `nft`.
fn nft(rules: &str) {
    let mut child = Command::new("/usr/sbin/nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("nft can be run (`make test` installs it)");
    child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{rules}");
}

fn everything_connects(layout: Layout) {
    let network = Network::new(layout);
    let probes = [between_pods(), beyond_pods()].concat();
    let wrong = network.check(&probes, |_| Outcome::Connected);
    assert!(wrong.is_empty(), "{layout:?}: {}", lines(&wrong));
}

#[test]
fn everything_connects_with_routed_pods() {
    inside("everything_connects_with_routed_pods", || everything_connects(Layout::Routed));
}

#[test]
fn everything_connects_with_bridged_pods() {
    inside("everything_connects_with_bridged_pods", || everything_connects(Layout::Bridged));
}

/// What is dropped is a timeout, what is rejected a refusal, and everything else connects: for each transport,
/// family and direction.
fn outcomes_are_told_apart(layout: Layout) {
    let network = Network::new(layout);
    nft("table inet test {
        chain forward {
            type filter hook forward priority filter - 1
            ct state established,related accept
            ip daddr 10.244.0.18 meta l4proto { tcp, udp, sctp } th dport 80 drop
            ip6 daddr fd00:244::12 meta l4proto { tcp, udp, sctp } th dport 80 drop
            ip saddr 10.244.0.34 tcp dport 81 reject with tcp reset
            ip6 saddr fd00:244::22 tcp dport 81 reject with tcp reset
        }
    }");
    let expected = |probe: &Probe| match (probe.from, probe.to, probe.transport, probe.port) {
        (from, to, ..) if from == to || from == 10 || to == 10 => Outcome::Connected,
        (_, 0, _, 80) => Outcome::Timeout,
        (3, _, Transport::Tcp, 81) => Outcome::Refused,
        _ => Outcome::Connected,
    };
    let probes = [between_pods(), beyond_pods()].concat();
    for _ in 0..2 {
        let wrong = network.check(&probes, expected);
        assert!(wrong.is_empty(), "{layout:?}: {}", lines(&wrong));
    }
}

#[test]
fn outcomes_are_told_apart_with_routed_pods() {
    let name = "outcomes_are_told_apart_with_routed_pods";
    inside(name, || outcomes_are_told_apart(Layout::Routed));
}

#[test]
fn outcomes_are_told_apart_with_bridged_pods() {
    let name = "outcomes_are_told_apart_with_bridged_pods";
    inside(name, || outcomes_are_told_apart(Layout::Bridged));
}

/// Packets between ports of a bridge pass no hook of IP when nobody told the bridge so: the harness has it, for the
/// agent to notice.
#[test]
fn a_bridge_may_pass_the_hook_by() {
    inside("a_bridge_may_pass_the_hook_by", || {
        let network = Network::new(Layout::BridgedPast);
        nft("table inet test { chain forward { type filter hook forward priority 0; drop; }; }");
        let wrong = network.check(&between_pods(), |_| Outcome::Connected);
        assert!(wrong.is_empty(), "{}", lines(&wrong));
        let outside: Vec<_> =
            beyond_pods().into_iter().filter(|probe| probe.from == 9 || probe.to == 9).collect();
        let wrong = network.check(&outside, |_| Outcome::Timeout);
        assert!(wrong.is_empty(), "{}", lines(&wrong));
    });
}
