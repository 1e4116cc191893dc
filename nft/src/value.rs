//! Types and values of what rules compare and sets hold.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::InterfaceName;

/// The type of a value: what `type` names in a set, and what a field of a packet has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DataType {
    /// `ipv4_addr`, 4 octets.
    Ipv4,
    /// `ipv6_addr`, 16 octets.
    Ipv6,
    /// `inet_proto`, 1 octet: a protocol above IP.
    Protocol,
    /// `inet_service`, 2 octets: a port.
    Port,
    /// `icmpv6_type`, 1 octet.
    Icmp6Type,
    /// `ifname`, 16 octets: the name of an interface.
    Interface,
    /// `ct_state`, 4 octets in the order of the machine: bits.
    CtState,
    /// `mark`, 4 octets in the order of the machine.
    Mark,
    /// `tcp_flag`, 1 octet: bits.
    TcpFlags,
}

/// One value of a [`DataType`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Value {
    /// An address of IPv4.
    Ipv4(Ipv4Addr),
    /// An address of IPv6.
    Ipv6(Ipv6Addr),
    /// A protocol above IP, by its number (see [`protocol`](crate::protocol)).
    Protocol(u8),
    /// A port.
    Port(u16),
    /// The type of an ICMPv6 message.
    Icmp6Type(u8),
    /// The name of an interface.
    Interface(InterfaceName),
    /// States of a connection, as bits (see [`CtState`](crate::CtState)).
    CtState(u32),
    /// A mark.
    Mark(u32),
    /// Flags of a TCP segment, as bits.
    TcpFlags(u8),
}

impl DataType {
    /// Returns the name in nft's language (nft(8) "DATA TYPES").
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4_addr",
            Self::Ipv6 => "ipv6_addr",
            Self::Protocol => "inet_proto",
            Self::Port => "inet_service",
            Self::Icmp6Type => "icmpv6_type",
            Self::Interface => "ifname",
            Self::CtState => "ct_state",
            Self::Mark => "mark",
            Self::TcpFlags => "tcp_flag",
        }
    }

    /// Returns the octets of a value.
    pub fn octets(self) -> usize {
        match self {
            Self::Protocol | Self::Icmp6Type | Self::TcpFlags => 1,
            Self::Port => 2,
            Self::Ipv4 | Self::CtState | Self::Mark => 4,
            Self::Ipv6 | Self::Interface => 16,
        }
    }

    /// Returns the octets that a value takes in a concatenation: whole registers of 4 octets.
    pub fn padded_octets(self) -> usize {
        self.octets().next_multiple_of(4)
    }
}

impl Value {
    /// Returns the type.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Ipv4(_) => DataType::Ipv4,
            Self::Ipv6(_) => DataType::Ipv6,
            Self::Protocol(_) => DataType::Protocol,
            Self::Port(_) => DataType::Port,
            Self::Icmp6Type(_) => DataType::Icmp6Type,
            Self::Interface(_) => DataType::Interface,
            Self::CtState(_) => DataType::CtState,
            Self::Mark(_) => DataType::Mark,
            Self::TcpFlags(_) => DataType::TcpFlags,
        }
    }

    /// Returns the value of numbers that are bits; 0 for values that are not.
    pub(crate) fn bits(&self) -> u32 {
        match self {
            Self::CtState(bits) | Self::Mark(bits) => *bits,
            Self::TcpFlags(bits) => u32::from(*bits),
            Self::Ipv4(_) | Self::Ipv6(_) | Self::Protocol(_) => 0,
            Self::Port(_) | Self::Icmp6Type(_) | Self::Interface(_) => 0,
        }
    }

    /// Returns the value as it stands in a register: [`DataType::octets`] octets.
    pub fn octets(&self) -> Vec<u8> {
        match self {
            Self::Ipv4(address) => address.octets().to_vec(),
            Self::Ipv6(address) => address.octets().to_vec(),
            Self::Protocol(octet) | Self::Icmp6Type(octet) | Self::TcpFlags(octet) => vec![*octet],
            Self::Port(port) => port.to_be_bytes().to_vec(),
            Self::CtState(bits) | Self::Mark(bits) => bits.to_ne_bytes().to_vec(),
            Self::Interface(name) => {
                let mut octets = name.as_str().as_bytes().to_vec();
                octets.resize(DataType::Interface.octets(), 0);
                octets
            }
        }
    }

    /// Reads a value from a register, whose octets may be followed by others.
    ///
    /// None when they are too few, or are no value of the type.
    pub fn from_octets(data_type: DataType, octets: &[u8]) -> Option<Self> {
        Some(match data_type {
            DataType::Ipv4 => Self::Ipv4(octets.first_chunk::<4>().copied()?.into()),
            DataType::Ipv6 => Self::Ipv6(octets.first_chunk::<16>().copied()?.into()),
            DataType::Protocol => Self::Protocol(*octets.first()?),
            DataType::Port => Self::Port(u16::from_be_bytes(*octets.first_chunk()?)),
            DataType::Icmp6Type => Self::Icmp6Type(*octets.first()?),
            DataType::CtState => Self::CtState(u32::from_ne_bytes(*octets.first_chunk()?)),
            DataType::Mark => Self::Mark(u32::from_ne_bytes(*octets.first_chunk()?)),
            DataType::TcpFlags => Self::TcpFlags(*octets.first()?),
            DataType::Interface => {
                let name = octets.first_chunk::<16>()?.split(|octet| *octet == 0).next()?;
                Self::Interface(InterfaceName::new(std::str::from_utf8(name).ok()?).ok()?)
            }
        })
    }
}

impl From<IpAddr> for Value {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_are_written() {
        let interface = Value::Interface(InterfaceName::new("eth0").unwrap());
        for value in [
            Value::Ipv4([192, 0, 2, 1].into()),
            Value::Ipv6("2001:db8::1".parse().unwrap()),
            Value::Protocol(132),
            Value::Port(0x1234),
            Value::Icmp6Type(135),
            interface,
            Value::CtState(6),
            Value::Mark(0x8000_0001),
            Value::TcpFlags(2),
        ] {
            let octets = value.octets();
            assert_eq!(octets.len(), value.data_type().octets());
            assert_eq!(Value::from_octets(value.data_type(), &octets), Some(value.clone()));
            assert_eq!(Value::from_octets(value.data_type(), &octets[1..]), None, "{value:?}");
        }
        assert_eq!(Value::Port(0x1234).octets(), [0x12, 0x34], "network order");
    }
}
