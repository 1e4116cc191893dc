//! A ruleset with one of everything, for tests.

use std::sync::Arc;

use crate::{
    BaseChain, Chain, Comparison, CtState, DataType, Field, Hook, InterfaceName, Key, KeyRange,
    Limit, Log, Name, Policy, Quoted, Rule, Ruleset, Set, Statement, TimeUnit, Value, Verdict,
    VerdictMap, protocol,
};

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn v4(text: &str) -> Value {
    Value::Ipv4(text.parse().unwrap())
}

fn v6(text: &str) -> Value {
    Value::Ipv6(text.parse().unwrap())
}

fn range(first: Value, last: Value) -> KeyRange {
    KeyRange { first: Key::new(&[first]), last: Key::new(&[last]) }
}

/// Returns a ruleset with every kind of object, field, statement, comparison and verdict.
pub(crate) fn everything() -> Ruleset {
    let mut ruleset = Ruleset::new(name("everything"));
    ruleset.sets = sets().into_iter().map(|(n, set)| (name(n), Arc::new(set))).collect();
    ruleset.maps = maps().into_iter().map(|(n, map)| (name(n), Arc::new(map))).collect();
    ruleset.chains = chains().into_iter().map(|(n, chain)| (name(n), Arc::new(chain))).collect();
    ruleset
}

fn sets() -> Vec<(&'static str, Set)> {
    let pods6 = [Key::new(&[v6("fd00::1")]), Key::new(&[v6("::ffff:10.0.0.1")])];
    let pods4 = [Key::new(&[v4("10.0.0.9")]), Key::new(&[v4("10.0.0.10")])];
    let eth0 = Value::Interface(InterfaceName::new("eth0").unwrap());
    let service = |protocol, port| Key::new(&[Value::Protocol(protocol), Value::Port(port)]);
    let ports = [
        KeyRange { first: service(protocol::TCP, 80), last: service(protocol::TCP, 90) },
        KeyRange { first: service(protocol::SCTP, 0), last: service(protocol::SCTP, 65535) },
        KeyRange::one(service(protocol::UDP, 53)),
    ];
    let named =
        |address, port| Key::new(&[address, Value::Protocol(protocol::TCP), Value::Port(port)]);
    let (ipv4, ipv6) = (DataType::Ipv4, DataType::Ipv6);
    let (protocol, port) = (DataType::Protocol, DataType::Port);
    vec![
        ("sel_4", Set::of_keys([ipv4], pods4)),
        (
            "sel_6",
            Set { comment: Some(Quoted::new("web in a").unwrap()), ..Set::of_keys([ipv6], pods6) },
        ),
        ("sel_none", Set::of_keys([ipv4], [])),
        (
            "cidr_4",
            Set::of_ranges(
                [ipv4],
                [
                    range(v4("10.0.0.0"), v4("10.0.0.255")),
                    range(v4("10.0.1.0"), v4("10.0.1.0")),
                    range(v4("192.0.2.1"), v4("255.255.255.255")),
                ],
            ),
        ),
        ("cidr_all4", Set::of_ranges([ipv4], [range(v4("0.0.0.0"), v4("255.255.255.255"))])),
        ("cidr_6", Set::of_ranges([ipv6], [range(v6("::"), v6("2001:db8::ffff"))])),
        ("cidr_none", Set::of_ranges([ipv6], [])),
        ("port_1", Set::of_ranges([protocol, port], ports)),
        ("np_4", Set::of_keys([ipv4, protocol, port], [named(v4("10.0.0.9"), 8080)])),
        ("np_6", Set::of_keys([ipv6, protocol, port], [named(v6("fd00::1"), 8080)])),
        ("self_6", Set::of_keys([ipv6, ipv6], [Key::new(&[v6("fd00::1"), v6("fd00::1")])])),
        ("if_4", Set::of_keys([DataType::Interface, ipv4], [Key::new(&[eth0, v4("10.0.0.9")])])),
    ]
}

fn maps() -> Vec<(&'static str, VerdictMap)> {
    let verdicts = [
        Verdict::Jump(name("p_in")),
        Verdict::Goto(name("p_in")),
        Verdict::Accept,
        Verdict::Drop,
        Verdict::Return,
    ];
    let element = |(last, verdict)| (Key::new(&[Value::Ipv4([10, 0, 0, last].into())]), verdict);
    let map = VerdictMap::new([DataType::Ipv4], (1..).zip(verdicts).map(element));
    vec![
        ("iso_in4", VerdictMap { comment: Some(Quoted::new("by pod").unwrap()), ..map }),
        ("iso_in6", VerdictMap::new([DataType::Ipv6], [])),
    ]
}

fn compare(field: Field, comparison: Comparison) -> Statement {
    Statement::Compare { field, comparison }
}

fn lookup(key: &[Field], set: &str) -> Statement {
    Statement::Lookup { key: key.to_vec(), set: name(set) }
}

fn then(statements: impl IntoIterator<Item = Statement>, verdict: Verdict) -> Rule {
    Rule::new(statements.into_iter().chain([Statement::Verdict(verdict)]).collect::<Vec<_>>())
}

fn chains() -> Vec<(&'static str, Chain)> {
    let base = |hook, priority, policy| Some(BaseChain { hook, priority, policy });
    vec![
        ("forward", Chain { base: base(Hook::Forward, -1, Policy::Accept), ..Chain::new(entry()) }),
        ("input", Chain { base: base(Hook::Input, 10, Policy::Drop), ..Chain::default() }),
        ("output", Chain { base: base(Hook::Output, 0, Policy::Accept), ..Chain::default() }),
        (
            "pre",
            Chain { base: base(Hook::Prerouting, -300, Policy::Accept), ..Chain::new(untracked()) },
        ),
        ("post", Chain { base: base(Hook::Postrouting, 95, Policy::Accept), ..Chain::default() }),
        ("p_in", Chain { comment: Some(Quoted::new("profile").unwrap()), ..Chain::new(profile()) }),
        ("deny_in", Chain::new(deny())),
    ]
}

fn entry() -> Vec<Rule> {
    let known = CtState::ESTABLISHED.or(CtState::RELATED).value();
    let protocol = |number| Statement::is(Field::Protocol, Value::Protocol(number));
    let neighbours = Comparison::Between(Value::Icmp6Type(133), Value::Icmp6Type(137));
    vec![
        then([compare(Field::CtMark, Comparison::AnyBit(Value::Mark(1 << 27)))], Verdict::Drop),
        then([compare(Field::CtState, Comparison::AnyBit(known.clone()))], Verdict::Accept),
        then([compare(Field::CtState, Comparison::NoBit(known))], Verdict::Jump(name("deny_in"))),
        then([protocol(58), compare(Field::Icmp6Type, neighbours)], Verdict::Accept),
        then(
            [protocol(6), compare(Field::TcpFlags, Comparison::NoBit(Value::TcpFlags(2)))],
            Verdict::Drop,
        ),
        Rule::new([Statement::VerdictMap {
            key: vec![Field::Ip4Destination],
            map: name("iso_in4"),
        }]),
        Rule::new([Statement::VerdictMap {
            key: vec![Field::Ip6Destination],
            map: name("iso_in6"),
        }]),
    ]
}

fn untracked() -> Vec<Rule> {
    vec![Rule::new([lookup(&[Field::Ip4Destination], "sel_4"), Statement::NoTrack])]
}

fn profile() -> Vec<Rule> {
    let eth0 = Value::Interface(InterfaceName::new("eth0").unwrap());
    let ports = [Field::Protocol, Field::DestinationPort];
    let high = Comparison::Between(Value::Port(1024), Value::Port(65535));
    let not_self = Comparison::IsNot(v6("fe80::1"));
    let both = [Field::Ip6Source, Field::Ip6Destination];
    vec![
        then([lookup(&[Field::Ip4Source], "sel_4"), lookup(&ports, "port_1")], Verdict::Return),
        then([lookup(&[Field::Ip6Source], "sel_6"), lookup(&ports, "port_1")], Verdict::Return),
        then([lookup(&[Field::Ip4Source], "cidr_4"), Statement::Counter], Verdict::Return),
        then([lookup(&[Field::Ip6Source], "cidr_6")], Verdict::Return),
        then([lookup(&[Field::Ip4Destination, ports[0], ports[1]], "np_4")], Verdict::Return),
        then([lookup(&[Field::Ip6Destination, ports[0], ports[1]], "np_6")], Verdict::Return),
        then([lookup(&both, "self_6")], Verdict::Return),
        then([compare(Field::Ip6Source, not_self), Statement::Trace], Verdict::Return),
        Rule::new([
            Statement::LookupNot {
                key: vec![Field::InputInterface, Field::Ip4Source],
                set: name("if_4"),
            },
            Statement::Verdict(Verdict::Drop),
        ]),
        then([Statement::is(Field::OutputInterface, eth0)], Verdict::Return),
        then([compare(Field::SourcePort, high)], Verdict::Return),
        then([], Verdict::Goto(name("deny_in"))),
    ]
}

fn deny() -> Vec<Rule> {
    let log = Log { group: 100, snaplen: 128, prefix: Quoted::new("in web-1").unwrap() };
    vec![
        Rule::new([
            Statement::Limit(Limit { rate: 10, per: TimeUnit::Second, burst: 20 }),
            Statement::Log(log),
        ]),
        Rule {
            comment: Some(Quoted::new("denied, a/web").unwrap()),
            ..then([Statement::Counter], Verdict::Drop)
        },
    ]
}
