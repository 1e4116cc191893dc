//! What packets meet while a transaction is carried out.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portolan_netfilter::{Monitor, MonitorEvent, Netfilter};

use crate::namespace::inside;
use crate::sample::name;
use crate::{
    BaseChain, Chain, DataType, Field, Hook, Key, Policy, Rule, Ruleset, Statement, Value, Verdict,
    VerdictMap,
};

/// How often the map is led to another chain. When chains came with the transaction that led to them, one packet came
/// through in some thousand times.
const TIMES: usize = 10_000;

/// A ruleset whose map leads everything that is sent to the loopback to a chain of this name, which drops it.
fn denying(profile: &str) -> Ruleset {
    let mut ruleset = Ruleset::new(name("transitions"));
    let profile = name(profile);
    let key = Key::new(&[Value::Ipv4([127, 0, 0, 1].into())]);
    let map = VerdictMap::new([DataType::Ipv4], [(key, Verdict::Jump(profile.clone()))]);
    ruleset.maps.insert(name("map"), Arc::new(map));
    let drop = Rule::new([Statement::Counter, Statement::Verdict(Verdict::Drop)]);
    ruleset.chains.insert(profile, Arc::new(Chain::new([drop])));
    let dispatch = Statement::VerdictMap { key: vec![Field::Ip4Destination], map: name("map") };
    let base = BaseChain { hook: Hook::Output, priority: 0, policy: Policy::Accept };
    let chain = Chain { base: Some(base), ..Chain::new([Rule::new([dispatch])]) };
    ruleset.chains.insert(name("output"), Arc::new(chain));
    ruleset
}

/// What both rulesets drop, nothing lets through between them.
#[test]
fn what_is_denied_before_and_after_is_denied_in_between() {
    inside("transitions::what_is_denied_before_and_after_is_denied_in_between", || {
        let mut netfilter = Netfilter::open().unwrap();
        let rulesets = ["one", "two"].map(denying);
        netfilter.apply(&rulesets[0]).unwrap();
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        let to = server.local_addr().unwrap();
        let stop = AtomicBool::new(false);
        let sent = std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let client = UdpSocket::bind("127.0.0.1:0").unwrap();
                let mut sent = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    // Fails, for it is dropped where it is sent.
                    let _ = client.send_to(b"?", to);
                    sent += 1;
                }
                sent
            });
            for time in 1..=TIMES {
                netfilter.apply(&rulesets[time % 2]).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            sender.join().unwrap()
        });
        let arrived = std::iter::from_fn(|| server.recv(&mut [0; 8]).ok()).count();
        assert_eq!(arrived, 0, "of {sent} packets in {TIMES} transactions");
    });
}

/// The same holds of a table that a process before made: it becomes this one's own, what is new is made, and then packets
/// are led to it.
#[test]
fn of_a_table_that_is_adopted_what_is_new_is_made_first() {
    inside("transitions::of_a_table_that_is_adopted_what_is_new_is_made_first", || {
        Netfilter::open().unwrap().apply(&denying("one")).unwrap();
        let mut netfilter = Netfilter::open().unwrap();
        // The flags are asked for before the first table of a socket.
        netfilter.apply(&Ruleset::new(name("another"))).unwrap();
        let mut monitor = Monitor::open().unwrap();
        netfilter.apply(&denying("two")).unwrap();
        let generations = std::iter::from_fn(|| monitor.try_next().unwrap());
        let ours = |event: &MonitorEvent| matches!(event, MonitorEvent::Generation(generation) if generation.port == netfilter.port());
        assert_eq!(generations.filter(ours).count(), 3);
    });
}
