//! Random rulesets, one after the other in the kernel.

use std::sync::Arc;

use portolan_netfilter::{Netfilter, Way};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::namespace::inside;
use crate::sample::name;
use crate::{
    BaseChain, Chain, DataType, Field, Hook, Key, KeyRange, Policy, Quoted, Rule, Ruleset, Set,
    Statement, Value, Verdict, VerdictMap,
};

fn v4(last: u8) -> Key {
    Key::new(&[Value::Ipv4([10, 0, 0, last].into())])
}

/// A set with a name by its place: keys or ranges between some bounds, with a comment or without.
fn set() -> impl Strategy<Value = Set> {
    let bounds = proptest::collection::btree_set(any::<u8>(), 0..12);
    (bounds, 0..4_u8).prop_map(|(bounds, form)| {
        let bounds: Vec<u8> = bounds.into_iter().collect();
        let comment = (form & 1 != 0).then(|| Quoted::new("comment").unwrap());
        let keys = bounds.iter().copied().map(v4);
        let ranges =
            bounds.chunks_exact(2).map(|two| KeyRange { first: v4(two[0]), last: v4(two[1]) });
        match form & 2 {
            0 => Set { comment, ..Set::of_keys([DataType::Ipv4], keys) },
            _ => Set { comment, ..Set::of_ranges([DataType::Ipv4], ranges) },
        }
    })
}

/// A verdict to one of the chains behind a place, so that there are no circles.
fn verdict(place: usize, chains: usize) -> impl Strategy<Value = Verdict> {
    (0..5_u8, place + 1..=chains).prop_map(move |(kind, to)| match kind {
        _ if to == chains => Verdict::Drop,
        0 => Verdict::Goto(name(&format!("chain_{to}"))),
        1..3 => Verdict::Jump(name(&format!("chain_{to}"))),
        3 => Verdict::Return,
        _ => Verdict::Accept,
    })
}

/// A rule of the chain at a place, which looks into one of the sets.
fn rule(place: usize, chains: usize, sets: usize) -> impl Strategy<Value = Rule> {
    (0..=sets, verdict(place, chains), any::<bool>()).prop_map(move |(set, verdict, source)| {
        let field = if source { Field::Ip4Source } else { Field::Ip4Destination };
        let lookup = Statement::Lookup { key: vec![field], set: name(&format!("set_{set}")) };
        let lookup = (set < sets).then_some(lookup);
        Rule::new(lookup.into_iter().chain([Statement::Verdict(verdict)]).collect::<Vec<_>>())
    })
}

/// A ruleset of some sets, and chains that lead to later ones by rules and by a map in the first.
fn ruleset() -> impl Strategy<Value = Ruleset> {
    (0..4_usize, 1..5_usize).prop_flat_map(|(sets, chains)| {
        let set = proptest::collection::vec(set(), sets);
        let rules: Vec<_> = (0..chains)
            .map(|place| proptest::collection::vec(rule(place, chains, sets), 0..4))
            .collect();
        let map =
            proptest::collection::btree_map(any::<u8>().prop_map(v4), verdict(0, chains), 0..6);
        (set, rules, map, any::<bool>()).prop_map(|(sets, chains, map, drops)| {
            let mut ruleset = Ruleset::new(name("random"));
            let sets = sets.into_iter().enumerate();
            ruleset.sets =
                sets.map(|(n, set)| (name(&format!("set_{n}")), Arc::new(set))).collect();
            let policy = if drops { Policy::Drop } else { Policy::Accept };
            let base = Some(BaseChain { hook: Hook::Forward, priority: 0, policy });
            for (n, mut rules) in chains.into_iter().enumerate() {
                let dispatch =
                    Statement::VerdictMap { key: vec![Field::Ip4Source], map: name("map") };
                rules.extend((n == 0).then(|| Rule::new([dispatch])));
                let chain = Chain { base: base.filter(|_| n == 0), ..Chain::new(rules) };
                ruleset.chains.insert(name(&format!("chain_{n}")), Arc::new(chain));
            }
            ruleset.maps.insert(name("map"), Arc::new(VerdictMap::new([DataType::Ipv4], map)));
            ruleset
        })
    })
}

/// From each random ruleset to the next there is one transaction, which the kernel takes as it is and after which it
/// holds the next.
#[test]
fn each_ruleset_is_reached_from_the_one_before() {
    inside("edits::each_ruleset_is_reached_from_the_one_before", || {
        let netfilter = std::cell::RefCell::new(Netfilter::open().unwrap());
        netfilter.borrow_mut().apply(&Ruleset::new(name("random"))).unwrap();
        // A case is a transaction that deletes rules, for which the kernel waits until no packet is in them.
        let cases = Config::default().cases / 8;
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new(config);
        let outcome = runner.run(&ruleset(), |ruleset| {
            let mut netfilter = netfilter.borrow_mut();
            prop_assert_eq!(netfilter.apply(&ruleset).unwrap().way, Way::Incremental);
            let there =
                netfilter.read(&ruleset.table).unwrap().map(|observed| observed.into_ruleset());
            prop_assert_eq!(there, Some(ruleset));
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{error}"));
    });
}
