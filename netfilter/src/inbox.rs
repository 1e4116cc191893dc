//! Messages that the kernel sends without being asked: events, packets, traces.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::PollTimeout;

use crate::Error;
use crate::socket::NetfilterSocket;

/// A socket that is told messages of one kind.
pub(crate) struct Inbox<T> {
    socket: NetfilterSocket,
    kind: u16,
    /// Reads a message: the socket that caused it, and what is behind the header of netlink.
    read: fn(u32, &[u8]) -> Option<T>,
    /// What an error says could not be done.
    what: &'static str,
    /// Messages of the last datagram that were not given yet.
    waiting: VecDeque<T>,
}

/// What an [`Inbox`] has.
pub(crate) enum Received<T> {
    /// The next message.
    Message(T),
    /// Nothing more yet.
    Nothing,
    /// The room was full, so that some of what follows is missing.
    Lost,
}

impl<T> Inbox<T> {
    /// Takes a socket that is told something, with so much room for messages that were not taken yet.
    pub(crate) fn new(
        mut socket: NetfilterSocket,
        room: usize,
        kind: u16,
        read: fn(u32, &[u8]) -> Option<T>,
        what: &'static str,
    ) -> Self {
        socket.grow_receive_buffer(room);
        Self { socket, kind, read, what, waiting: VecDeque::new() }
    }

    /// Returns the next message, without waiting for it.
    ///
    /// # Errors
    /// The socket fails.
    pub(crate) fn next(&mut self) -> Result<Received<T>, Error> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Ok(Received::Message(message));
            }
            let (kind, read) = (self.kind, self.read);
            match self.socket.receive() {
                Ok(None) => return Ok(Received::Nothing),
                Ok(Some(frames)) => {
                    let messages = frames.filter(|frame| frame.kind == kind);
                    self.waiting.extend(messages.filter_map(|frame| read(frame.port, frame.body)));
                }
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    return Ok(Received::Lost);
                }
                Err(error) => return Err(Error::socket(self.what)(error)),
            }
        }
    }

    /// Waits until there is something, or for so long.
    ///
    /// # Errors
    /// The socket fails.
    pub(crate) fn wait(&self, most: PollTimeout) -> Result<(), Error> {
        self.socket.wait_for(most)
    }

    /// Returns the socket, to ask for something else by it: what comes unasked meanwhile is passed over.
    pub(crate) fn socket(&mut self) -> &mut NetfilterSocket {
        &mut self.socket
    }
}

impl<T> AsFd for Inbox<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
