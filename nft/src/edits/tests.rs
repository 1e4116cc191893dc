use proptest::prelude::*;

use super::*;
use crate::{DataType, Field, Rule, Statement, Value, sample};

/// What an edit does, with the number of its object and, of a set or map, that of a key.
#[derive(Clone, Copy, Debug)]
enum Edit {
    PutSet(u8, u8),
    TakeSet(u8),
    PutChain(u8),
    TakeChain(u8),
    SetKey(u8, u8, bool),
    SetVerdict(u8, Option<u8>),
}

fn name(kind: &str, number: u8) -> Name {
    sample::name(&format!("{kind}_{number}"))
}

fn key(last: u8) -> Key {
    Key::new(&[Value::Ipv4([10, 0, 0, last].into())])
}

/// A chain is what its name says: it looks into the set of its number.
fn chain(number: u8) -> Arc<Chain> {
    let lookup = Statement::Lookup { key: vec![Field::Ip4Source], set: name("set", number) };
    Arc::new(Chain::new([Rule::new([lookup, Statement::Verdict(Verdict::Return)])]))
}

/// A set of the keys that are the bits of a number.
fn set(bits: u8) -> Arc<Set> {
    let keys = (0..8).filter(|bit| bits & (1 << bit) != 0).map(key);
    Arc::new(Set::of_keys([DataType::Ipv4], keys))
}

fn start() -> Ruleset {
    let mut ruleset = Ruleset::new(sample::name("t"));
    let map = VerdictMap::new([DataType::Ipv4], [(key(1), Verdict::Jump(name("chain", 1)))]);
    ruleset.maps.insert(name("map", 0), Arc::new(map));
    ruleset.chains.insert(name("chain", 1), chain(1));
    ruleset.sets.extend((0..3).map(|number| (name("set", number), set(number))));
    ruleset
}

fn apply(edit: Edit, edits: &mut Edits, ruleset: &mut Ruleset) {
    match edit {
        Edit::PutSet(number, bits) => edits.put_set(ruleset, &name("set", number), set(bits)),
        Edit::TakeSet(number) => edits.take_set(ruleset, &name("set", number)),
        Edit::PutChain(number) => edits.put_chain(ruleset, &name("chain", number), chain(number)),
        Edit::TakeChain(number) => drop(edits.take_chain(ruleset, &name("chain", number))),
        Edit::SetKey(number, last, is_in) => {
            edits.set_key(ruleset, &name("set", number), key(last), is_in);
        }
        Edit::SetVerdict(last, to) => {
            let verdict = to.map(|number| Verdict::Jump(name("chain", number)));
            edits.set_verdict(ruleset, &name("map", 0), key(last), verdict);
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let number = 0..4_u8;
    prop_oneof![
        1 => (number.clone(), any::<u8>()).prop_map(|(number, bits)| Edit::PutSet(number, bits)),
        1 => number.clone().prop_map(Edit::TakeSet),
        1 => number.clone().prop_map(Edit::PutChain),
        1 => number.clone().prop_map(Edit::TakeChain),
        4 => (number.clone(), 0..8_u8, any::<bool>()).prop_map(|(n, last, is_in)| Edit::SetKey(n, last, is_in)),
        3 => (0..4_u8, proptest::option::of(number)).prop_map(|(last, to)| Edit::SetVerdict(last, to)),
    ]
}

proptest! {
    #[test]
    fn edits_come_to_the_transaction_between_the_rulesets(
        rounds in prop::collection::vec(prop::collection::vec(edit(), 0..12), 1..4),
    ) {
        let (mut ruleset, mut edits) = (start(), Edits::default());
        for round in rounds {
            let before = ruleset.clone();
            for edit in round {
                apply(edit, &mut edits, &mut ruleset);
            }
            let whole = Transaction::between(Some(&before), &ruleset);
            prop_assert_eq!(edits.finish(&ruleset), whole);
        }
    }
}

#[test]
fn what_is_edited_back_is_no_change() {
    let (mut ruleset, mut edits) = (start(), Edits::default());
    let back = [
        Edit::SetKey(1, 5, true),
        Edit::SetVerdict(1, None),
        Edit::TakeChain(1),
        Edit::PutSet(2, 2),
        Edit::PutChain(1),
        Edit::SetVerdict(1, Some(1)),
        Edit::SetKey(1, 5, false),
    ];
    back.into_iter().for_each(|edit| apply(edit, &mut edits, &mut ruleset));
    assert_eq!(ruleset, start());
    assert!(edits.finish(&ruleset).is_empty());
}

/// A transaction costs what was edited: nothing else of the ruleset is looked at or copied.
#[test]
fn an_edit_of_one_key_copies_no_set() {
    let (mut ruleset, mut edits) = (start(), Edits::default());
    let places: Vec<_> = ruleset.sets.values().map(Arc::as_ptr).collect();
    apply(Edit::SetKey(1, 5, true), &mut edits, &mut ruleset);
    assert_eq!(edits.finish(&ruleset).elements(), 1);
    assert_eq!(ruleset.sets.values().map(Arc::as_ptr).collect::<Vec<_>>(), places);
}
