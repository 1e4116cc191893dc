use super::*;
use crate::message::body;
use crate::uapi::message;
use crate::{Ownership, Transaction, sample};

/// Reads a transaction's messages as if the kernel had listed them.
fn observe(ruleset: &Ruleset) -> Observed {
    let mut observed = Observed::new(ruleset.table.clone());
    for message in Transaction::between(None, ruleset).messages(Ownership::None) {
        match message.kind {
            message::NEW_CHAIN => observed.take_chain(&message.body),
            message::NEW_SET => observed.take_set(&message.body),
            message::NEW_SET_ELEM => observed.take_elements(&message.body),
            message::NEW_RULE => observed.take_rule(&message.body),
            other => assert_eq!(other, message::NEW_TABLE),
        }
    }
    observed
}

#[test]
fn a_ruleset_comes_back_from_its_messages() {
    let ruleset = sample::everything();
    let read = observe(&ruleset).into_ruleset();
    assert_eq!(read.to_string(), ruleset.to_string());
    assert_eq!(read, ruleset);
}

#[test]
fn ranges_that_touch_stay_apart() {
    let key = |port| Key::new(&[crate::Value::Port(port)]);
    let range = |first, last| KeyRange { first: key(first), last: key(last) };
    let ranges = [range(0, 0), range(1, 79), range(80, 80), range(65535, 65535)];
    let mut ruleset = Ruleset::new(sample::name("t"));
    ruleset.sets.insert(sample::name("s"), Arc::new(Set::of_ranges([DataType::Port], ranges)));
    assert_eq!(observe(&ruleset).into_ruleset(), ruleset);
}

#[test]
fn what_no_transaction_makes_differs_from_every_ruleset() {
    let ruleset = sample::everything();
    let mut observed = observe(&ruleset);
    let mut rule = body();
    rule.text(rule::TABLE, "everything");
    rule.text(rule::CHAIN, "p_in");
    rule.nested(rule::EXPRESSIONS, |to| {
        to.nested(crate::uapi::LIST_ELEM, |to| to.text(1, "masq"));
    });
    observed.take_rule(&rule.finish());
    let mut set = body();
    set.text(set::NAME, "sel_4");
    set.u32(set::FLAGS, 0x10);
    set.u32(set::KEY_TYPE, 7);
    observed.take_set(&set.finish());
    let read = observed.into_ruleset();
    assert_eq!(read.chains["p_in"].rules.last(), Some(&Rule::default()));
    assert_eq!(read.sets["sel_4"].key, [], "it has timeouts");
}

#[test]
fn messages_that_are_cut_off_are_no_panic() {
    for message in Transaction::between(None, &sample::everything()).messages(Ownership::None) {
        for cut in 0..message.body.len() {
            let mut observed = Observed::new(sample::name("everything"));
            observed.take_chain(&message.body[..cut]);
            observed.take_set(&message.body[..cut]);
            observed.take_elements(&message.body[..cut]);
            observed.take_rule(&message.body[..cut]);
        }
    }
}
