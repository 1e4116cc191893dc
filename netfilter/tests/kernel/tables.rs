//! Tables: what the kernel holds, as it and `nft` list it.

use std::sync::Arc;

use nft::{Ownership, Transaction};
use portolan_netfilter::{Error, Monitor, MonitorEvent, Netfilter, Way};
use serde_json::Value as Json;

use crate::namespace::{inside, nft, run, try_nft};
use crate::sample::{everything, name};
use crate::{Chain, DataType, Key, KeyRange, Policy, Ruleset, Set, Value, Verdict, VerdictMap};

/// Lists a table as `nft` does, without what differs between two tables of the same content: the numbers of
/// objects, and the flag of the owner, of which `nft` before 1.0.9 knows nothing.
fn list(table: &str) -> Vec<String> {
    let all: Json =
        serde_json::from_str(&run("nft", &["-j", "list", "table", "inet", table])).unwrap();
    let mut lines: Vec<String> = all["nftables"].as_array().unwrap().iter().map(normal).collect();
    lines.sort();
    lines
}

fn normal(object: &Json) -> String {
    let mut object = object.clone();
    for (_, fields) in object.as_object_mut().unwrap() {
        if let Some(fields) = fields.as_object_mut() {
            fields.remove("handle");
            fields
                .remove("flags")
                .filter(|flags| flags.to_string().contains("interval"))
                .map(|flags| fields.insert("flags".to_owned(), flags));
            if let Some(elements) = fields.get_mut("elem").and_then(Json::as_array_mut) {
                elements.sort_by_key(Json::to_string);
            }
        }
    }
    object.to_string()
}

fn read(netfilter: &mut Netfilter, table: &str) -> Option<Ruleset> {
    netfilter.read(&name(table)).unwrap().map(|observed| observed.into_ruleset())
}

/// The ruleset with other elements, chains and rules here and there.
fn something_else() -> Ruleset {
    let mut ruleset = everything();
    let v4 = |last: u8| Key::new(&[Value::Ipv4([10, 0, 0, last].into())]);
    let sel = Set::of_keys([DataType::Ipv4], [v4(9), v4(11)]);
    ruleset.sets.insert(name("sel_4"), Arc::new(sel));
    let range = |first, last| KeyRange { first: v4(first), last: v4(last) };
    let cidr = Set::of_ranges([DataType::Ipv4], [range(0, 100), range(101, 101), range(200, 255)]);
    ruleset.sets.insert(name("cidr_4"), Arc::new(cidr));
    ruleset.sets.insert(name("cidr_none"), Arc::new(Set::of_keys([DataType::Port], [])));
    ruleset.sets.remove("cidr_all4");
    let mut profile = Chain::clone(&ruleset.chains["p_in"]);
    profile.rules.remove(3);
    ruleset.chains.insert(name("p_two"), Arc::new(profile));
    ruleset.sets.remove("cidr_6");
    ruleset.chains.insert(name("p_in"), Arc::new(Chain::new(vec![])));
    let map = [(v4(1), Verdict::Jump(name("p_two"))), (v4(3), Verdict::Drop)];
    ruleset.maps.insert(name("iso_in4"), Arc::new(VerdictMap::new([DataType::Ipv4], map)));
    let mut input = Chain::clone(&ruleset.chains["input"]);
    input.base.as_mut().unwrap().policy = Policy::Accept;
    ruleset.chains.insert(name("input"), Arc::new(input));
    ruleset
}

#[test]
fn the_kernel_holds_what_nft_would_have_sent() {
    inside("tables::the_kernel_holds_what_nft_would_have_sent", || {
        let mut netfilter = Netfilter::open().unwrap();
        for ruleset in [everything(), something_else()] {
            netfilter.apply(&ruleset).unwrap();
            assert_eq!(read(&mut netfilter, "everything").as_ref(), Some(&ruleset));
            let ours = list("everything");
            assert!(netfilter.uninstall(&ruleset.table).unwrap());
            nft(&ruleset.to_string());
            assert_eq!(ours, list("everything"));
            nft("delete table inet everything");
        }
    });
}

#[test]
fn a_change_is_what_its_commands_are_to_nft() {
    inside("tables::a_change_is_what_its_commands_are_to_nft", || {
        let mut netfilter = Netfilter::open().unwrap();
        for (old, new) in [(everything(), something_else()), (something_else(), everything())] {
            netfilter.apply(&old).unwrap();
            let applied = netfilter.apply(&new).unwrap();
            assert_eq!(applied.way, Way::Incremental);
            assert_eq!(read(&mut netfilter, "everything"), Some(new.clone()));
            let ours = list("everything");
            netfilter.uninstall(&new.table).unwrap();
            nft(&old.to_string());
            nft(&Transaction::between(Some(&old), &new).to_string());
            assert_eq!(ours, list("everything"));
            nft("delete table inet everything");
        }
    });
}

#[test]
fn applying_again_changes_nothing() {
    inside("tables::applying_again_changes_nothing", || {
        let mut netfilter = Netfilter::open().unwrap();
        netfilter.apply(&everything()).unwrap();
        let again = netfilter.apply(&everything()).unwrap();
        assert_eq!((again.way, again.changes, again.messages), (Way::Incremental, 0, 0));
        assert!(netfilter.plan(&everything()).unwrap().is_empty());
        let plan = netfilter.plan(&something_else()).unwrap().to_string();
        assert!(plan.contains("delete element inet everything sel_4 { 10.0.0.10, }\n"), "{plan}");
    });
}

#[test]
fn one_element_is_one_message() {
    inside("tables::one_element_is_one_message", || {
        let mut netfilter = Netfilter::open().unwrap();
        netfilter.apply(&everything()).unwrap();
        let mut new = everything();
        let mut set = Set::clone(&new.sets["sel_4"]);
        let nft::Elements::Keys(keys) = &mut set.elements else { panic!("it has keys") };
        keys.insert(Key::from(std::net::Ipv4Addr::new(10, 0, 0, 77)));
        new.sets.insert(name("sel_4"), Arc::new(set));
        let applied = netfilter.apply(&new).unwrap();
        assert_eq!((applied.changes, applied.elements, applied.messages), (1, 1, 1));
        assert_eq!(read(&mut netfilter, "everything"), Some(new));
    });
}

#[test]
fn a_table_outlives_its_socket_and_is_adopted() {
    inside("tables::a_table_outlives_its_socket_and_is_adopted", || {
        let mut first = Netfilter::open().unwrap();
        first.apply(&everything()).unwrap();
        assert!(
            !try_nft("flush ruleset; add rule inet everything p_in drop"),
            "the table has an owner"
        );
        assert_eq!(read(&mut first, "everything"), Some(everything()));
        drop(first);

        let mut second = Netfilter::open().unwrap();
        let adopted = second.apply(&everything()).unwrap();
        assert_eq!((adopted.way, adopted.changes), (Way::Observed, 0));
        assert!(!try_nft("add rule inet everything p_in drop"), "it has an owner again");
        let mut third = Netfilter::open().unwrap();
        let Err(refused) = third.apply(&something_else()) else { panic!("it is the second's") };
        assert!(refused.to_string().contains("no other process may own the table"), "{refused}");
        assert_eq!(read(&mut third, "everything"), Some(everything()));
    });
}

#[test]
fn what_others_did_meanwhile_is_put_right() {
    inside("tables::what_others_did_meanwhile_is_put_right", || {
        let mut first = Netfilter::open().unwrap();
        first.apply(&everything()).unwrap();
        drop(first);
        nft("add rule inet everything p_in masquerade random\n\
             delete element inet everything sel_4 { 10.0.0.9 }\n\
             add set inet everything more { type ipv4_addr; flags timeout; }\n\
             add chain inet everything other\n\
             flush chain inet everything forward");
        let mut second = Netfilter::open().unwrap();
        assert_eq!(second.apply(&everything()).unwrap().way, Way::Observed);
        assert_eq!(read(&mut second, "everything"), Some(everything()));
        drop(second);

        nft("flush ruleset");
        let mut third = Netfilter::open().unwrap();
        third.apply(&everything()).unwrap();
        assert_eq!(read(&mut third, "everything"), Some(everything()));
    });
}

/// Returns the programs that made changes, and whether by the socket of a `Netfilter`.
fn culprits(monitor: &mut Monitor, netfilter: &Netfilter) -> Vec<(String, bool)> {
    let mut culprits = Vec::new();
    while let Some(event) = monitor.try_next().unwrap() {
        let MonitorEvent::Generation(generation) = event else { panic!("events were lost") };
        culprits.push((generation.program, generation.port == netfilter.port()));
    }
    culprits
}

#[test]
fn a_table_that_nobody_owns_is_replaced_by_one_that_is_owned() {
    inside("tables::a_table_that_nobody_owns_is_replaced_by_one_that_is_owned", || {
        let mut netfilter = Netfilter::open().unwrap();
        nft("add table inet everything { chain p_in { drop; }; }");
        assert_eq!(netfilter.apply(&everything()).unwrap().way, Way::Replaced);
        assert_eq!(read(&mut netfilter, "everything"), Some(everything()));
        assert!(!try_nft("add rule inet everything p_in drop"), "it has an owner");
    });
}

#[test]
fn a_change_by_others_is_told_with_their_program_and_repaired() {
    inside("tables::a_change_by_others_is_told_with_their_program_and_repaired", || {
        let mut monitor = Monitor::open().unwrap();
        let mut netfilter = Netfilter::open_as(Ownership::None).unwrap();
        assert_eq!(netfilter.repair(&everything()).unwrap(), None, "nothing was applied");
        netfilter.apply(&everything()).unwrap();
        let ours = culprits(&mut monitor, &netfilter);
        assert!(matches!(&ours[..], [(_, true)]), "{ours:?}");
        assert_eq!(netfilter.repair(&everything()).unwrap().unwrap().changes, 0);
        culprits(&mut monitor, &netfilter);

        for theft in [
            "flush ruleset",
            "delete element inet everything sel_4 { 10.0.0.9 }",
            "insert rule inet everything p_in accept",
            "table inet foreign",
        ] {
            nft(theft);
            assert_eq!(culprits(&mut monitor, &netfilter), [("nft".to_owned(), false)]);
            let repaired = netfilter.repair(&everything()).unwrap().unwrap();
            assert_eq!(
                repaired.changes == 0,
                theft == "table inet foreign",
                "{theft}: {repaired:?}"
            );
            assert_eq!(read(&mut netfilter, "everything"), Some(everything()));
            culprits(&mut monitor, &netfilter);
        }
        nft("flush ruleset");
        assert_eq!(netfilter.apply(&something_else()).unwrap().way, Way::Observed);
        assert_eq!(read(&mut netfilter, "everything"), Some(something_else()));
    });
}

/// Who follows keeps no copy: the changes are taken as they are, and once they were refused, or somebody else came between,
/// the table is listed.
#[test]
fn a_table_is_followed_by_changes_and_listed_after_a_refusal() {
    inside("tables::a_table_is_followed_by_changes_and_listed_after_a_refusal", || {
        let (old, new) = (everything(), something_else());
        let (there, back) =
            (Transaction::between(Some(&old), &new), Transaction::between(Some(&new), &old));
        let mut netfilter = Netfilter::open_as(Ownership::None).unwrap();
        // It has not been told of anything yet, so that changes from it say nothing.
        assert_eq!(netfilter.follow(Some(&back), &old).unwrap().way, Way::Observed);
        for (changes, desired) in [(&there, &new), (&back, &old)] {
            let applied = netfilter.follow(Some(changes), desired).unwrap();
            assert_eq!((applied.way, applied.changes), (Way::Incremental, changes.changes.len()));
            assert_eq!(read(&mut netfilter, "everything").as_ref(), Some(desired));
        }
        let mut owner = Netfilter::open().unwrap();
        owner.apply(&old).unwrap();
        netfilter.follow(Some(&there), &new).unwrap_err();
        assert_eq!(read(&mut netfilter, "everything"), Some(everything()), "as it was");
        netfilter.follow(Some(&back), &old).unwrap_err();
        drop(owner);
        // What was refused is not counted on.
        assert_ne!(netfilter.follow(Some(&there), &new).unwrap().way, Way::Incremental);
        assert_eq!(read(&mut netfilter, "everything"), Some(something_else()));
        nft("flush ruleset");
        assert_eq!(netfilter.follow(Some(&back), &old).unwrap().way, Way::Observed);
        assert_eq!(read(&mut netfilter, "everything"), Some(everything()));
    });
}

#[test]
fn a_refused_transaction_changes_nothing_and_names_the_change() {
    inside("tables::a_refused_transaction_changes_nothing_and_names_the_change", || {
        let mut netfilter = Netfilter::open().unwrap();
        netfilter.apply(&everything()).unwrap();
        let mut new = everything();
        let v4 = |last: u8| Key::new(&[Value::Ipv4([10, 0, 0, last].into())]);
        let range = |first, last| KeyRange { first: v4(first), last: v4(last) };
        let overlapping = Set::of_ranges([DataType::Ipv4], [range(1, 9), range(5, 20)]);
        new.sets.insert(name("cidr_4"), Arc::new(overlapping));
        let Err(Error::Refused(refusal)) = netfilter.apply(&new) else { panic!("ranges overlap") };
        assert_eq!(
            refusal.what,
            "add element inet everything cidr_4 { 10.0.0.1-10.0.0.9, 10.0.0.5-10.0.0.20, }"
        );
        assert_eq!(read(&mut netfilter, "everything"), Some(everything()));
        assert_eq!(netfilter.apply(&something_else()).unwrap().way, Way::Observed);
        assert_eq!(read(&mut netfilter, "everything"), Some(something_else()));
    });
}

#[test]
fn a_large_set_is_sent_and_read_in_parts() {
    inside("tables::a_large_set_is_sent_and_read_in_parts", || {
        let mut ruleset = everything();
        let keys = (0..6000_u32).map(|number| Key::from(std::net::Ipv4Addr::from(number)));
        ruleset.sets.insert(name("large"), Arc::new(Set::of_keys([DataType::Ipv4], keys)));
        let mut netfilter = Netfilter::open().unwrap();
        let applied = netfilter.apply(&ruleset).unwrap();
        assert!(applied.elements > 6000 && applied.messages < 300, "{applied:?}");
        assert_eq!(read(&mut netfilter, "everything"), Some(ruleset));
    });
}
