//! The rules of choosing as tables.

use cluster::Selector;

use super::super::ledger::Owner;
use super::*;

fn pools(rows: &[(&str, &str, u8, &str)]) -> BTreeMap<Text, Pool> {
    rows.iter()
        .map(|(name, network, length, nodes)| {
            let nodes = Selector::parse(nodes).unwrap();
            ((*name).into(), Pool::new(*name, network.parse().unwrap(), *length, nodes).unwrap())
        })
        .collect()
}

fn held(blocks: &[&str]) -> Ledger {
    let mut ledger = Ledger::default();
    for (n, block) in blocks.iter().enumerate() {
        ledger.hold(block.parse().unwrap(), Owner::Node(n.to_string().into()));
    }
    ledger
}

/// `BLOCK of POOL` for each, or the refusal.
fn told(rows: &[(&str, &str, u8, &str)], taken: &[&str], labels: &[(&str, &str)]) -> Vec<String> {
    let labels = labels.iter().copied().collect();
    match choose(&pools(rows), &held(taken), &labels) {
        Ok(choices) => choices
            .iter()
            .map(|c| format!("{} of {}", c.block, c.pool.as_deref().unwrap_or_default()))
            .collect(),
        Err(refusal) => vec![refusal.to_string()],
    }
}

/// The cases of kube-controller-manager's `range_allocator_test.go` that allocate ("TestAllocateOrOccupyCIDRSuccess" and
/// "…Failure"), as pools; a service range is a block that is held.
#[test]
fn the_range_allocators_cases() {
    type Case<'a> = (&'a [(&'a str, &'a str, u8, &'a str)], &'a [&'a str], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        // "When there's no ServiceCIDR return first CIDR in range"
        (&[("v4", "127.123.234.0/24", 30, "")], &[], &["127.123.234.0/30 of v4"]),
        // "Correctly filter out ServiceCIDR"
        (
            &[("v4", "127.123.234.0/24", 30, "")],
            &["127.123.234.0/26"],
            &["127.123.234.64/30 of v4"],
        ),
        // "Correctly ignore already allocated CIDRs"
        (
            &[("v4", "127.123.234.0/24", 30, "")],
            &["127.123.234.0/26", "127.123.234.64/30", "127.123.234.68/30", "127.123.234.72/30"],
            &["127.123.234.76/30 of v4"],
        ),
        // "Dualstack CIDRs, prioritize clusterCIDRs": both families, IPv4 and IPv6.
        (
            &[("a", "127.123.234.0/8", 24, ""), ("b", "ace:cab:deca::/84", 98, "")][..],
            &["127.0.0.0/24"],
            &["127.0.1.0/24 of a", "ace:cab:deca::/98 of b"],
        ),
        // "no double counting": a block that spans several, and a narrower one that spoils the whole.
        (
            &[("v4", "10.10.0.0/22", 24, "")],
            &["10.10.0.0/24", "10.10.2.0/24"],
            &["10.10.1.0/24 of v4"],
        ),
        (
            &[("v4", "10.10.0.0/22", 24, "")],
            &["10.10.0.0/23", "10.10.2.9/32"],
            &["10.10.3.0/24 of v4"],
        ),
        // "When there's no ServiceCIDR and all CIDRs are taken"
        (
            &[("v4", "127.123.234.0/28", 30, "")],
            &["127.123.234.0/30", "127.123.234.4/30", "127.123.234.8/30", "127.123.234.12/30"],
            &[
                "no free IPv4 block in pool v4 (127.123.234.0/28, blocks of /30); enlarge it, add an \
               IPPool, or wait until the blocks of deleted nodes are released",
            ],
        ),
    ];
    for (rows, taken, expected) in cases {
        let rows: Vec<_> = rows
            .iter()
            .map(|(name, network, length, nodes)| {
                let network: IpNet = network.parse().unwrap();
                (*name, network.trunc().to_string(), *length, *nodes)
            })
            .collect();
        let rows: Vec<_> = rows.iter().map(|(n, net, l, s)| (*n, net.as_str(), *l, *s)).collect();
        assert_eq!(told(&rows, taken, &[]), *expected);
    }
}

#[test]
fn both_families_or_none() {
    let rows =
        [("four", "10.244.0.0/16", 24, ""), ("six", "fd00:10:244::/63", 64, "zone notin (c)")];
    let full = ["fd00:10:244::/64", "fd00:10:244:1::/64"];
    assert_eq!(
        told(&rows, &full, &[]),
        [
            "no free IPv6 block in pool six (fd00:10:244::/63, blocks of /64); enlarge it, add an IPPool, or wait until \
          the blocks of deleted nodes are released"
        ]
    );
    // A node that no IPv6 pool selects is an IPv4 node.
    assert_eq!(told(&rows, &full, &[("zone", "c")]), ["10.244.0.0/24 of four"]);
    assert!(told(&rows[1..], &[], &[("zone", "c")])[0].starts_with("no open pool selects"));
}

/// KEP-2593, "Tie-breaking".
#[test]
fn ties_between_pools_are_broken_in_order() {
    let ssd = [("disk", "ssd"), ("zone", "a")];
    let rows = [
        ("any", "10.0.0.0/24", 26, ""),
        ("zone", "10.1.0.0/16", 24, "zone=a"),
        ("both", "10.2.0.0/25", 26, "zone=a,disk=ssd"),
    ];
    assert_eq!(told(&rows, &[], &ssd), ["10.2.0.0/26 of both"], "most requirements");
    assert_eq!(
        told(&rows, &["10.2.0.0/25"], &ssd),
        ["10.1.0.0/24 of zone"],
        "a full pool is passed over"
    );
    assert_eq!(told(&rows, &[], &[]), ["10.0.0.0/26 of any"]);
    let equal = [("b", "10.1.0.0/24", 26, ""), ("a", "10.0.0.0/24", 26, "")];
    assert_eq!(told(&equal, &[], &[]), ["10.0.0.0/26 of a"], "the name at last");
    assert_eq!(told(&equal, &["10.1.0.0/26"], &[]), ["10.1.0.64/26 of b"], "fewest free addresses");
    let sizes = [("a", "10.0.0.0/24", 26, ""), ("b", "10.1.0.0/24", 27, "")];
    assert_eq!(told(&sizes, &[], &[]), ["10.1.0.0/27 of b"], "smallest blocks");
}

#[test]
fn a_closed_pool_gives_nothing() {
    let mut pools = pools(&[("a", "10.0.0.0/24", 26, "")]);
    pools.get_mut("a").unwrap().is_closed = true;
    assert_eq!(choose(&pools, &held(&[]), &Labels::default()), Err(Refusal::NoPool));
}
