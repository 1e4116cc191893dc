//! Sets of addresses and of ports as ranges that neither overlap nor touch, as interval sets need them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cluster::IpBlock;
use ipnet::IpNet;

use super::Family;

/// Ranges of numbers, both ends included, sorted, with a gap between each two.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(super) struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    /// Returns the range from a first to a last number; empty when the last is below the first.
    pub(super) fn between(first: u128, last: u128) -> Self {
        Self(if first <= last { vec![(first, last)] } else { Vec::new() })
    }

    /// Returns what is in either: each block's network without its exceptions, of one family.
    ///
    /// Exceptions are those of their own block: what one block leaves out, another may hold.
    pub(super) fn of_blocks<'a>(
        blocks: impl IntoIterator<Item = &'a IpBlock>,
        family: Family,
    ) -> Self {
        let network = |network: &IpNet| {
            let (first, last) = (network.network(), network.broadcast());
            match Family::of(first) == family {
                true => Self::between(number(first), number(last)),
                false => Self::default(),
            }
        };
        let mut union = Self::default();
        for block in blocks {
            let excepted = Self::union(block.except.iter().map(network));
            union.0.extend(network(&block.cidr).without(&excepted).0);
        }
        union.merged()
    }

    /// Returns what is in any of them.
    pub(super) fn union(all: impl IntoIterator<Item = Self>) -> Self {
        Self(all.into_iter().flat_map(|ranges| ranges.0).collect()).merged()
    }

    /// Returns what is in these and not in the others.
    pub(super) fn without(&self, others: &Self) -> Self {
        let mut rest = Vec::new();
        for (first, last) in &self.0 {
            let mut begin = Some(*first);
            for (other_first, other_last) in &others.0 {
                let Some(from) = begin.filter(|from| from <= other_last && other_first <= last)
                else {
                    continue;
                };
                if from < *other_first {
                    rest.push((from, other_first - 1));
                }
                begin = other_last.checked_add(1).filter(|next| next <= last);
            }
            rest.extend(begin.map(|from| (from, *last)));
        }
        Self(rest)
    }

    /// Iterates over the ranges, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u128, u128)> {
        self.0.iter().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether every address of a family is in it.
    pub(super) fn is_whole(&self, family: Family) -> bool {
        let last = match family {
            Family::V4 => u128::from(u32::MAX),
            Family::V6 => u128::MAX,
        };
        self.0 == [(0, last)]
    }

    fn merged(mut self) -> Self {
        self.0.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::new();
        for (first, last) in self.0 {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last)
                }
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }
}

/// Returns an address as a number.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// Returns a number as an address of a family; bits above IPv4 are cut.
pub(super) fn address(number: u128, family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        Family::V6 => Ipv6Addr::from(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(cidr: &str, except: &[&str]) -> IpBlock {
        let except = except.iter().map(|text| text.parse().unwrap()).collect();
        IpBlock { cidr: cidr.parse().unwrap(), except }
    }

    fn written(blocks: &[IpBlock], family: Family) -> Vec<String> {
        let text = |number| address(number, family).to_string();
        let ranges = Ranges::of_blocks(blocks, family);
        ranges.iter().map(|(first, last)| format!("{}-{}", text(first), text(last))).collect()
    }

    #[test]
    fn blocks_become_disjoint_ranges() {
        let v4 = |blocks: &[IpBlock]| written(blocks, Family::V4);
        assert_eq!(v4(&[block("10.0.0.0/8", &[])]), ["10.0.0.0-10.255.255.255"]);
        assert_eq!(
            v4(&[block("10.0.0.0/8", &["10.1.0.0/16", "10.1.128.0/17", "10.255.0.0/16"])]),
            ["10.0.0.0-10.0.255.255", "10.2.0.0-10.254.255.255"]
        );
        assert_eq!(
            v4(&[block("10.0.0.0/8", &["10.1.0.0/16"]), block("10.1.0.0/24", &[])]),
            ["10.0.0.0-10.1.0.255", "10.2.0.0-10.255.255.255"],
            "an exception is of its own block"
        );
        assert_eq!(
            v4(&[block("10.0.0.0/9", &[]), block("10.128.0.0/9", &[])]),
            ["10.0.0.0-10.255.255.255"]
        );
        assert_eq!(v4(&[block("10.0.0.0/8", &["0.0.0.0/0"])]), [""; 0]);
        assert_eq!(
            v4(&[block("10.0.0.0/8", &["fd00::/8"]), block("::/0", &[])]),
            ["10.0.0.0-10.255.255.255"]
        );
        assert_eq!(v4(&[block("0.0.0.0/0", &["255.255.255.255/32"])]), ["0.0.0.0-255.255.255.254"]);
        assert!(
            Ranges::of_blocks(&[block("0.0.0.0/1", &[]), block("128.0.0.0/1", &[])], Family::V4)
                .is_whole(Family::V4)
        );
        let v6 = [block("::/0", &["::/128", "ffff::/16"])];
        assert_eq!(written(&v6, Family::V6), ["::1-fffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]);
        assert!(Ranges::of_blocks(&[block("::/0", &[])], Family::V6).is_whole(Family::V6));
    }

    proptest! {
        #[test]
        fn ranges_hold_what_the_blocks_hold(
            blocks in prop::collection::vec((0u8..16, 28u8..=32, prop::collection::vec((0u8..16, 28u8..=32), 0..3)), 0..4),
        ) {
            let network = |(last, prefix): (u8, u8)| IpNet::new(IpAddr::from([10, 0, 0, last]), prefix).unwrap().trunc();
            let blocks: Vec<IpBlock> = blocks
                .into_iter()
                .map(|(last, prefix, except)| IpBlock {
                    cidr: network((last, prefix)),
                    except: except.into_iter().map(network).collect(),
                })
                .collect();
            let ranges = Ranges::of_blocks(&blocks, Family::V4);
            for last in 0..20u8 {
                let ip = IpAddr::from([10, 0, 0, last]);
                let expected = blocks.iter().any(|block| {
                    block.cidr.contains(&ip) && !block.except.iter().any(|it| it.contains(&ip))
                });
                let found = ranges.iter().any(|(from, to)| (from..=to).contains(&number(ip)));
                prop_assert_eq!(found, expected, "{} {:?}", ip, ranges);
            }
            let all: Vec<_> = ranges.iter().collect();
            prop_assert!(all.windows(2).all(|two| two[0].1 + 1 < two[1].0), "{:?}", all);
        }
    }
}
