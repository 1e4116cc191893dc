use std::sync::Arc;

use super::*;
use crate::{Chain, Hook, Policy, Set, Statement, Value, VerdictMap, sample};

fn key(last: u8) -> Key {
    Key::new(&[Value::Ipv4([10, 0, 0, last].into())])
}

fn name(text: &str) -> Name {
    sample::name(text)
}

/// A base chain that dispatches by a map to a profile, which looks at a set.
fn small() -> Ruleset {
    let mut ruleset = Ruleset::new(name("t"));
    let lookup = Statement::Lookup { key: vec![crate::Field::Ip4Source], set: name("s") };
    let profile = Chain::new([Rule::new([lookup, Statement::Verdict(Verdict::Return)])]);
    let dispatch =
        Statement::VerdictMap { key: vec![crate::Field::Ip4Destination], map: name("m") };
    let base = BaseChain { hook: Hook::Forward, priority: 0, policy: Policy::Accept };
    let forward = Chain { base: Some(base), ..Chain::new([Rule::new([dispatch])]) };
    ruleset.chains = [(name("p"), Arc::new(profile)), (name("f"), Arc::new(forward))].into();
    ruleset.sets.insert(name("s"), Arc::new(Set::of_keys([DataType::Ipv4], [key(1), key(2)])));
    let map = VerdictMap::new([DataType::Ipv4], [(key(9), Verdict::Jump(name("p")))]);
    ruleset.maps.insert(name("m"), Arc::new(map));
    ruleset
}

fn changes(old: &Ruleset, new: &Ruleset) -> Vec<String> {
    Transaction::between(Some(old), new).changes.iter().map(describe).collect()
}

fn describe(change: &Change) -> String {
    match change {
        Change::AddTable => "add table".to_owned(),
        Change::DeleteTable => "delete table".to_owned(),
        Change::AddSet { name, .. } => format!("add set {name}"),
        Change::DeleteSet(name, SetKind::Verdicts) => format!("delete map {name}"),
        Change::DeleteSet(name, _) => format!("delete set {name}"),
        Change::AddChain { name, .. } => format!("add chain {name}"),
        Change::DeleteChain(name) => format!("delete chain {name}"),
        Change::FlushChain(name) => format!("flush {name}"),
        Change::AddRule { chain, .. } => format!("add rule {chain}"),
        Change::AddElements(change) => format!("add {} to {}", change.elements.len(), change.set),
        Change::DeleteElements(change) => {
            format!("delete {} of {}", change.elements.len(), change.set)
        }
    }
}

#[test]
fn nothing_changes_between_equal_rulesets() {
    assert!(changes(&small(), &small()).is_empty());
    assert!(changes(&sample::everything(), &sample::everything()).is_empty());
}

#[test]
fn one_element_is_one_change() {
    let mut new = small();
    let set = Set::of_keys([DataType::Ipv4], [key(1), key(2), key(3)]);
    new.sets.insert(name("s"), Arc::new(set));
    assert_eq!(changes(&small(), &new), ["add 1 to s"]);
    assert_eq!(changes(&new, &small()), ["delete 1 of s"]);
}

#[test]
fn a_verdict_is_changed_by_deleting_it_first() {
    let mut new = small();
    let map = VerdictMap::new([DataType::Ipv4], [(key(9), Verdict::Drop)]);
    new.maps.insert(name("m"), Arc::new(map));
    assert_eq!(changes(&small(), &new), ["delete 1 of m", "add 1 to m"]);
}

#[test]
fn what_is_gone_is_deleted_when_nothing_uses_it() {
    let old = small();
    let mut new = small();
    new.chains.remove("p");
    new.sets.remove("s");
    let map = VerdictMap::new([DataType::Ipv4], []);
    new.maps.insert(name("m"), Arc::new(map));
    assert_eq!(changes(&old, &new), ["flush p", "delete 1 of m", "delete set s", "delete chain p"]);
    assert_eq!(
        changes(&new, &old),
        ["add set s", "add chain p", "add rule p", "add 2 to s", "add 1 to m"]
    );
}

#[test]
fn a_set_of_other_types_is_replaced_with_the_rules_that_use_it() {
    let mut new = small();
    new.sets.insert(name("s"), Arc::new(Set::of_ranges([DataType::Ipv4], [])));
    assert_eq!(changes(&small(), &new), ["flush p", "delete set s", "add set s", "add rule p"]);
}

#[test]
fn a_chain_with_another_comment_is_replaced_with_the_map_that_leads_to_it() {
    let mut new = small();
    let profile =
        Chain { comment: Some(Quoted::new("x").unwrap()), ..Chain::clone(&new.chains["p"]) };
    new.chains.insert(name("p"), Arc::new(profile));
    assert_eq!(
        changes(&small(), &new),
        [
            "flush f",
            "flush p",
            "delete map m",
            "delete chain p",
            "add set m",
            "add chain p",
            "add rule f",
            "add rule p",
            "add 1 to m",
        ]
    );
}

#[test]
fn the_policy_of_a_base_chain_is_changed_in_place() {
    let mut new = small();
    let base = BaseChain { hook: Hook::Forward, priority: 0, policy: Policy::Drop };
    let forward = Chain { base: Some(base), ..Chain::clone(&new.chains["f"]) };
    new.chains.insert(name("f"), Arc::new(forward));
    assert_eq!(changes(&small(), &new), ["add chain f"]);
}

#[test]
fn a_replacement_begins_with_an_empty_table() {
    let replacing = Transaction::replacing(&small());
    let first: Vec<String> = replacing.changes.iter().take(2).map(describe).collect();
    assert_eq!(first, ["delete table", "add table"]);
    assert_eq!(replacing.elements(), 3);
}
