//! Connections that the kernel tracks (`net/netfilter/nf_conntrack_netlink.c`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nft::attribute::{Attribute, Attributes, find};

use crate::Error;
use crate::frame::NFNETLINK;
use crate::socket::NetfilterSocket;

/// The subsystem and its messages (`NFNL_SUBSYS_CTNETLINK`, `enum cntl_msg_types`).
const CONNTRACK: u16 = 1;
const NEW: u16 = CONNTRACK << 8;
const GET: u16 = CONNTRACK << 8 | 1;

/// Attributes of a connection (`enum ctattr_type`).
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const MARK: u16 = 8;
const ZONE: u16 = 18;
const MARK_MASK: u16 = 21;

/// Attributes of a tuple (`enum ctattr_tuple`, `ctattr_ip`, `ctattr_l4proto`).
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const V4_SOURCE: u16 = 1;
const V4_DESTINATION: u16 = 2;
const V6_SOURCE: u16 = 3;
const V6_DESTINATION: u16 = 4;
const PROTOCOL_NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;

const ENOENT: i32 = 2;

/// A socket that asks for connections.
pub struct Conntrack {
    socket: NetfilterSocket,
}

/// One side of a connection in one direction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The port; 0 for protocols without.
    pub port: u16,
}

/// Who sends to whom, in one direction of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tuple {
    /// Who sends.
    pub source: Endpoint,
    /// To whom.
    pub destination: Endpoint,
}

/// A connection.
///
/// Who began it is the source of the original direction, as it was before any source NAT; with whom it really is,
/// after destination NAT, is the source of the reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flow {
    /// The protocol above IP.
    pub protocol: u8,
    /// The direction of the first packet, as its sender saw it.
    pub original: Tuple,
    /// The direction of answers, as their sender sees it.
    pub reply: Tuple,
    /// The mark.
    pub mark: u32,
    /// The conntrack zone; 0 unless someone set one.
    pub zone: u16,
    /// The original tuple as the kernel gave it, with what other protocols have in the place of ports: it is the
    /// connection's name.
    name: Vec<u8>,
    /// The version of IP, as nfnetlink numbers it.
    family: u8,
}

impl Flow {
    /// Returns who began the connection and whom it is with, as packets are at the hook `forward`: after
    /// destination NAT and before source NAT.
    pub fn real(&self) -> Tuple {
        Tuple { source: self.original.source, destination: self.reply.source }
    }
}

impl Conntrack {
    /// Opens a socket.
    ///
    /// # Errors
    /// No socket can be opened.
    pub fn open() -> Result<Self, Error> {
        let socket = NetfilterSocket::open()?;
        Ok(Self { socket })
    }

    /// Gives every connection of IPv4 and IPv6 to a function. One that begins or ends meanwhile may be left out
    /// or come twice; what cannot be read is passed over.
    ///
    /// # Errors
    /// The kernel tracks no connections, or the capability is missing.
    pub fn each(&mut self, mut take: impl FnMut(Flow)) -> Result<(), Error> {
        let list = |body: &[u8]| {
            if let Some(flow) = read(body) {
                take(flow);
            }
        };
        // Connections always change: nothing is won by listing them again.
        self.socket.dump("list connections", GET, &[0; NFNETLINK], list).map(|_| ())
    }

    /// Lists every connection of IPv4 and IPv6, as [`Conntrack::each`].
    ///
    /// # Errors
    /// As those of [`Conntrack::each`].
    pub fn list(&mut self) -> Result<Vec<Flow>, Error> {
        let mut flows = Vec::new();
        self.each(|flow| flows.push(flow))?;
        Ok(flows)
    }

    /// Sets those bits of a connection's mark that are in the mask to those of the value. Says whether there is
    /// such a connection still.
    ///
    /// # Errors
    /// The kernel refuses it, or the capability is missing.
    pub fn set_mark(&mut self, flow: &Flow, value: u32, mask: u32) -> Result<bool, Error> {
        let mut to = Attributes::behind(vec![flow.family, 0, 0, 0]);
        to.nested(TUPLE_ORIGINAL, |to| to.append(&flow.name));
        if flow.zone != 0 {
            to.u16(ZONE, flow.zone);
        }
        // The kernel clears the bits of the mask and then inverts those of the value.
        to.u32(MARK, value & mask);
        to.u32(MARK_MASK, mask);
        match self.socket.request("mark a connection", NEW, 0, &to.finish(), |_| {}) {
            Ok(()) => Ok(true),
            Err(error) if error.errno() == Some(ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn read(body: &[u8]) -> Option<Flow> {
    let (header, octets) = body.split_first_chunk::<NFNETLINK>()?;
    let original = find(octets, TUPLE_ORIGINAL)?;
    let (protocol, tuple) = read_tuple(original)?;
    Some(Flow {
        protocol,
        original: tuple,
        reply: read_tuple(find(octets, TUPLE_REPLY)?)?.1,
        mark: find(octets, MARK).and_then(Attribute::u32).unwrap_or(0),
        zone: find(octets, ZONE).and_then(Attribute::u16).unwrap_or(0),
        name: original.octets.to_vec(),
        family: header[0],
    })
}

/// Reads a tuple and its protocol.
fn read_tuple(tuple: Attribute<'_>) -> Option<(u8, Tuple)> {
    let ip = find(tuple.octets, TUPLE_IP)?.octets;
    let v4 = |kind| {
        let octets: [u8; 4] = find(ip, kind)?.octets.try_into().ok()?;
        Some(IpAddr::from(Ipv4Addr::from(octets)))
    };
    let v6 = |kind| {
        let octets: [u8; 16] = find(ip, kind)?.octets.try_into().ok()?;
        Some(IpAddr::from(Ipv6Addr::from(octets)))
    };
    let protocol = find(tuple.octets, TUPLE_PROTOCOL)?.octets;
    let port = |kind| find(protocol, kind).and_then(Attribute::u16).unwrap_or(0);
    let source = v4(V4_SOURCE).or_else(|| v6(V6_SOURCE))?;
    let destination = v4(V4_DESTINATION).or_else(|| v6(V6_DESTINATION))?;
    let tuple = Tuple {
        source: Endpoint { address: source, port: port(SOURCE_PORT) },
        destination: Endpoint { address: destination, port: port(DESTINATION_PORT) },
    };
    Some((*find(protocol, PROTOCOL_NUMBER)?.octets.first()?, tuple))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(to: &mut Attributes, kind: u16, source: ([u8; 4], u16), destination: ([u8; 4], u16)) {
        to.nested(kind, |to| {
            to.nested(TUPLE_IP, |to| {
                to.octets(V4_SOURCE, &source.0);
                to.octets(V4_DESTINATION, &destination.0);
            });
            to.nested(TUPLE_PROTOCOL, |to| {
                to.octets(PROTOCOL_NUMBER, &[6]);
                to.u16(SOURCE_PORT, source.1);
                to.u16(DESTINATION_PORT, destination.1);
            });
        });
    }

    #[test]
    fn the_real_direction_is_that_behind_destination_nat() {
        let mut to = Attributes::behind(vec![2, 0, 0, 0]);
        tuple(&mut to, TUPLE_ORIGINAL, ([10, 0, 0, 1], 4000), ([10, 96, 0, 1], 80));
        tuple(&mut to, TUPLE_REPLY, ([10, 0, 1, 2], 8080), ([192, 0, 2, 1], 5000));
        to.u32(MARK, 0x10);
        let body = to.finish();
        let flow = read(&body).unwrap();
        assert_eq!((flow.protocol, flow.mark, flow.zone, flow.family), (6, 0x10, 0, 2));
        let real = flow.real();
        assert_eq!((real.source.address, real.source.port), ([10, 0, 0, 1].into(), 4000));
        assert_eq!((real.destination.address, real.destination.port), ([10, 0, 1, 2].into(), 8080));
        let readable = (0..body.len()).filter(|cut| read(&body[..*cut]).is_some()).count();
        assert_eq!(readable, 8, "only without the mark, the last of its octets cut");
    }
}
