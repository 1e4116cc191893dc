//! Ranges of ClusterIPs.

use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

use super::banded::Banded;

/// The shortest prefix of an IPv6 range, as for ServiceCIDR objects.
const SHORTEST_V6: u8 = 64;

/// A network that Services get their ClusterIPs from, and which of them are taken.
///
/// Its first address names the network and is nobody's, of IPv4 the last one neither.
#[derive(Clone, Debug)]
pub struct AddressRange {
    network: IpNet,
    numbers: Banded,
}

/// Why a network cannot be a range.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RangeError {
    /// Bits behind the prefix.
    #[error("{0} has host bits; write {1}")]
    HostBits(IpNet, IpNet),
    /// It has no address to give.
    #[error("{0} is too small; write at least a /30, of IPv6 a /126")]
    TooSmall(IpNet),
    /// It is larger than the Kubernetes API allows.
    #[error("{0} is too large; a range of IPv6 has at least a prefix of /64")]
    TooLarge(IpNet),
}

impl AddressRange {
    /// Returns a range in which every address is free.
    ///
    /// # Errors
    /// The network cannot be a range.
    pub fn new(network: IpNet) -> Result<Self, RangeError> {
        let host_bits = u32::from(network.max_prefix_len() - network.prefix_len());
        match network {
            _ if network != network.trunc() => {
                return Err(RangeError::HostBits(network, network.trunc()));
            }
            _ if host_bits < 2 => return Err(RangeError::TooSmall(network)),
            IpNet::V6(_) if network.prefix_len() < SHORTEST_V6 => {
                return Err(RangeError::TooLarge(network));
            }
            IpNet::V4(_) | IpNet::V6(_) => {}
        }
        // Numbers are counted from the second address, so that the last one is two less than the size.
        let highest = u64::MAX >> (64 - host_bits);
        let last = if matches!(network, IpNet::V4(_)) { highest - 2 } else { highest - 1 };
        Ok(Self { network, numbers: Banded::new(last, band(highest)) })
    }

    /// Returns the network.
    pub fn network(&self) -> IpNet {
        self.network
    }

    /// Takes an address; says whether it is one of the range and was free.
    pub fn take(&mut self, ip: IpAddr) -> bool {
        self.number(ip).is_some_and(|number| self.numbers.take(number))
    }

    /// Frees an address; says whether it was taken.
    pub fn free(&mut self, ip: IpAddr) -> bool {
        self.number(ip).is_some_and(|number| self.numbers.free(number))
    }

    /// Returns how many addresses there are; of a /64 one less.
    pub fn capacity(&self) -> u64 {
        self.numbers.last().saturating_add(1)
    }

    /// Returns a free address as [`Banded::pick`] does; it stays free.
    pub fn pick(&self, seed: u64) -> Option<IpAddr> {
        let number = self.numbers.pick(seed)?;
        match self.network.network() {
            IpAddr::V4(first) => {
                let ip = u32::from(first).checked_add(u32::try_from(number).ok()? + 1)?;
                Some(IpAddr::V4(ip.into()))
            }
            IpAddr::V6(first) => {
                let ip = u128::from(first).checked_add(u128::from(number) + 1)?;
                Some(IpAddr::V6(ip.into()))
            }
        }
    }

    fn number(&self, ip: IpAddr) -> Option<u64> {
        let distance = match (self.network.network(), ip) {
            (IpAddr::V4(first), IpAddr::V4(ip)) => {
                u32::from(ip).checked_sub(u32::from(first)).map(u128::from)
            }
            (IpAddr::V6(first), IpAddr::V6(ip)) => u128::from(ip).checked_sub(u128::from(first)),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        };
        u64::try_from(distance?).ok()?.checked_sub(1)
    }
}

/// Returns how many addresses people choose from: none of 16 or less, else a sixteenth, from 16 to 256 (KEP-3070).
fn band(highest: u64) -> u64 {
    if highest < 16 { 0 } else { (highest / 16 + u64::from(highest % 16 == 15)).clamp(16, 256) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> AddressRange {
        AddressRange::new(text.parse().unwrap()).unwrap()
    }

    /// KEP-3070, and `TestCalculateRangeOffset` of Kubernetes.
    #[test]
    fn bands_are_those_of_kubernetes() {
        for (network, offset) in [
            ("192.168.1.0/28", 0),
            ("192.168.1.0/27", 16),
            ("192.168.1.0/24", 16),
            ("192.168.0.0/23", 32),
            ("192.168.0.0/22", 64),
            ("192.168.0.0/21", 128),
            ("192.168.0.0/20", 256),
            ("10.96.0.0/12", 256),
            ("fd00::/124", 0),
            ("fd00::/120", 16),
            ("fd00::/64", 256),
        ] {
            assert_eq!(range(network).numbers.offset(), offset, "{network}");
        }
        assert_eq!(range("10.0.0.0/24").pick(0), Some("10.0.0.17".parse().unwrap()));
    }

    /// `TestAllocateNext` and `TestForEach` of the ipallocator: every address but those that name the network.
    #[test]
    fn every_usable_address_is_given_once() {
        for (network, count, first, last) in [
            ("192.168.1.0/24", 254, "192.168.1.1", "192.168.1.254"),
            ("192.168.1.0/30", 2, "192.168.1.1", "192.168.1.2"),
            ("2001:db8:1::/112", 65_535, "2001:db8:1::1", "2001:db8:1::ffff"),
        ] {
            let mut range = range(network);
            let mut given = std::collections::BTreeSet::new();
            while let Some(ip) = range.pick(given.len() as u64 * 7919) {
                assert!(range.take(ip) && given.insert(ip), "{ip}");
            }
            let ends = (given.first().unwrap().to_string(), given.last().unwrap().to_string());
            assert_eq!((given.len(), &*ends.0, &*ends.1), (count, first, last));
            for ip in given {
                range.free(ip);
                assert_eq!(range.pick(99), Some(ip));
                assert!(range.take(ip));
            }
        }
    }

    #[test]
    fn addresses_outside_are_not_taken() {
        let mut range = range("10.0.0.0/24");
        for ip in ["10.0.0.0", "10.0.0.255", "10.0.1.1", "9.255.255.255", "fd00::1"] {
            assert!(!range.take(ip.parse().unwrap()), "{ip}");
        }
        let wide = AddressRange::new("fd00::/64".parse().unwrap()).unwrap();
        assert_eq!(wide.pick(u64::MAX - 257), Some("fd00::ffff:ffff:ffff:ffff".parse().unwrap()));
    }

    #[test]
    fn networks_that_cannot_be_ranges() {
        for (network, words) in [
            ("10.0.0.1/24", "10.0.0.1/24 has host bits; write 10.0.0.0/24"),
            ("10.0.0.0/31", "10.0.0.0/31 is too small"),
            ("fd00::/127", "fd00::/127 is too small"),
            ("fd00::/63", "fd00::/63 is too large"),
        ] {
            let error = AddressRange::new(network.parse().unwrap()).unwrap_err().to_string();
            assert!(error.starts_with(words), "{error}");
        }
    }
}
