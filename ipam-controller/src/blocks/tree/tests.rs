//! The trie against the obvious: a list of blocks that is looked through.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn overlaps(a: IpNet, b: IpNet) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// The first free block, found by trying each.
fn obvious(taken: &BTreeSet<IpNet>, within: IpNet, length: u8) -> Option<IpNet> {
    within.subnets(length).ok()?.find(|block| taken.iter().all(|held| !overlaps(*held, *block)))
}

#[test]
fn blocks_of_different_sizes_are_packed_from_below() {
    let mut tree = BlockTree::new(Family::V4);
    let pool = net("10.244.0.0/22");
    for (length, expected) in [
        (26, Some("10.244.0.0/26")),
        (24, Some("10.244.1.0/24")),
        (25, Some("10.244.0.128/25")),
        (26, Some("10.244.0.64/26")),
        (23, Some("10.244.2.0/23")),
        (28, None),
    ] {
        let found = tree.first_free(pool, length);
        assert_eq!(found, expected.map(net), "/{length}");
        found.into_iter().for_each(|block| tree.take(block));
    }
    assert_eq!(tree.used(pool), 1024);
    tree.free(net("10.244.0.128/25"));
    assert_eq!(tree.first_free(pool, 26), Some(net("10.244.0.128/26")));
    assert_eq!((tree.first_free(pool, 24), tree.used(pool)), (None, 896));
}

#[test]
fn ipv6_has_no_limit_of_sixteen_bits() {
    let mut tree = BlockTree::new(Family::V6);
    let pool = net("fd00::/8");
    tree.take(net("fd00::/9"));
    assert_eq!(tree.first_free(pool, 64), Some(net("fd80::/64")));
    assert_eq!(tree.first_free(pool, 128), Some(net("fd80::/128")));
    tree.take(net("::/0"));
    assert_eq!((tree.first_free(pool, 128), tree.used(net("::/0"))), (None, u128::MAX));
    tree.free(net("::/0"));
    tree.free(net("fd00::/9"));
    assert_eq!((tree.first_free(net("::/0"), 0), tree.nodes.len()), (Some(net("::/0")), 10));
    assert_eq!(tree.spare.len(), 9, "nothing but the root is in use");
}

/// A block in 10.0.0.0/24, anything from /24 to /32.
fn block() -> impl Strategy<Value = IpNet> {
    (0u32..256, 24u8..=32).prop_map(|(low, length)| {
        let address = u32::from_be_bytes([10, 0, 0, 0]) + low;
        IpNet::from(Ipv4Net::new(address.into(), length).unwrap().trunc())
    })
}

proptest! {
    #[test]
    fn the_tree_finds_what_looking_through_all_finds(
        steps in prop::collection::vec((block(), any::<bool>()), 1..60),
        within in block(),
        length in 22u8..=32,
    ) {
        let (mut tree, mut taken) = (BlockTree::new(Family::V4), BTreeSet::new());
        for (block, is_taken) in steps {
            if is_taken {
                tree.take(block);
                taken.insert(block);
            } else {
                tree.free(block);
                taken.remove(&block);
            }
            prop_assert_eq!(tree.first_free(within, length), obvious(&taken, within, length));
            let used = within.hosts_and_ends().filter(|ip| taken.iter().any(|t| t.contains(ip)));
            prop_assert_eq!(tree.used(within), used.count() as u128);
        }
        taken.iter().for_each(|block| tree.free(*block));
        prop_assert_eq!(tree.nodes.len() - tree.spare.len(), 1, "nothing is left behind");
    }
}

trait Every {
    fn hosts_and_ends(&self) -> Box<dyn Iterator<Item = std::net::IpAddr>>;
}

impl Every for IpNet {
    fn hosts_and_ends(&self) -> Box<dyn Iterator<Item = std::net::IpAddr>> {
        Box::new(self.subnets(32).unwrap().map(|one| one.addr()))
    }
}
