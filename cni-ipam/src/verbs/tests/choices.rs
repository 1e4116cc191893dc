//! Which address an attachment gets.

use std::collections::BTreeSet;

use super::*;

fn subnet(subnet: &str) -> Value {
    json!({"ranges": [[{"subnet": subnet}]]})
}

#[test]
fn subnets_of_every_size_give_their_addresses() {
    for (subnet_text, first, second) in [
        ("10.0.0.0/8", "10.0.0.2", Some("10.0.0.3")),
        ("10.0.0.0/30", "10.0.0.2", None),
        ("10.0.0.4/31", "10.0.0.5", None),
        ("10.0.0.4/32", "10.0.0.4", None),
        ("fd00::/64", "fd00::2", Some("fd00::3")),
        ("fd00::4/128", "fd00::4", None),
        ("fd00::/16", "fd00::2", Some("fd00::3")),
    ] {
        let host = Host::new(subnet(subnet_text));
        assert_eq!(host.add("a"), [first], "{subnet_text}");
        match second {
            Some(second) => assert_eq!(host.add("b"), [second], "{subnet_text}"),
            None => assert_eq!(
                host.try_add(&call("b")).map_err(|failure| code(&failure)),
                Err(11),
                "{subnet_text}"
            ),
        }
        host.assert_sound();
    }
}

/// The search for a free address goes around, and what was freed a short while ago comes last.
#[test]
fn a_freed_address_is_left_alone_until_nothing_else_is_left() {
    let mut host = Host::new(json!({"ranges": [[{"subnet": "10.0.0.0/29"}]], "quarantine": 60}));
    for (container, address) in [("a", "10.0.0.2"), ("b", "10.0.0.3"), ("c", "10.0.0.4")] {
        assert_eq!(host.add(container), [address]);
    }
    host.del("b");
    host.later(1);
    host.del("a");
    assert_eq!(host.add("d"), ["10.0.0.5"]);
    assert_eq!(host.add("e"), ["10.0.0.6"]);
    // Only the two in quarantine are left: the one that was freed first yields.
    assert_eq!(host.add("f"), ["10.0.0.3"]);
    host.del("d");
    host.later(59);
    // That of a is over now, that of d is not.
    assert_eq!(host.add("g"), ["10.0.0.2"]);
    assert_eq!(host.add("h"), ["10.0.0.5"]);
    assert_eq!(code(&host.try_add(&call("i")).unwrap_err()), 11);
    host.assert_sound();
}

#[test]
fn exclusions_gateway_and_ends_are_never_given() {
    let host = Host::new(json!({
        "exclude": ["10.0.0.5-10.0.0.6"],
        "ranges": [[{"subnet": "10.0.0.0/28", "gateway": "10.0.0.3", "exclude": ["10.0.0.8/30", "10.0.0.1"]}]],
    }));
    let given: Vec<String> = (0..6).flat_map(|at| host.add(&format!("c{at}"))).collect();
    let last = |address: &String| address.rsplit('.').next().unwrap().to_owned();
    assert_eq!(given.iter().map(last).collect::<Vec<_>>(), ["2", "4", "7", "12", "13", "14"]);
    let failure = host.try_add(&call("more")).unwrap_err();
    assert!(failure.to_string().contains("6 held and 0 released of 6 addresses"), "{failure}");
}

#[test]
fn requested_addresses_are_given_or_refused() {
    let host =
        Host::new(json!({"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "fd00::/64"}]]}));
    assert_eq!(host.add_with("a", "IP=10.0.0.77").unwrap(), ["10.0.0.77", "fd00::2"]);
    assert_eq!(code(&host.add_with("b", "IP=10.0.0.77").unwrap_err()), 100);
    assert_eq!(code(&host.add_with("b", "IP=10.0.0.1").unwrap_err()), 7);
    assert_eq!(code(&host.add_with("b", "IP=10.9.9.9").unwrap_err()), 7);
    assert_eq!(code(&host.add_with("b", "IP=nothing").unwrap_err()), 4);
    // The same attachment asks for the same, or for another one.
    assert_eq!(host.add_with("a", "IP=10.0.0.77/24").unwrap(), ["10.0.0.77", "fd00::2"]);
    assert_eq!(code(&host.add_with("a", "IP=10.0.0.78").unwrap_err()), 103);
    // One that was freed a moment ago is given to who asks for it.
    host.del("a");
    assert_eq!(host.add_with("c", "IP=10.0.0.77").unwrap(), ["10.0.0.77", "fd00::3"]);
    // What failed has left nothing behind.
    assert_eq!(host.held().len(), 2);
    host.assert_sound();
}

#[test]
fn an_attachment_gets_the_same_address_again() {
    let host = Host::new(subnet("10.0.0.0/24"));
    assert_eq!(host.add("a"), host.add("a"));
    assert_eq!(host.held(), [("a".to_owned(), "10.0.0.2".to_owned())]);
}

#[test]
fn a_pod_gets_the_address_that_it_had_if_that_is_asked_for() {
    let pod = "IgnoreUnknown=1;K8S_POD_NAMESPACE=alpha;K8S_POD_NAME=db-0;K8S_POD_UID=u";
    for (is_sticky, expected) in [(true, "10.0.0.2"), (false, "10.0.0.4")] {
        let mut host = Host::new(
            json!({"ranges": [[{"subnet": "10.0.0.0/24"}]], "sticky": is_sticky, "stickyFor": 7200}),
        );
        assert_eq!(host.add_with("one", pod).unwrap(), ["10.0.0.2"]);
        host.del("one");
        host.later(3600);
        assert_eq!(host.add("other"), ["10.0.0.3"]);
        assert_eq!(host.add_with("two", pod).unwrap(), [expected]);
        host.assert_sound();
    }
}

#[test]
fn pools_are_chosen_by_annotation_then_by_namespace() {
    let mut host = Host::new(json!({
        "subnet": "10.9.0.0/24",
        "pools": [
            {"name": "blue", "ranges": [[{"subnet": "10.1.0.0/24"}]], "namespaces": ["alpha"]},
            {"name": "green", "ranges": [[{"subnet": "10.2.0.0/24"}]], "routes": [{"dst": "10.0.0.0/8"}]},
        ],
    }));
    assert_eq!(host.add("a"), ["10.9.0.2"]);
    assert_eq!(host.add_with("b", "K8S_POD_NAMESPACE=alpha").unwrap(), ["10.1.0.2"]);
    assert_eq!(host.add_with("c", "K8S_POD_NAMESPACE=beta").unwrap(), ["10.9.0.3"]);
    let annotations = |pool: &str| json!({"runtimeConfig": {"io.kubernetes.cri.pod-annotations": {"portolan.dev/ipam-pool": pool}}});
    host.more = annotations("green");
    assert_eq!(host.add_with("d", "K8S_POD_NAMESPACE=alpha").unwrap(), ["10.2.0.2"]);
    host.more = annotations("red");
    let failure = host.try_add(&call("e")).unwrap_err();
    assert_eq!(code(&failure), 7);
    assert!(failure.to_string().contains("blue, green"), "{failure}");
    host.assert_sound();
}

#[test]
fn without_ranges_the_blocks_of_the_node_are_used() {
    let mut host = Host::new(json!({"type": "portolan-ipam"}));
    let failure = host.try_add(&call("a")).unwrap_err();
    assert!(code(&failure) == 7 && failure.to_string().contains("node-blocks.json"), "{failure}");
    assert_eq!(code(&host.status().unwrap_err()), 50);
    fs::write(&host.site.node_blocks, r#"{"blocks": ["fd00:7::/64", {"cidr": "10.244.7.0/24"}]}"#)
        .unwrap();
    assert_eq!(host.add("a"), ["10.244.7.2", "fd00:7::2"]);
    host.status().unwrap();
    host.ipam = json!({"exclude": ["10.244.7.3"]});
    assert_eq!(host.add("x"), ["10.244.7.4", "fd00:7::3"]);
    host.del("x");
    // A second block is used when the first is full, and the store follows.
    fs::write(&host.site.node_blocks, r#"{"blocks": ["10.244.7.0/30", "10.244.9.0/30"]}"#).unwrap();
    assert_eq!(host.add("b"), ["10.244.9.2"]);
    assert_eq!(code(&host.try_add(&call("c")).unwrap_err()), 11);
    assert_eq!(code(&host.status().unwrap_err()), 50);
    host.assert_sound();
}

#[test]
fn ranges_may_change_while_addresses_are_held() {
    let mut host = Host::new(subnet("10.0.0.0/24"));
    for at in 0..70 {
        host.add(&format!("c{at}"));
    }
    host.ipam = json!({"ranges": [[{"subnet": "10.0.0.0/16", "rangeStart": "10.0.0.60", "rangeEnd": "10.0.0.90"}]]});
    assert_eq!(host.add("new"), ["10.0.0.72"]);
    // An attachment whose address is no longer in a range gets another one, and keeps the old one until DEL.
    assert_eq!(host.add("c0"), ["10.0.0.73"]);
    host.ipam = subnet("10.7.0.0/24");
    host.del("c1");
    host.check("c2").unwrap();
    assert_eq!(host.held().len(), 71);
    host.del("c0");
    assert_eq!(host.held().len(), 69);
    host.assert_sound();
}

/// The store knows the shorter range, too, and some released addresses stand in its queue.
#[test]
fn a_range_that_was_shorter_for_a_while_gives_out_all_its_addresses_again() {
    let range = |end: u8| json!({"subnet": "10.9.0.0/28", "rangeEnd": format!("10.9.0.{end}"), "quarantine": 0});
    let mut host = Host::new(range(14));
    for (end, container) in [(14, "a"), (12, "b"), (14, "c")] {
        host.ipam = range(end);
        host.add(container);
        host.del(container);
    }
    let all: Vec<String> = (1..=13).map(|at| format!("c{at}")).collect();
    for round in 1..=3 {
        let given: BTreeSet<String> =
            all.iter().flat_map(|container| host.add(container)).collect();
        assert_eq!(given.len(), 13, "round {round}");
        let failure = host.try_add(&call("more")).unwrap_err();
        assert!(failure.to_string().contains("13 held and 0 released of 13"), "{failure}");
        all.iter().for_each(|container| host.del(container));
        host.status().unwrap();
        host.assert_sound();
    }
    // Each range counts its own addresses, wherever they are remembered.
    let ranges = tools::usage(&host.site).unwrap().remove(0).1;
    let counts: Vec<(u64, u64)> = ranges.iter().map(|it| (it.held, it.released)).collect();
    assert_eq!(counts, [(0, 11), (0, 13)]);
}

/// The pool of some namespaces is a part of the subnet that all others have.
#[test]
fn a_pool_inside_of_another_gives_out_its_addresses_again() {
    let mut host = Host::new(json!({
        "quarantine": 60,
        "ranges": [[{"subnet": "10.9.0.0/28"}]],
        "pools": [{
            "name": "db",
            "namespaces": ["db"],
            "ranges": [[{"subnet": "10.9.0.0/28", "rangeStart": "10.9.0.10", "rangeEnd": "10.9.0.11"}]],
        }],
    }));
    let db = "K8S_POD_NAMESPACE=db";
    for round in 0..3 {
        let given: BTreeSet<String> =
            ["a", "b"].into_iter().flat_map(|it| host.add_with(it, db).unwrap()).collect();
        assert_eq!(given.into_iter().collect::<Vec<_>>(), ["10.9.0.10", "10.9.0.11"], "{round}");
        assert_eq!(code(&host.add_with("c", db).unwrap_err()), 11);
        ["a", "b"].into_iter().for_each(|container| host.del(container));
        let all: BTreeSet<String> = (0..13).flat_map(|at| host.add(&format!("d{at}"))).collect();
        assert_eq!(all.len(), 13, "{round}");
        (0..13).for_each(|at| host.del(&format!("d{at}")));
        host.assert_sound();
        host.later(if round == 0 { 0 } else { 61 });
    }
}

#[test]
fn an_address_of_each_range_set_or_none() {
    let host =
        Host::new(json!({"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "fd00::/127"}]]}));
    assert_eq!(host.add("a"), ["10.0.0.2", "fd00::1"]);
    assert_eq!(code(&host.try_add(&call("b")).unwrap_err()), 11);
    assert_eq!(host.held().len(), 2);
}
