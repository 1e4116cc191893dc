//! Packets, as far as rules look at them.

use std::net::{IpAddr, SocketAddr};

use crate::{Field, InterfaceName, Value};

/// Numbers of the protocols above IP (IANA "Protocol Numbers").
pub mod protocol {
    /// ICMP of IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP of IPv6.
    pub const ICMP6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// States of connections, as the bits of `ct state` (`NF_CT_STATE_BIT` in
/// `include/uapi/linux/netfilter/nf_conntrack_common.h`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CtState(u32);

impl CtState {
    /// The packet is of no connection, and cannot begin one.
    pub const INVALID: Self = Self(1);
    /// Both sides have sent.
    pub const ESTABLISHED: Self = Self(2);
    /// The packet begins a connection that belongs to another one, or is an ICMP error about one.
    pub const RELATED: Self = Self(4);
    /// The packet begins a connection, or only one side has sent so far.
    pub const NEW: Self = Self(8);
    /// Conntrack leaves the packet alone.
    pub const UNTRACKED: Self = Self(64);

    /// Returns the bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Returns the value that matches either state.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the value to compare [`Field::CtState`] with.
    pub const fn value(self) -> Value {
        Value::CtState(self.0)
    }
}

/// A packet at a hook. Both addresses are of the same version of IP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// The source address.
    pub source: IpAddr,
    /// The destination address.
    pub destination: IpAddr,
    /// The protocol above IP.
    pub protocol: u8,
    /// What is behind the IP header, as far as it is known: ports, ICMP types and flags are read from it.
    pub header: Vec<u8>,
    /// The state of its connection.
    pub state: CtState,
    /// The mark of its connection.
    pub mark: u32,
    /// The interface that it came in by.
    pub input: Option<InterfaceName>,
    /// The interface that it leaves by.
    pub output: Option<InterfaceName>,
}

impl Packet {
    /// Makes a packet of any protocol that begins a connection.
    pub fn new(
        source: IpAddr,
        destination: IpAddr,
        protocol: u8,
        header: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            source,
            destination,
            protocol,
            header: header.into(),
            state: CtState::NEW,
            mark: 0,
            input: None,
            output: None,
        }
    }

    /// Makes the packet that begins a connection of TCP, UDP or SCTP: of TCP a SYN.
    pub fn between(protocol: u8, source: SocketAddr, destination: SocketAddr) -> Self {
        let mut header = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
        if protocol == protocol::TCP {
            header.resize(20, 0);
            header[13] = 0x02;
        }
        Self::new(source.ip(), destination.ip(), protocol, header)
    }

    /// Reads a packet from its octets, from the IP header on, of which the end may be missing; none when what is there
    /// is no IP header. Extension headers of IPv6 are walked, as `meta l4proto` does (`ipv6_find_hdr`).
    pub fn read(octets: &[u8]) -> Option<Self> {
        match octets.first()? >> 4 {
            4 => read_v4(octets),
            6 => read_v6(octets),
            _ => None,
        }
    }

    /// Returns a field; none where the packet has no such thing.
    pub fn field(&self, field: Field) -> Option<Value> {
        let octets =
            |at: usize| self.header.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
        match field {
            Field::Ip4Source | Field::Ip6Source => address(field, self.source),
            Field::Ip4Destination | Field::Ip6Destination => address(field, self.destination),
            Field::Protocol => Some(Value::Protocol(self.protocol)),
            Field::SourcePort => octets(0).map(Value::Port),
            Field::DestinationPort => octets(2).map(Value::Port),
            Field::Icmp6Type => self.header.first().copied().map(Value::Icmp6Type),
            Field::TcpFlags => self.header.get(13).copied().map(Value::TcpFlags),
            Field::InputInterface => self.input.clone().map(Value::Interface),
            Field::OutputInterface => self.output.clone().map(Value::Interface),
            Field::CtState => Some(self.state.value()),
            Field::CtMark => Some(Value::Mark(self.mark)),
        }
    }
}

/// Reads a packet of IPv4 (RFC 791 section 3.1).
fn read_v4(octets: &[u8]) -> Option<Packet> {
    let header = octets.first_chunk::<20>()?;
    let address = |at: usize| IpAddr::from([0, 1, 2, 3].map(|octet| header[at + octet]));
    let behind = octets.get(usize::from(header[0] & 0x0f) * 4..).unwrap_or_default();
    Some(Packet::new(address(12), address(16), header[9], behind))
}

/// Reads a packet of IPv6 (RFC 8200 section 3).
fn read_v6(octets: &[u8]) -> Option<Packet> {
    let header = octets.first_chunk::<40>()?;
    let address = |at: usize| {
        let octets: [u8; 16] = std::array::from_fn(|octet| header[at + octet]);
        IpAddr::from(octets)
    };
    let (mut next, mut behind) = (header[6], &octets[40..]);
    // Each step takes 8 octets or more.
    while let Some(length) = extension_length(next, behind) {
        next = behind[0];
        behind = behind.get(length..).unwrap_or_default();
    }
    Some(Packet::new(address(8), address(24), next, behind))
}

/// Returns the octets of an extension header of IPv6, at least 8; none where another protocol begins, or the octets
/// end (RFC 8200 section 4, RFC 4302 section 2.2).
fn extension_length(protocol: u8, octets: &[u8]) -> Option<usize> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION: u8 = 60;
    let length = usize::from(*octets.get(1)?);
    match protocol {
        HOP_BY_HOP | ROUTING | DESTINATION => Some(8 * (length + 1)),
        FRAGMENT => Some(8),
        AUTHENTICATION => Some((4 * (length + 2)).max(8)),
        _ => None,
    }
}

/// Returns an address if it is of the version of IP that the field is of.
fn address(field: Field, address: IpAddr) -> Option<Value> {
    let value = Value::from(address);
    (value.data_type() == field.data_type()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_from_their_octets() {
        let mut v4 = vec![0x46, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        v4.extend([1, 1, 1, 0]);
        v4.extend([0x04, 0xd2, 0, 80]);
        let packet = Packet::read(&v4).unwrap();
        assert_eq!(packet.field(Field::SourcePort), Some(Value::Port(1234)), "behind an option");
        assert_eq!(packet.field(Field::DestinationPort), Some(Value::Port(80)));
        assert_eq!(packet.destination, IpAddr::from([10, 0, 0, 2]));

        let source: std::net::Ipv6Addr = "2001:db8::1".parse().unwrap();
        let mut v6 = vec![0x60, 0, 0, 0, 0, 24, 0, 64];
        v6.extend(source.octets());
        v6.extend(source.octets());
        v6.extend([60, 0, 1, 4, 0, 0, 0, 0]);
        v6.extend([17, 0, 1, 4, 0, 0, 0, 0]);
        v6.extend([0x04, 0xd2, 0, 53]);
        let packet = Packet::read(&v6).unwrap();
        assert_eq!((packet.source, packet.protocol), (source.into(), protocol::UDP));
        assert_eq!(packet.field(Field::DestinationPort), Some(Value::Port(53)));

        for whole in [v4, v6] {
            // Cut anywhere, it is a packet with less of a header, or none.
            for cut in 0..whole.len() {
                let packet = Packet::read(&whole[..cut]);
                assert!(packet.is_none_or(|packet| packet.header.len() < 12), "{cut}");
            }
        }
        assert_eq!(Packet::read(&[0x50; 64]), None);
    }

    #[test]
    fn fields_are_read_as_the_kernel_reads_them() {
        let packet = Packet::between(
            protocol::TCP,
            "10.0.0.1:1234".parse().unwrap(),
            "10.0.0.2:80".parse().unwrap(),
        );
        assert_eq!(packet.field(Field::Ip4Source), Some(Value::Ipv4([10, 0, 0, 1].into())));
        assert_eq!(packet.field(Field::Ip6Source), None);
        assert_eq!(packet.field(Field::SourcePort), Some(Value::Port(1234)));
        assert_eq!(packet.field(Field::DestinationPort), Some(Value::Port(80)));
        assert_eq!(packet.field(Field::TcpFlags), Some(Value::TcpFlags(2)));
        assert_eq!(packet.field(Field::InputInterface), None);

        let echo = [128, 0, 0x00, 0x50];
        let (source, destination) =
            ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let ping = Packet::new(source, destination, protocol::ICMP6, echo);
        assert_eq!(ping.field(Field::Icmp6Type), Some(Value::Icmp6Type(128)));
        assert_eq!(ping.field(Field::DestinationPort), Some(Value::Port(80)), "it is the checksum");
        assert_eq!(ping.field(Field::Ip4Destination), None);
        assert_eq!(Packet { header: vec![0; 3], ..ping }.field(Field::DestinationPort), None);
    }
}
