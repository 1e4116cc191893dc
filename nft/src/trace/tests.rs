use std::sync::Arc;

use super::*;
use crate::{BaseChain, CtState, DataType, KeyRange, Rule, Set, VerdictMap, protocol};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn base(hook: Hook, priority: i32, policy: Policy, rules: Vec<Rule>) -> Chain {
    Chain { base: Some(BaseChain { hook, priority, policy }), ..Chain::new(rules) }
}

fn verdict(verdict: Verdict) -> Rule {
    Rule::new([Statement::Verdict(verdict)])
}

fn port_is(port: u16, then: Verdict) -> Rule {
    Rule::new([
        Statement::is(Field::DestinationPort, Value::Port(port)),
        Statement::Counter,
        Statement::Verdict(then),
    ])
}

fn ruleset(chains: Vec<(&str, Chain)>) -> Ruleset {
    let mut ruleset = Ruleset::new(name("t"));
    ruleset.chains = chains.into_iter().map(|(n, chain)| (name(n), Arc::new(chain))).collect();
    ruleset
}

fn udp(port: u16) -> Packet {
    let destination = format!("10.0.0.2:{port}").parse().unwrap();
    Packet::between(protocol::UDP, "10.0.0.1:9".parse().unwrap(), destination)
}

fn decided(verdict: Policy, chain: &str, rule: Option<usize>) -> Result<Decision, TraceError> {
    Ok(Decision { verdict, chain: Some(name(chain)), rule })
}

#[test]
fn without_a_base_chain_at_the_hook_everything_passes() {
    let rules = ruleset(vec![("in", base(Hook::Input, 0, Policy::Drop, vec![]))]);
    let passes = Decision { verdict: Policy::Accept, chain: None, rule: None };
    assert_eq!(trace(&rules, Hook::Forward, &udp(1)), Ok(passes));
    assert_eq!(trace(&rules, Hook::Input, &udp(1)), decided(Policy::Drop, "in", None));
}

#[test]
fn every_base_chain_has_to_let_a_packet_pass() {
    let first = base(Hook::Forward, -1, Policy::Accept, vec![port_is(2, Verdict::Drop)]);
    let second = base(Hook::Forward, 5, Policy::Drop, vec![port_is(1, Verdict::Accept)]);
    // By name the second would come first.
    let rules = ruleset(vec![("z", first), ("a", second)]);
    assert_eq!(trace(&rules, Hook::Forward, &udp(1)), decided(Policy::Accept, "a", Some(0)));
    assert_eq!(trace(&rules, Hook::Forward, &udp(2)), decided(Policy::Drop, "z", Some(0)));
    assert_eq!(trace(&rules, Hook::Forward, &udp(3)), decided(Policy::Drop, "a", None));
}

#[test]
fn return_goes_behind_the_jump_also_from_a_goto() {
    let chains = vec![
        (
            "forward",
            base(
                Hook::Forward,
                0,
                Policy::Accept,
                vec![verdict(Verdict::Jump(name("one"))), port_is(1, Verdict::Drop)],
            ),
        ),
        ("one", Chain::new([verdict(Verdict::Goto(name("two"))), verdict(Verdict::Drop)])),
        ("two", Chain::new([port_is(1, Verdict::Return), port_is(2, Verdict::Drop)])),
    ];
    let rules = ruleset(chains);
    assert_eq!(trace(&rules, Hook::Forward, &udp(1)), decided(Policy::Drop, "forward", Some(1)));
    assert_eq!(trace(&rules, Hook::Forward, &udp(2)), decided(Policy::Drop, "two", Some(1)));
    assert_eq!(trace(&rules, Hook::Forward, &udp(3)), decided(Policy::Accept, "forward", None));
}

#[test]
fn sets_and_maps_are_asked_with_the_packets_key() {
    let key = |address: [u8; 4], port| Key::new(&[Value::Ipv4(address.into()), Value::Port(port)]);
    let fields = vec![Field::Ip4Source, Field::DestinationPort];
    let types = [DataType::Ipv4, DataType::Port];
    let range = KeyRange { first: key([10, 0, 0, 0], 1), last: key([10, 0, 0, 255], 9) };
    let chain = base(
        Hook::Forward,
        0,
        Policy::Drop,
        vec![
            Rule::new([Statement::VerdictMap { key: fields.clone(), map: name("m") }]),
            Rule::new([
                Statement::Lookup { key: fields.clone(), set: name("s") },
                Statement::Verdict(Verdict::Accept),
            ]),
            Rule::new([
                Statement::LookupNot { key: vec![Field::Ip6Source], set: name("six") },
                Statement::Verdict(Verdict::Accept),
            ]),
        ],
    );
    let mut rules = ruleset(vec![("c", chain)]);
    rules.sets.insert(name("s"), Arc::new(Set::of_ranges(types, [range])));
    rules.sets.insert(name("six"), Arc::new(Set::of_keys([DataType::Ipv6], [])));
    let map = VerdictMap::new(types, [(key([10, 0, 0, 1], 5), Verdict::Drop)]);
    rules.maps.insert(name("m"), Arc::new(map));

    assert_eq!(trace(&rules, Hook::Forward, &udp(5)), decided(Policy::Drop, "c", Some(0)));
    assert_eq!(trace(&rules, Hook::Forward, &udp(6)), decided(Policy::Accept, "c", Some(1)));
    assert_eq!(
        trace(&rules, Hook::Forward, &udp(10)),
        decided(Policy::Drop, "c", None),
        "a key that the packet does not have is not outside of the set either"
    );
}

#[test]
fn comparisons_are_those_of_their_names() {
    let six = Value::Port(6);
    for (comparison, matching) in [
        (Comparison::Is(six.clone()), vec![6]),
        (Comparison::IsNot(six.clone()), vec![4, 5, 7]),
        (Comparison::Between(Value::Port(5), six), vec![5, 6]),
    ] {
        let compare = Statement::Compare { field: Field::DestinationPort, comparison };
        let rule = Rule::new([compare, Statement::Verdict(Verdict::Drop)]);
        let rules = ruleset(vec![("c", base(Hook::Forward, 0, Policy::Accept, vec![rule]))]);
        let drops = |port: &u16| trace(&rules, Hook::Forward, &udp(*port)).unwrap().rule.is_some();
        assert_eq!([4, 5, 6, 7].into_iter().filter(drops).collect::<Vec<_>>(), matching);
    }
}

#[test]
fn bits_are_compared_alone() {
    let established = CtState::ESTABLISHED.or(CtState::RELATED).value();
    for (comparison, drops) in [
        (Comparison::AnyBit(established.clone()), [true, true, false]),
        (Comparison::NoBit(established), [false, false, true]),
    ] {
        let compare = Statement::Compare { field: Field::CtState, comparison };
        let rule = Rule::new([compare, Statement::Verdict(Verdict::Drop)]);
        let rules = ruleset(vec![("c", base(Hook::Forward, 0, Policy::Accept, vec![rule]))]);
        let states = [CtState::ESTABLISHED, CtState::RELATED, CtState::NEW];
        let dropped = states.map(|state| {
            trace(&rules, Hook::Forward, &Packet { state, ..udp(1) }).unwrap().rule.is_some()
        });
        assert_eq!(dropped, drops);
    }
}

#[test]
fn what_the_kernel_refuses_is_an_error() {
    let jump =
        |to: &str| base(Hook::Forward, 0, Policy::Accept, vec![verdict(Verdict::Jump(name(to)))]);
    let forward = |rules: &Ruleset| trace(rules, Hook::Forward, &udp(1));
    assert_eq!(forward(&ruleset(vec![("c", jump("x"))])), Err(TraceError::NoChain(name("x"))));
    let circle = Chain::new([verdict(Verdict::Goto(name("x")))]);
    assert_eq!(
        forward(&ruleset(vec![("c", jump("x")), ("x", circle)])),
        Err(TraceError::TooDeep(name("x")))
    );
    let lookup = Statement::Lookup { key: vec![Field::Ip4Source], set: name("s") };
    let chain = base(Hook::Forward, 0, Policy::Accept, vec![Rule::new([lookup])]);
    assert_eq!(forward(&ruleset(vec![("c", chain)])), Err(TraceError::NoSet(name("s"))));
}
