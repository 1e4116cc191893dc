//! Socket addresses as the kernel writes them.

use std::fmt;
use std::mem::size_of;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use libc::{sockaddr_in, sockaddr_in6};

/// The octets of a `sockaddr_in` or `sockaddr_in6` (ip(7), ipv6(7)).
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Address {
    pub(crate) octets: [u8; size_of::<sockaddr_in6>()],
}

impl Default for Address {
    fn default() -> Self {
        Self { octets: [0; size_of::<sockaddr_in6>()] }
    }
}

impl Address {
    fn family(&self) -> i32 {
        u16::from_ne_bytes(self.at(0)).into()
    }

    /// Returns how many octets of it there are.
    pub(crate) fn length(&self) -> usize {
        match self.family() {
            libc::AF_INET => size_of::<sockaddr_in>(),
            _ => size_of::<sockaddr_in6>(),
        }
    }

    /// Returns the address; none of another family.
    pub(crate) fn socket_address(&self) -> Option<SocketAddr> {
        let port = u16::from_be_bytes(self.at(2));
        match self.family() {
            libc::AF_INET => Some((Ipv4Addr::from(self.at::<4>(4)), port).into()),
            libc::AF_INET6 => {
                let (flow, scope) = (self.at(4), u32::from_ne_bytes(self.at(24)));
                let ip = Ipv6Addr::from(self.at::<16>(8));
                Some(SocketAddrV6::new(ip, port, u32::from_ne_bytes(flow), scope).into())
            }
            _ => None,
        }
    }

    fn at<const N: usize>(&self, start: usize) -> [u8; N] {
        self.octets.get(start..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket_address().fmt(f)
    }
}
