//! A UDP socket that answers from the address that was asked.
//!
//! Threads receive by the batch and send what they can answer at once; see [`datagrams`]. A reply that comes later is
//! sent by a task.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use datagrams::{Batch, Wait};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg, setsockopt, sockopt};
use socket2::Socket;

/// How long a receiver waits before it looks whether it has to stop, where nothing wakes it.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a thread waits until the kernel takes a reply.
const SENDING: Duration = Duration::from_millis(100);

/// A bound UDP socket.
#[derive(Debug)]
pub(super) struct DatagramSocket {
    socket: Socket,
    local: SocketAddr,
    /// How many datagrams the kernel had dropped when the last one came in.
    dropped: AtomicU32,
}

/// Where a reply goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// Where the question came from, as the socket names it (IPv4 clients of an IPv6 socket are mapped).
    pub(super) client: SocketAddr,
    /// Which of the host's addresses it was sent to.
    pub(super) local: SocketAddr,
}

impl DatagramSocket {
    /// Takes a bound socket. It blocks those who do not say otherwise.
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::InvalidInput)?;
        match local.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => {
                setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            }
            IpAddr::V6(ip) if ip.is_unspecified() => {
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            }
            // The kernel sends from the address that the socket is bound to.
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(SENDING))?;
        Ok(Self { socket, local, dropped: AtomicU32::new(0) })
    }

    /// Receives the datagrams that are there, and waits for one if it is to.
    pub(super) fn receive(&self, batch: &mut Batch, wait: Wait) -> io::Result<usize> {
        batch.receive(self.as_fd(), wait)
    }

    /// Returns the way of a reply to a datagram.
    pub(super) fn way(&self, from: SocketAddr, to: Option<IpAddr>) -> Way {
        let ip = to.unwrap_or_else(|| self.local.ip());
        Way { client: from, local: SocketAddr::new(ip, self.local.port()) }
    }

    /// Returns how many more the kernel has dropped than was known, when it has dropped so many in all; several may
    /// receive at once.
    pub(super) fn dropped_since(&self, all: u32) -> u32 {
        // The kernel's counter wraps. Of two that receive at once the later may have the smaller number.
        let ahead = |known: u32| all.wrapping_sub(known) < u32::MAX / 2;
        let update = |known: u32| ahead(known).then_some(all);
        let known = self.dropped.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
        known.map_or(0, |known| all.wrapping_sub(known))
    }

    /// Makes the kernel queue nothing more here, so that what is still to be sent can be, while other sockets at
    /// the address get what comes in.
    pub(super) fn receive_no_more(&self) {
        // A connected socket receives from its peer alone, and this peer is itself. Sending elsewhere goes on.
        if let Err(error) = self.socket.connect(&self.local.into()) {
            tracing::debug!(%error, "a UDP socket that is done still receives");
        }
    }

    /// Wakes so many of those who receive, once it receives from itself alone.
    pub(super) fn wake(&self, receivers: usize) {
        for _ in 0..receivers {
            // Where this fails they look by themselves after a while.
            let _ = self.socket.send(&[]);
        }
    }

    /// Sends a reply, and lets the caller wait until the kernel takes it, or not.
    pub(super) fn reply(&self, way: Way, message: &[u8], wait: Wait) -> io::Result<()> {
        let flags = match wait {
            Wait::ForOne => MsgFlags::empty(),
            Wait::No => MsgFlags::MSG_DONTWAIT,
        };
        send(&self.socket, way, message, flags)
    }
}

impl AsFd for DatagramSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn send(socket: &Socket, way: Way, message: &[u8], flags: MsgFlags) -> io::Result<()> {
    let to = SockaddrStorage::from(way.client);
    let parts = [IoSlice::new(message)];
    let (v4, v6);
    let control = match way.local.ip() {
        IpAddr::V4(ip) => {
            v4 = source_v4(ip);
            ControlMessage::Ipv4PacketInfo(&v4)
        }
        IpAddr::V6(ip) => {
            v6 = source_v6(ip);
            ControlMessage::Ipv6PacketInfo(&v6)
        }
    };
    sendmsg(socket.as_raw_fd(), &parts, &[control], flags, Some(&to))?;
    Ok(())
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
