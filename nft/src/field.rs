//! What a rule reads of a packet.

use crate::DataType;

/// A part of a packet, or something that is known of it.
///
/// A field that a packet does not have ends the rule without an effect, as in the kernel (`NFT_BREAK`): an
/// IPv4 address of an IPv6 packet, a port where the packet ends before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Field {
    /// `ip saddr`: the source address of an IPv4 packet.
    Ip4Source,
    /// `ip daddr`: the destination address of an IPv4 packet.
    Ip4Destination,
    /// `ip6 saddr`: the source address of an IPv6 packet.
    Ip6Source,
    /// `ip6 daddr`: the destination address of an IPv6 packet.
    Ip6Destination,
    /// `meta l4proto`: the protocol above IP; extension headers of IPv6 are walked.
    Protocol,
    /// `th sport`: octets 0 and 1 behind the IP header, whatever the protocol is.
    SourcePort,
    /// `th dport`: octets 2 and 3 behind the IP header, whatever the protocol is. Of ICMP that is the
    /// checksum: a rule or a set key that reads it should compare [`Field::Protocol`], too.
    DestinationPort,
    /// `icmpv6 type`: octet 0 behind the IP header. The rule must have compared [`Field::Protocol`]
    /// with ICMPv6 before.
    Icmp6Type,
    /// `tcp flags`: octet 13 behind the IP header. The rule must have compared [`Field::Protocol`]
    /// with TCP before.
    TcpFlags,
    /// `iifname`: the interface that the packet came in by.
    InputInterface,
    /// `oifname`: the interface that the packet leaves by.
    OutputInterface,
    /// `ct state`: the state of the packet's connection.
    CtState,
    /// `ct mark`: the mark of the packet's connection.
    CtMark,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 13] = [
        Self::Ip4Source,
        Self::Ip4Destination,
        Self::Ip6Source,
        Self::Ip6Destination,
        Self::Protocol,
        Self::SourcePort,
        Self::DestinationPort,
        Self::Icmp6Type,
        Self::TcpFlags,
        Self::InputInterface,
        Self::OutputInterface,
        Self::CtState,
        Self::CtMark,
    ];

    /// Returns the type of its values.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Ip4Source | Self::Ip4Destination => DataType::Ipv4,
            Self::Ip6Source | Self::Ip6Destination => DataType::Ipv6,
            Self::Protocol => DataType::Protocol,
            Self::SourcePort | Self::DestinationPort => DataType::Port,
            Self::Icmp6Type => DataType::Icmp6Type,
            Self::TcpFlags => DataType::TcpFlags,
            Self::InputInterface | Self::OutputInterface => DataType::Interface,
            Self::CtState => DataType::CtState,
            Self::CtMark => DataType::Mark,
        }
    }

    /// Returns the expression in nft's language (nft(8) "PAYLOAD EXPRESSIONS", "META EXPRESSIONS").
    pub fn name(self) -> &'static str {
        match self {
            Self::Ip4Source => "ip saddr",
            Self::Ip4Destination => "ip daddr",
            Self::Ip6Source => "ip6 saddr",
            Self::Ip6Destination => "ip6 daddr",
            Self::Protocol => "meta l4proto",
            Self::SourcePort => "th sport",
            Self::DestinationPort => "th dport",
            Self::Icmp6Type => "icmpv6 type",
            Self::TcpFlags => "tcp flags",
            Self::InputInterface => "iifname",
            Self::OutputInterface => "oifname",
            Self::CtState => "ct state",
            Self::CtMark => "ct mark",
        }
    }
}
