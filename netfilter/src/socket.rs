//! One nfnetlink socket.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::constants::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, setsockopt, sockopt};

use crate::frame::{self, Answer, Frame};
use crate::{Error, Refusal};

/// The most that is received at once. The kernel gives dumps in parts of at most 32 KiB.
const DATAGRAM: usize = 64 * 1024;

/// The room for what is received that a socket has by itself (`net.core.rmem_default`), in general.
const ROOM: usize = 208 * 1024;

/// A socket, the numbers of its requests, and room for answers.
pub(crate) struct NetfilterSocket {
    socket: Socket,
    port: u32,
    sequence: u32,
    /// The most room for what is received that was asked for.
    room: usize,
    buffer: Vec<u8>,
}

impl NetfilterSocket {
    /// Opens a socket of nfnetlink.
    pub(crate) fn open() -> Result<Self, Error> {
        Self::open_on(NETLINK_NETFILTER)
    }

    /// Opens a socket of a protocol of netlink.
    pub(crate) fn open_on(protocol: isize) -> Result<Self, Error> {
        let mut socket =
            Socket::new(protocol).map_err(Error::socket("cannot open a netlink socket"))?;
        let address = socket.bind_auto().map_err(Error::socket("cannot bind a netlink socket"))?;
        // Without them errors have no text and carry the whole request: older kernels do without.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        let buffer = Vec::with_capacity(DATAGRAM);
        Ok(Self { socket, port: address.port_number(), sequence: 0, room: ROOM, buffer })
    }

    /// Returns the number that the kernel knows the socket by.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// Joins a group of events, from 1 on.
    pub(crate) fn join(&self, group: u32) -> Result<(), Error> {
        self.socket.add_membership(group).map_err(Error::socket("cannot join a group of events"))
    }

    /// Makes room for events or answers, at least as far as any process may. It never becomes less.
    pub(crate) fn grow_receive_buffer(&mut self, octets: usize) {
        if octets <= self.room {
            return;
        }
        self.room = octets;
        if setsockopt(&self.socket, sockopt::RcvBufForce, &octets).is_err() {
            let _ = setsockopt(&self.socket, sockopt::RcvBuf, &octets);
        }
    }

    /// Makes room for what is sent at once: a transaction is one datagram.
    pub(crate) fn grow_send_buffer(&self, octets: usize) {
        if setsockopt(&self.socket, sockopt::SndBufForce, &octets).is_err() {
            let _ = setsockopt(&self.socket, sockopt::SndBuf, &octets);
        }
    }

    /// Returns the number of the next request.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Sends a datagram of messages. The kernel has carried them out when this returns, and answers are there.
    pub(crate) fn send(&self, octets: &[u8]) -> Result<(), Error> {
        let kernel = SocketAddr::new(0, 0);
        loop {
            match self.socket.send_to(octets, &kernel, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::socket("cannot send to nfnetlink")(error)),
            }
        }
    }

    /// Receives what is there; none when nothing is.
    pub(crate) fn receive(&mut self) -> io::Result<Option<impl Iterator<Item = Frame<'_>>>> {
        self.buffer.clear();
        loop {
            match self.socket.recv(&mut self.buffer, MsgFlags::MSG_DONTWAIT.bits()) {
                Ok(_) => return Ok(Some(frame::read(&self.buffer))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until there is something to receive, or for so long.
    pub(crate) fn wait_for(&self, most: PollTimeout) -> Result<(), Error> {
        let mut polled = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, most) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(Error::socket("cannot wait for nfnetlink")(error.into())),
        }
    }

    /// Sends one request, and waits until it is carried out. An object that it asks for is given to a function.
    pub(crate) fn request(
        &mut self,
        what: &str,
        kind: u16,
        flags: u16,
        body: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        self.ask(what, kind, flags | frame::ACK, body, |frame| take(frame.body))
    }

    /// Lists objects, each of which is given to a function. Says whether none changed meanwhile; else some may
    /// have been left out or given twice.
    pub(crate) fn dump(
        &mut self,
        what: &str,
        kind: u16,
        body: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<bool, Error> {
        let mut is_consistent = true;
        self.ask(what, kind, frame::DUMP, body, |frame| {
            is_consistent &= !frame.is_interrupted();
            take(frame.body);
        })?;
        Ok(is_consistent)
    }

    fn ask(
        &mut self,
        what: &str,
        kind: u16,
        flags: u16,
        body: &[u8],
        mut take: impl FnMut(Frame<'_>),
    ) -> Result<(), Error> {
        let sequence = self.next_sequence();
        let mut octets = Vec::new();
        frame::write(&mut octets, kind, frame::REQUEST | flags, sequence, body);
        self.send(&octets)?;
        loop {
            let received =
                self.receive().map_err(Error::socket("cannot receive from nfnetlink"))?;
            let Some(frames) = received else { return Err(Error::Answer(what.to_owned())) };
            for frame in frames.filter(|frame| frame.sequence == sequence) {
                match frame.answer() {
                    Answer::Part(frame) => take(frame),
                    Answer::Done | Answer::Acknowledged => return Ok(()),
                    Answer::Refused(source, message) => {
                        let what = what.to_owned();
                        return Err(Refusal { what, source, message, change: None }.into());
                    }
                }
            }
        }
    }
}

impl AsFd for NetfilterSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
