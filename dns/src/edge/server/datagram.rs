//! A UDP socket that answers from the address that was asked.
//!
//! On a host with several addresses the kernel would choose the source of a reply by the route back, and a
//! client drops what does not come from where it sent its question. So the destination of each
//! datagram is read (`IP_PKTINFO`, `IPV6_RECVPKTINFO`) and given back with the reply.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::Socket;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A bound UDP socket.
#[derive(Debug)]
pub(super) struct DatagramSocket {
    socket: UdpSocket,
    local: SocketAddr,
    /// How many datagrams the kernel had dropped when the last one came in.
    dropped: AtomicU32,
}

/// A datagram that came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram {
    pub(super) length: usize,
    /// Where it came from, as the socket names it (IPv4 clients of an IPv6 socket are mapped).
    pub(super) from: SocketAddr,
    /// Which of the host's addresses it was sent to.
    pub(super) to: SocketAddr,
    /// How many datagrams the kernel has dropped since the one before, because none were received.
    pub(super) dropped: u32,
}

impl DatagramSocket {
    /// Takes a bound, non-blocking socket.
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        let socket = UdpSocket::from_std(socket.into())?;
        let local = socket.local_addr()?;
        if local.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        Ok(Self { socket, local, dropped: AtomicU32::new(0) })
    }

    /// Waits for a datagram. What does not fit into the buffer is cut off.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<Datagram> {
        self.socket.async_io(Interest::READABLE, || self.receive_now(buffer)).await
    }

    /// Makes the kernel queue nothing more here, so that what is still to be sent can be, while other sockets at
    /// the address get what comes in.
    pub(super) async fn receive_no_more(&self) {
        // A connected socket receives from its peer alone, and this peer is itself. Sending elsewhere goes on.
        if let Err(error) = self.socket.connect(self.local).await {
            tracing::debug!(%error, "a UDP socket that is done still receives");
        }
    }

    /// Returns a datagram that is there already.
    pub(super) fn receive_queued(&self, buffer: &mut [u8]) -> io::Result<Datagram> {
        self.receive_now(buffer)
    }

    /// Sends a reply to where a datagram came from, from where that was sent to.
    pub(super) async fn reply(&self, datagram: &Datagram, message: &[u8]) -> io::Result<()> {
        self.socket.async_io(Interest::WRITABLE, || self.reply_now(datagram, message)).await
    }

    fn receive_now(&self, buffer: &mut [u8]) -> io::Result<Datagram> {
        let mut control = nix::cmsg_space!(nix::libc::in6_pktinfo, u32);
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrStorage>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::empty(),
        )?;
        let from = message.address.as_ref().and_then(socket_address);
        let from = from.ok_or(io::ErrorKind::InvalidData)?;
        let (mut to, mut dropped) = (self.local, 0);
        for control in message.cmsgs()? {
            if let Some(ip) = destination(&control) {
                to.set_ip(ip);
            } else if let ControlMessageOwned::RxqOvfl(all) = control {
                dropped = self.dropped_since(all);
            }
        }
        Ok(Datagram { length: message.bytes, from, to, dropped })
    }

    /// Returns how many more were dropped than was known; several may receive at once.
    fn dropped_since(&self, all: u32) -> u32 {
        all.saturating_sub(self.dropped.fetch_max(all, Ordering::Relaxed))
    }

    fn reply_now(&self, datagram: &Datagram, message: &[u8]) -> io::Result<()> {
        let to = SockaddrStorage::from(datagram.from);
        let parts = [IoSlice::new(message)];
        let (v4, v6);
        let control = match datagram.to.ip() {
            IpAddr::V4(ip) => {
                v4 = source_v4(ip);
                ControlMessage::Ipv4PacketInfo(&v4)
            }
            IpAddr::V6(ip) => {
                v6 = source_v6(ip);
                ControlMessage::Ipv6PacketInfo(&v6)
            }
        };
        let fd = self.socket.as_raw_fd();
        sendmsg(fd, &parts, &[control], MsgFlags::empty(), Some(&to))?;
        Ok(())
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|a| SocketAddr::from((a.ip(), a.port())));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| SocketAddr::V6((*a).into())))
}

fn destination(control: &ControlMessageOwned) -> Option<IpAddr> {
    match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into())
        }
        _ => None,
    }
}

fn source_v4(ip: Ipv4Addr) -> nix::libc::in_pktinfo {
    let any = nix::libc::in_addr { s_addr: 0 };
    let source = nix::libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
    nix::libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: any }
}

fn source_v6(ip: Ipv6Addr) -> nix::libc::in6_pktinfo {
    let address = nix::libc::in6_addr { s6_addr: ip.octets() };
    nix::libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: 0 }
}
