//! Addresses as numbers, so that both families are counted alike.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 or IPv6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// 32 bits.
    V4,
    /// 128 bits.
    V6,
}

impl Family {
    /// Returns the family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Returns the number of bits of an address.
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// Returns the name: IPv4 or IPv6.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// Returns the address with a number; of IPv4 the low 32 bits count.
    pub fn address(self, number: u128) -> IpAddr {
        match self {
            Self::V4 => {
                let low = u32::try_from(number & u128::from(u32::MAX)).unwrap_or(u32::MAX);
                IpAddr::V4(Ipv4Addr::from(low))
            }
            Self::V6 => IpAddr::V6(Ipv6Addr::from(number)),
        }
    }
}

/// Returns the number of an address: 0 to 2³² − 1 or 2¹²⁸ − 1.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// Makes an IPv4-mapped IPv6 address the IPv4 address that it stands for, as host-local does.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
