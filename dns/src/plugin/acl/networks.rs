//! A set of IP networks.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

/// The addresses of any number of networks, as sorted ranges that do not touch: to look an address up takes the
/// logarithm of their number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::plugin) struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

/// The prefix of IPv4-mapped addresses, `::ffff:0:0/96` (RFC 4291 §2.5.5.2), in bits.
const MAPPED: u8 = 96;

impl Networks {
    /// Returns the set of all addresses of these networks.
    pub(in crate::plugin) fn of(networks: &[IpNet]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match unmapped(*network) {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        Self { v4: merged(v4), v6: merged(v6) }
    }

    /// Says whether an address is in one of the networks; an IPv4-mapped one counts as IPv4.
    pub(in crate::plugin) fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => is_in(&self.v4, address.to_bits()),
            IpAddr::V6(address) => is_in(&self.v6, address.to_bits()),
        }
    }
}

/// Returns the IPv4 network that a network of IPv4-mapped addresses means; any other as it is.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(net) = network else { return network };
    let mapped: Option<Ipv4Addr> = net.network().to_ipv4_mapped();
    let length = net.prefix_len().checked_sub(MAPPED);
    let v4 = mapped.zip(length).and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    v4.map_or(network, IpNet::V4)
}

/// Sorts ranges and joins those that overlap.
fn merged<T: Ord + Copy>(mut ranges: Vec<(T, T)>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged
}

fn is_in<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    let before = after.checked_sub(1).and_then(|at| ranges.get(at));
    before.is_some_and(|(_, last)| address <= *last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks(list: &[&str]) -> Networks {
        let list: Vec<IpNet> = list.iter().map(|text| text.parse().unwrap()).collect();
        Networks::of(&list)
    }

    #[test]
    fn overlapping_networks_and_both_versions() {
        let set = networks(&["10.0.0.0/8", "10.1.0.0/16", "192.168.1.1/32", "fd00::/8"]);
        let cases = [
            ("10.255.255.255", true),
            ("9.255.255.255", false),
            ("11.0.0.0", false),
            ("192.168.1.1", true),
            ("192.168.1.2", false),
            ("::ffff:10.0.0.1", true),
            ("fdff::1", true),
            ("fe00::", false),
            ("::", false),
        ];
        for (address, expected) in cases {
            assert_eq!(set.contains(address.parse().unwrap()), expected, "{address}");
        }
        assert!(networks(&["0.0.0.0/0"]).contains("255.255.255.255".parse().unwrap()));
        assert!(!networks(&["0.0.0.0/0"]).contains("::1".parse().unwrap()));
        assert!(networks(&["::/0"]).contains("ffff::".parse().unwrap()));
        assert!(networks(&["::ffff:10.0.0.0/104"]).contains("10.9.9.9".parse().unwrap()));
        assert!(!networks(&[]).contains("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn many_networks() {
        let list: Vec<IpNet> = (0..10_000_u32)
            .map(|n| IpNet::new(Ipv4Addr::from_bits(n << 16).into(), 24).unwrap())
            .collect();
        let set = Networks::of(&list);
        assert_eq!(set.v4.len(), 10_000, "none of them touch");
        assert!(set.contains("16.0.0.1".parse().unwrap()));
        assert!(!set.contains("16.0.1.1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn as_each_network_says(
            nets in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..20),
            address in any::<u32>(),
        ) {
            let list: Vec<IpNet> = nets
                .into_iter()
                .map(|(bits, length)| IpNet::new(Ipv4Addr::from_bits(bits).into(), length).unwrap())
                .collect();
            let address = IpAddr::V4(Ipv4Addr::from_bits(address));
            let expected = list.iter().any(|net| net.contains(&address));
            prop_assert_eq!(Networks::of(&list).contains(address), expected);
        }
    }
}
