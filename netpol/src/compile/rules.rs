//! The chain of a profile.
//!
//! ```text
//! chain ingress4_ID {
//!     ip saddr . ip daddr @self4 return
//!     meta l4proto tcp th dport 80 ip saddr @pods4_ID return
//!     meta l4proto tcp th dport @ports_ID ip saddr @cidr4_ID return
//!     ip daddr . meta l4proto . th dport @named4_ID ip saddr @pods4_ID return
//!     limit rate 10/second burst 10 packets log prefix "ingress4_ID" group 1 snaplen 128
//!     counter drop
//! }
//! ```
//!
//! What is allowed returns to the base chain, which asks for the other direction. Protocols are compared before ports,
//! because the octets of a port are something else in other protocols.

use nft::{
    Chain, Comparison, Field, Limit, Log, Name, Quoted, Rule, Statement, TimeUnit, Value, Verdict,
};

use super::objects::{Scope, Wanted, WantedSets};
use super::ports::{Ports, protocol_number};
use super::profile::Allowed;
use super::ranges::Ranges;
use super::skeleton::own_pairs;
use super::{Family, Mode};
use crate::{Direction, LogOptions};

/// The octets of a packet that are logged: headers, extension headers of IPv6 included.
const SNAPLEN: u32 = 128;

/// What the chain of a profile is made for.
pub(super) struct Frame<'a> {
    pub(super) direction: Direction,
    pub(super) family: Family,
    pub(super) mode: Mode,
    pub(super) log: Option<LogOptions>,
    /// The name of the chain, which log lines begin with.
    pub(super) name: &'a Name,
}

/// Writes the chain of a profile, and adds the sets that it looks things up in.
pub(super) fn chain(allowed: &Allowed, frame: &Frame<'_>, sets: &mut WantedSets) -> Chain {
    let mut rules = vec![own_pairs(frame.family)];
    let peer = frame.family.peer(frame.direction);
    let lookup = |set| vec![Statement::Lookup { key: vec![peer], set }];
    allow(&mut rules, &allowed.anyone, &[], frame, sets);
    for (selection, ports) in &allowed.pods {
        let from = lookup(want(sets, Wanted::Pods(selection.clone(), frame.family)));
        allow(&mut rules, ports, &from, frame, sets);
    }
    for (ports, ranges) in &allowed.blocks {
        let from = lookup(want(sets, Wanted::Blocks(ranges.clone(), frame.family)));
        allow(&mut rules, ports, &from, frame, sets);
    }
    // Behind a rule that allows everything, nothing is reached.
    if allowed.anyone != Ports::All {
        rules.extend(frame.log.map(|options| log(options, frame.name)));
        rules.push(Rule::new([Statement::Counter, Statement::Verdict(frame.mode.end())]));
    }
    Chain::new(rules)
}

/// Adds the rules that allow ports with a peer, which `from` compares.
fn allow(
    rules: &mut Vec<Rule>,
    ports: &Ports,
    from: &[Statement],
    frame: &Frame<'_>,
    sets: &mut WantedSets,
) {
    let mut add = |mut statements: Vec<Statement>| {
        statements.extend_from_slice(from);
        statements.push(Statement::Verdict(Verdict::Return));
        rules.push(Rule::new(statements));
    };
    let Ports::Some(set) = ports else { return add(Vec::new()) };
    for (protocol, ranges) in &set.numbers {
        let protocol = Value::Protocol(protocol_number(*protocol));
        let mut statements = vec![Statement::is(Field::Protocol, protocol)];
        statements.extend(numbers(ranges, sets));
        add(statements);
    }
    if !set.names.is_empty() {
        let scope = match frame.direction {
            Direction::Ingress => Scope::Node,
            Direction::Egress => Scope::Cluster,
        };
        let key = vec![frame.family.destination(), Field::Protocol, Field::DestinationPort];
        let named = Wanted::Named(set.names.clone(), scope, frame.family);
        add(vec![Statement::Lookup { key, set: want(sets, named) }]);
    }
}

/// Returns what compares the port; none when every port is meant.
fn numbers(ranges: &Ranges, sets: &mut WantedSets) -> Option<Statement> {
    let port = |number: u128| Value::Port(u16::try_from(number).unwrap_or(u16::MAX));
    let field = Field::DestinationPort;
    let all: Vec<(u128, u128)> = ranges.iter().collect();
    match all[..] {
        [(0, last)] if last == u128::from(u16::MAX) => None,
        [(first, last)] if first == last => Some(Statement::is(field, port(first))),
        [(first, last)] => {
            let comparison = Comparison::Between(port(first), port(last));
            Some(Statement::Compare { field, comparison })
        }
        _ => Some(Statement::Lookup {
            key: vec![field],
            set: want(sets, Wanted::Ports(ranges.clone())),
        }),
    }
}

/// Adds a set, and returns its name.
fn want(sets: &mut WantedSets, wanted: Wanted) -> Name {
    let name = wanted.name();
    sets.entry(name.clone()).or_insert(wanted);
    name
}

fn log(options: LogOptions, name: &Name) -> Rule {
    let limit =
        Limit { rate: options.per_second.into(), per: TimeUnit::Second, burst: options.per_second };
    let prefix = Quoted::lossy(name.as_str());
    let log = Log { group: options.group, snaplen: SNAPLEN, prefix };
    Rule::new([Statement::Limit(limit), Statement::Log(log)])
}
