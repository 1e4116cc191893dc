//! Datagrams that came in together, and their replies.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::BorrowedFd;

use crate::address::Address;
use crate::control::Control;
use crate::{BATCH, system};

/// The most octets of a datagram that are received; the rest is cut off. Questions have a few hundred at most, and
/// buffers for the longest datagrams would stay in memory once somebody had sent some.
pub const LONGEST: usize = 4096;

/// Up to [`BATCH`] datagrams and their replies.
///
/// The memory for every datagram is there from the start: 128 KiB.
#[derive(Debug)]
pub struct Batch {
    messages: Box<[u8]>,
    headers: [Header; BATCH],
    received: usize,
    replies: [Vec<u8>; BATCH],
    /// The datagrams whose replies are to be sent.
    queue: [usize; BATCH],
    queued: usize,
}

/// What the kernel says of a datagram.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Header {
    pub(crate) length: usize,
    pub(crate) from: Address,
    pub(crate) control: Control,
}

/// A datagram that came in.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its octets, [`LONGEST`] at most.
    pub message: &'a [u8],
    /// Where it came from, as the socket names it: IPv4 clients of an IPv6 socket are mapped.
    pub from: SocketAddr,
    /// The address of this host that it was sent to; none when the kernel did not say.
    pub to: Option<IpAddr>,
    /// How many datagrams the kernel has ever dropped at the socket, if it says so (`SO_RXQ_OVFL`).
    pub dropped: Option<u32>,
}

/// Whether to wait for a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Until one is there, or as long as the socket lets its readers wait (`SO_RCVTIMEO`).
    ForOne,
    /// Not at all.
    No,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            messages: vec![0; BATCH * LONGEST].into(),
            headers: [Header::default(); BATCH],
            received: 0,
            replies: [const { Vec::new() }; BATCH],
            queue: [0; BATCH],
            queued: 0,
        }
    }
}

impl Batch {
    /// Receives the datagrams that are there, in the place of those before, and returns how many.
    ///
    /// # Errors
    /// As `recvmmsg(2)`: among others [`io::ErrorKind::WouldBlock`] when none came in time, and errors of datagrams
    /// sent before, which the network has reported.
    pub fn receive(&mut self, socket: BorrowedFd<'_>, wait: Wait) -> io::Result<usize> {
        (self.received, self.queued) = (0, 0);
        self.received = system::receive(socket, wait, &mut self.headers, &mut self.messages)?;
        Ok(self.received)
    }

    /// Returns the octets of some of the datagrams, and the place for the reply to each.
    pub fn messages(
        &mut self,
        numbers: Range<usize>,
    ) -> impl Iterator<Item = (&[u8], &mut Vec<u8>)> {
        let Self { messages, headers, received, replies, .. } = self;
        let headers = headers[..*received].iter().zip(messages.chunks_exact(LONGEST));
        let messages = headers.map(|(header, buffer)| &buffer[..header.length.min(LONGEST)]);
        messages.zip(replies).skip(numbers.start).take(numbers.len())
    }

    /// Returns a datagram of the batch and the place for its reply, which holds what was there before.
    ///
    /// None when there are fewer, and when it comes from no address that IP has.
    pub fn datagram(&mut self, number: usize) -> Option<(Datagram<'_>, &mut Vec<u8>)> {
        let header = self.headers[..self.received].get(number)?;
        let start = number * LONGEST;
        let datagram = Datagram {
            message: self.messages.get(start..start + header.length)?,
            from: header.from.socket_address()?,
            to: header.control.destination(),
            dropped: header.control.dropped(),
        };
        Some((datagram, self.replies.get_mut(number)?))
    }

    /// Notes that the reply to a datagram is to be sent. Once for each, at most.
    pub fn queue(&mut self, number: usize) {
        if number < self.received && self.queued < BATCH {
            self.queue[self.queued] = number;
            self.queued += 1;
        }
    }

    /// Sends the replies that have been queued, each to where its datagram came from and from where that was sent to.
    /// `failed` learns of those that cannot be sent; the others are.
    pub fn send(&mut self, socket: BorrowedFd<'_>, mut failed: impl FnMut(SocketAddr, io::Error)) {
        let queued = &self.queue[..self.queued];
        self.queued = 0;
        let (headers, replies) = (&self.headers, &self.replies);
        system::send(socket, queued, headers, replies, |number, error| {
            if let Some(to) = headers[number].from.socket_address() {
                failed(to, error);
            }
        });
        for number in queued {
            // The room for usual replies stays.
            if self.replies[*number].capacity() > LONGEST {
                self.replies[*number] = Vec::new();
            }
        }
    }
}

/// Returns the octets of the buffer for each message of a batch.
pub(crate) fn buffers(messages: &mut [u8]) -> std::slice::ChunksExactMut<'_, u8> {
    messages.chunks_exact_mut(LONGEST)
}
