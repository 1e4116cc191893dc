//! Pools: networks that blocks are cut from.

use std::fmt;

use cluster::{Labels, Selector, Text};
use ipnet::IpNet;
use thiserror::Error;

use super::tree::size;

/// A family of addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, in the order of `spec.podCIDRs` of a cluster that says nothing else.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Returns the family of a network.
    pub const fn of(network: IpNet) -> Self {
        match network {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    /// Returns the length of an address in bits.
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A network that blocks of one size are cut from, for nodes that its selector matches.
///
/// Networks of pools may overlap: a block is given once whatever the pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pool {
    /// The name of the IPPool.
    pub name: Text,
    /// The network, of any size, without host bits.
    pub network: IpNet,
    /// The prefix length of its blocks, from that of the network to that of an address.
    pub block_length: u8,
    /// Which nodes; without requirements all.
    pub nodes: Selector,
    /// It gives no more blocks; those that are given stay.
    pub is_closed: bool,
    /// Most blocks of it that one node gets; none for no limit of its own.
    pub most_per_node: Option<u8>,
}

/// Why a pool cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum PoolError {
    /// Bits behind the prefix.
    #[error("network {0} has host bits; write {1}")]
    HostBits(IpNet, IpNet),
    /// Blocks larger than the network, or smaller than an address.
    #[error(
        "blocks of /{length} cannot be cut from {network}; write a length from {least} to {most}"
    )]
    BlockLength {
        /// What was asked for.
        length: u8,
        /// Of this network.
        network: IpNet,
        /// The shortest prefix that is possible.
        least: u8,
        /// The longest.
        most: u8,
    },
}

impl Pool {
    /// Returns an open pool.
    ///
    /// # Errors
    /// The network has host bits, or no block of that size fits.
    pub fn new(
        name: impl Into<Text>,
        network: IpNet,
        block_length: u8,
        nodes: Selector,
    ) -> Result<Self, PoolError> {
        if network != network.trunc() {
            return Err(PoolError::HostBits(network, network.trunc()));
        }
        let (least, most) = (network.prefix_len(), Family::of(network).bits());
        if !(least..=most).contains(&block_length) {
            return Err(PoolError::BlockLength { length: block_length, network, least, most });
        }
        Ok(Self {
            name: name.into(),
            network,
            block_length,
            nodes,
            is_closed: false,
            most_per_node: None,
        })
    }

    /// Returns the family of the blocks.
    pub fn family(&self) -> Family {
        Family::of(self.network)
    }

    /// Returns how many blocks the whole network has room for.
    pub fn capacity(&self) -> u128 {
        size(self.family(), self.network.prefix_len()) / size(self.family(), self.block_length)
    }

    /// Says whether a node with these labels may get a block.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.nodes.matches(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_that_cannot_work_say_what_would() {
        let pool = |network: &str, length| {
            Pool::new("p", network.parse().unwrap(), length, Selector::default())
        };
        assert_eq!(pool("10.244.0.0/16", 24).unwrap().capacity(), 256);
        assert_eq!(pool("fd00::/32", 64).unwrap().capacity(), 1 << 32);
        assert_eq!(pool("::/0", 128).unwrap().capacity(), u128::MAX);
        for (network, length, words) in [
            ("10.244.0.1/16", 24, "network 10.244.0.1/16 has host bits; write 10.244.0.0/16"),
            (
                "10.244.0.0/16",
                8,
                "blocks of /8 cannot be cut from 10.244.0.0/16; write a length from 16 to 32",
            ),
            (
                "fd00::/48",
                129,
                "blocks of /129 cannot be cut from fd00::/48; write a length from 48 to 128",
            ),
        ] {
            assert_eq!(pool(network, length).unwrap_err().to_string(), words);
        }
    }
}
