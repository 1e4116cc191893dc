//! Events of nftables: every transaction that was carried out makes a new generation.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nft::attribute::{Attribute, find};

use crate::Error;
use crate::batch::NFTABLES;
use crate::socket::NetfilterSocket;

/// The group of events (`NFNLGRP_NFTABLES`).
const GROUP: u32 = 7;

/// The kind of message of a generation (`NFT_MSG_NEWGEN`).
const NEW_GENERATION: u16 = NFTABLES << 8 | 15;

/// Attributes of a generation (`enum nft_gen_attributes`).
const ID: u16 = 1;
const PROCESS_ID: u16 = 2;
const PROCESS_NAME: u16 = 3;

/// The octets of the header of nfnetlink.
const HEADER: usize = 4;

/// `ENOBUFS`: there were more events than the socket could hold.
const ENOBUFS: i32 = 105;

/// The room for events, of which a transaction makes one for each object.
const BUFFER: usize = 4 << 20;

/// A socket that is told of every transaction in its network namespace, also of this process's own.
pub struct Monitor {
    socket: NetfilterSocket,
    /// Events of the last datagram that were not given yet, the first last.
    waiting: Vec<Generation>,
}

/// What a [`Monitor`] tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MonitorEvent {
    /// A transaction was carried out.
    Generation(Generation),
    /// Events were lost, for they came faster than they were taken: anything may have changed.
    Lost,
}

/// A transaction that someone carried out, on any table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Generation {
    /// The number of the generation.
    pub id: u32,
    /// The socket that it came from: [`Netfilter::port`](crate::Netfilter::port) of this process's own.
    pub port: u32,
    /// The process, by its number in the machine's first pid namespace.
    pub process: u32,
    /// The name of its program, at most 15 octets; other octets than UTF-8 are replaced.
    pub program: String,
}

impl Monitor {
    /// Begins to listen.
    ///
    /// # Errors
    /// No socket can be opened, or the capability is missing.
    pub fn open() -> Result<Self, Error> {
        let socket = NetfilterSocket::open()?;
        socket.grow_receive_buffer(BUFFER);
        socket.join(GROUP)?;
        Ok(Self { socket, waiting: Vec::new() })
    }

    /// Waits for the next event.
    ///
    /// # Errors
    /// The socket fails.
    pub fn wait(&mut self) -> Result<MonitorEvent, Error> {
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            self.socket.wait()?;
        }
    }

    /// Returns the next event, or none when there is none yet: it does not block. Wait until the descriptor is
    /// readable, and ask until there is none.
    ///
    /// # Errors
    /// The socket fails.
    pub fn try_next(&mut self) -> Result<Option<MonitorEvent>, Error> {
        loop {
            if let Some(generation) = self.waiting.pop() {
                return Ok(Some(MonitorEvent::Generation(generation)));
            }
            match self.socket.receive() {
                Ok(None) => return Ok(None),
                Ok(Some(frames)) => {
                    let generations = frames.filter(|frame| frame.kind == NEW_GENERATION);
                    let read = generations.filter_map(|frame| read(frame.port, frame.body));
                    self.waiting.extend(read);
                    self.waiting.reverse();
                }
                Err(error) if error.raw_os_error() == Some(ENOBUFS) => {
                    return Ok(Some(MonitorEvent::Lost));
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn failed(source: io::Error) -> Error {
    Error::Socket { what: "cannot receive events of nftables", source }
}

fn read(port: u32, body: &[u8]) -> Option<Generation> {
    let octets = body.get(HEADER..)?;
    let name = find(octets, PROCESS_NAME).map(|name| name.octets).unwrap_or_default();
    let name = name.split(|octet| *octet == 0).next().unwrap_or_default();
    Some(Generation {
        id: find(octets, ID)?.u32()?,
        port,
        process: find(octets, PROCESS_ID).and_then(Attribute::u32).unwrap_or(0),
        program: String::from_utf8_lossy(name).into_owned(),
    })
}
