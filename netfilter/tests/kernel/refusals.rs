//! Rulesets of so many messages that a refusal of each has no room with the socket.

use std::sync::Arc;

use nft::Ownership;
use portolan_netfilter::{Netfilter, Way};

use crate::namespace::{inside, nft};
use crate::sample::{everything, name};
use crate::{Chain, Rule, Ruleset, Statement, Verdict};

/// More messages than twice the room that a socket without privileges may have for answers (`net.core.rmem_max`).
const CHAINS: usize = 2_000;

fn large() -> Ruleset {
    let mut ruleset = Ruleset::new(name("everything"));
    let drop = Rule::new([Statement::Counter, Statement::Verdict(Verdict::Drop)]);
    for number in 0..CHAINS {
        let chain = Chain::new([drop.clone()]);
        ruleset.chains.insert(name(&format!("p_{number}")), Arc::new(chain));
    }
    ruleset
}

fn read(netfilter: &mut Netfilter) -> Option<Ruleset> {
    netfilter.read(&name("everything")).unwrap().map(|observed| observed.into_ruleset())
}

/// Kernels before Linux 6.9 refuse the flags of tables, and with the table every message behind it.
#[test]
fn a_kernel_that_refuses_the_flags_gets_a_large_ruleset_without_them() {
    inside("refusals::a_kernel_that_refuses_the_flags_gets_a_large_ruleset_without_them", || {
        let mut netfilter = Netfilter::open_as(Ownership::Unknown).unwrap();
        let applied = netfilter.apply(&large()).unwrap();
        assert_eq!((applied.way, applied.messages), (Way::Observed, 2 * CHAINS + 1));
        assert_eq!(read(&mut netfilter), Some(large()));

        // The next process finds it, and has no reason to replace it, which would reset counters.
        let mut next = Netfilter::open_as(Ownership::Unknown).unwrap();
        let adopted = next.apply(&large()).unwrap();
        assert_eq!((adopted.way, adopted.changes), (Way::Observed, 0));
    });
}

/// The changes are those of a table that is not there any more, so that each is refused.
#[test]
fn a_large_change_of_a_table_that_others_deleted_is_made_of_what_is_there() {
    inside(
        "refusals::a_large_change_of_a_table_that_others_deleted_is_made_of_what_is_there",
        || {
            let mut netfilter = Netfilter::open_as(Ownership::None).unwrap();
            netfilter.apply(&everything()).unwrap();
            nft("flush ruleset");
            assert_eq!(netfilter.apply(&large()).unwrap().way, Way::Observed);
            assert_eq!(read(&mut netfilter), Some(large()));
        },
    );
}

#[test]
fn a_large_change_of_a_table_of_others_is_refused_for_its_reason() {
    inside("refusals::a_large_change_of_a_table_of_others_is_refused_for_its_reason", || {
        let mut owner = Netfilter::open().unwrap();
        owner.apply(&everything()).unwrap();
        let mut other = Netfilter::open().unwrap();
        for _ in 0..2 {
            let Err(refused) = other.apply(&large()) else { panic!("the table has an owner") };
            let refused = refused.to_string();
            assert!(refused.contains("no other process may own the table"), "{refused}");
            // Answers that had no room, and those that had, are out of the way of the next request.
            assert_eq!(read(&mut other), Some(everything()));
        }
        drop(owner);
        other.apply(&large()).unwrap();
        assert_eq!(read(&mut other), Some(large()));
    });
}
