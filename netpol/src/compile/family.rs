//! IPv4 and IPv6: which fields and types rules of each use.

use std::net::IpAddr;

use nft::{DataType, Field};

use crate::Direction;

/// A version of IP. Chains, sets and maps are of one of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both versions.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Returns the family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Returns `4` or `6`, which names end with.
    pub fn digit(self) -> char {
        match self {
            Self::V4 => '4',
            Self::V6 => '6',
        }
    }

    pub(super) fn address(self) -> DataType {
        match self {
            Self::V4 => DataType::Ipv4,
            Self::V6 => DataType::Ipv6,
        }
    }

    pub(super) fn source(self) -> Field {
        match self {
            Self::V4 => Field::Ip4Source,
            Self::V6 => Field::Ip6Source,
        }
    }

    pub(super) fn destination(self) -> Field {
        match self {
            Self::V4 => Field::Ip4Destination,
            Self::V6 => Field::Ip6Destination,
        }
    }

    /// Returns the address of the pod that is decided about.
    pub(super) fn own(self, direction: Direction) -> Field {
        match direction {
            Direction::Egress => self.source(),
            Direction::Ingress => self.destination(),
        }
    }

    /// Returns the address of the other side.
    pub(super) fn peer(self, direction: Direction) -> Field {
        match direction {
            Direction::Egress => self.destination(),
            Direction::Ingress => self.source(),
        }
    }
}
