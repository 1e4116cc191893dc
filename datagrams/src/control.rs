//! Control data: what the kernel says of a datagram besides its octets, and is told of a reply (cmsg(3)).

use std::fmt;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libc::{c_int, cmsghdr};

/// Room for two items: `SO_RXQ_OVFL`, and `IPV6_PKTINFO` or `IP_PKTINFO`, which is smaller.
pub(crate) const CONTROL: usize = space(size_of::<u32>()) + space(size_of::<libc::in6_pktinfo>());

const HEADER: usize = size_of::<cmsghdr>();

/// Items start where a word does.
const WORD: usize = size_of::<usize>();

/// Where the level of an item is: behind its length.
const LEVEL: usize = WORD;

/// Where its kind is.
const KIND: usize = LEVEL + size_of::<c_int>();

const fn space(data: usize) -> usize {
    (size_of::<cmsghdr>() + data).next_multiple_of(size_of::<usize>())
}

/// Some items of control data.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control {
    pub(crate) octets: [u8; CONTROL],
    pub(crate) length: usize,
}

impl Default for Control {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Control {
    /// No items.
    pub(crate) const EMPTY: Self = Self { octets: [0; CONTROL], length: 0 };

    /// Returns the address that the datagram was sent to.
    pub(crate) fn destination(&self) -> Option<IpAddr> {
        self.items().find_map(|(level, kind, data)| match (level, kind) {
            // Behind the index of the interface and the local address (ip(7)).
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                Some(Ipv4Addr::from(*data.get(8..)?.first_chunk::<4>()?).into())
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                Some(Ipv6Addr::from(*data.first_chunk::<16>()?).into())
            }
            _ => None,
        })
    }

    /// Returns how many datagrams the socket has dropped.
    pub(crate) fn dropped(&self) -> Option<u32> {
        self.items().find_map(|(level, kind, data)| match (level, kind) {
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => Some(u32::from_ne_bytes(*data.first_chunk()?)),
            _ => None,
        })
    }

    /// Returns what sends a reply from where the datagram was sent to. No interface is named: the way back may lead
    /// through another one.
    pub(crate) fn reversed(&self) -> Self {
        match self.destination() {
            Some(IpAddr::V4(ip)) => {
                let mut info = [0; size_of::<libc::in_pktinfo>()];
                info[4..8].copy_from_slice(&ip.octets());
                Self::of(libc::IPPROTO_IP, libc::IP_PKTINFO, &info)
            }
            Some(IpAddr::V6(ip)) => {
                let mut info = [0; size_of::<libc::in6_pktinfo>()];
                info[..16].copy_from_slice(&ip.octets());
                Self::of(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info)
            }
            None => Self::EMPTY,
        }
    }

    fn of(level: c_int, kind: c_int, data: &[u8]) -> Self {
        let mut control = Self::EMPTY;
        let end = HEADER + data.len();
        control.octets[..WORD].copy_from_slice(&end.to_ne_bytes());
        control.octets[LEVEL..KIND].copy_from_slice(&level.to_ne_bytes());
        control.octets[KIND..HEADER].copy_from_slice(&kind.to_ne_bytes());
        control.octets[HEADER..end].copy_from_slice(data);
        control.length = end.next_multiple_of(WORD);
        control
    }

    /// Iterates over the items: level, kind, data.
    fn items(&self) -> impl Iterator<Item = (c_int, c_int, &[u8])> {
        let mut rest = &self.octets[..self.length.min(CONTROL)];
        std::iter::from_fn(move || {
            let end = usize::from_ne_bytes(*rest.first_chunk()?);
            let level = c_int::from_ne_bytes(*rest.get(LEVEL..)?.first_chunk()?);
            let kind = c_int::from_ne_bytes(*rest.get(KIND..)?.first_chunk()?);
            let data = rest.get(HEADER..end)?;
            rest = rest.get(end.next_multiple_of(WORD)..).unwrap_or_default();
            Some((level, kind, data))
        })
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("destination", &self.destination()).finish_non_exhaustive()
    }
}
