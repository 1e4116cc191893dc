//! Rulesets of random NetworkPolicies, one after the other in the kernel: whatever netpol compiles, the kernel takes
//! as the change from anything else that it compiles, and gives back when it is asked.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

extern crate netpol as portolan_netpol;

use std::cell::RefCell;

use nft::Ruleset;
use portolan_netfilter::{Netfilter, Way};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[path = "kernel/namespace.rs"]
#[expect(dead_code, reason = "nothing is given to nft here")]
mod namespace;
#[path = "../../netpol/tests/random/mod.rs"]
mod random;

#[test]
fn compiled_rulesets_are_reached_from_one_another_and_read_back() {
    namespace::inside("compiled_rulesets_are_reached_from_one_another_and_read_back", || {
        let netfilter = RefCell::new(Netfilter::open().unwrap());
        let empty = Ruleset::new(nft::Name::new(netpol::TABLE).unwrap());
        netfilter.borrow_mut().apply(&empty).unwrap();
        // A case is a transaction that deletes rules, for which the kernel waits until no packet is in them.
        let cases = Config::default().cases / 4;
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(
            &(random::objects(), random::options()),
            |(objects, options)| {
                let ruleset = netpol::compile(&random::cluster(objects), "n1", &options).ruleset;
                let mut netfilter = netfilter.borrow_mut();
                prop_assert_eq!(netfilter.apply(&ruleset).unwrap().way, Way::Incremental);
                prop_assert!(netfilter.plan(&ruleset).unwrap().is_empty());
                let there = netfilter.read(&ruleset.table).unwrap();
                prop_assert_eq!(there.map(|observed| observed.into_ruleset()), Some(ruleset));
                Ok(())
            },
        );
        outcome.unwrap_or_else(|error| panic!("{error}"));
    });
}
