//! Bridges of this network namespace, and which link leads to an address (rtnetlink(7)).

use std::net::IpAddr;

use netlink_sys::constants::NETLINK_ROUTE;
use nft::attribute::{Attributes, find};

use crate::Error;
use crate::socket::NetfilterSocket;

/// Kinds of requests (`RTM_GETLINK`, `RTM_GETROUTE`).
const GET_LINK: u16 = 18;
const GET_ROUTE: u16 = 26;

/// The octets of `struct ifinfomsg` and `struct rtmsg`, which messages begin with.
const LINK_HEADER: usize = 16;
const ROUTE_HEADER: usize = 12;

/// Attributes of a link (`IFLA_IFNAME`, `IFLA_LINKINFO`, `IFLA_INFO_KIND`, `IFLA_INFO_DATA`).
const NAME: u16 = 3;
const INFO: u16 = 18;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;

/// Attributes of a bridge (`IFLA_BR_NF_CALL_IPTABLES`, `IFLA_BR_NF_CALL_IP6TABLES`).
const CALLS_IP4: u16 = 36;
const CALLS_IP6: u16 = 37;

/// Attributes of a route (`RTA_DST`, `RTA_OIF`).
const DESTINATION: u16 = 1;
const OUTPUT: u16 = 4;

/// The families, as routes number them (`AF_INET`, `AF_INET6`).
const INET: u8 = 2;
const INET6: u8 = 10;

/// A socket that asks for links and routes.
pub struct Links {
    socket: NetfilterSocket,
}

/// A bridge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bridge {
    /// The number of its link.
    pub index: u32,
    /// The name of its link.
    pub name: String,
    /// Whether the bridge itself passes bridged packets of IPv4 through the hooks of IP (`nf_call_iptables`); the
    /// namespace may do so for all bridges.
    pub calls_ip4: bool,
    /// The same of IPv6.
    pub calls_ip6: bool,
}

impl Links {
    /// Opens a socket.
    ///
    /// # Errors
    /// No socket can be opened.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: NetfilterSocket::open_on(NETLINK_ROUTE)? })
    }

    /// Lists the bridges.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn bridges(&mut self) -> Result<Vec<Bridge>, Error> {
        let mut bridges = Vec::new();
        let take = |body: &[u8]| bridges.extend(read_bridge(body));
        self.socket.dump("list links", GET_LINK, &[0; LINK_HEADER], take)?;
        Ok(bridges)
    }

    /// Returns the number of the link that packets to an address leave by; none when there is no route to it.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn leads_to(&mut self, address: IpAddr) -> Result<Option<u32>, Error> {
        let (family, octets) = match address {
            IpAddr::V4(address) => (INET, address.octets().to_vec()),
            IpAddr::V6(address) => (INET6, address.octets().to_vec()),
        };
        let mut header = vec![0; ROUTE_HEADER];
        header[0] = family;
        header[1] = u8::try_from(8 * octets.len()).unwrap_or(u8::MAX);
        let mut to = Attributes::behind(header);
        to.octets(DESTINATION, &octets);
        let mut link = None;
        let take = |body: &[u8]| {
            link = body.get(ROUTE_HEADER..).and_then(|octets| number(find(octets, OUTPUT)?.octets));
        };
        match self.socket.request("find a route", GET_ROUTE, 0, &to.finish(), take) {
            Ok(()) => Ok(link),
            // ENETUNREACH, EHOSTUNREACH and others: nothing leads there.
            Err(Error::Refused(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn read_bridge(body: &[u8]) -> Option<Bridge> {
    let octets = body.get(LINK_HEADER..)?;
    let info = find(octets, INFO)?.octets;
    (find(info, INFO_KIND)?.text()? == "bridge").then_some(())?;
    let data = find(info, INFO_DATA).map(|data| data.octets).unwrap_or_default();
    let is_set = |kind| find(data, kind).is_some_and(|it| it.octets.first() == Some(&1));
    Some(Bridge {
        // Behind the family, padding and type, 4 octets.
        index: number(body.get(4..)?)?,
        name: find(octets, NAME)?.text()?.to_owned(),
        calls_ip4: is_set(CALLS_IP4),
        calls_ip6: is_set(CALLS_IP6),
    })
}

/// Reads a number in the order of the machine, as rtnetlink has them.
fn number(octets: &[u8]) -> Option<u32> {
    octets.first_chunk().map(|octets| u32::from_ne_bytes(*octets))
}
