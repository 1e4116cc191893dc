//! Events of nftables: every transaction that was carried out makes a new generation.

use std::os::fd::{AsFd, BorrowedFd};

use nft::attribute::{Attribute, find};
use nix::poll::PollTimeout;

use crate::Error;
use crate::batch::NFTABLES;
use crate::frame::NFNETLINK;
use crate::inbox::{Inbox, Received};
use crate::socket::NetfilterSocket;

/// The group of events (`NFNLGRP_NFTABLES`).
const GROUP: u32 = 7;

/// The kind of message of a generation (`NFT_MSG_NEWGEN`).
const NEW_GENERATION: u16 = NFTABLES << 8 | 15;

/// Attributes of a generation (`enum nft_gen_attributes`).
const ID: u16 = 1;
const PROCESS_ID: u16 = 2;
const PROCESS_NAME: u16 = 3;

/// The room for events, of which a transaction makes one for each object.
const BUFFER: usize = 4 << 20;

/// A socket that is told of every transaction in its network namespace, also of this process's own.
pub struct Monitor(Inbox<Generation>);

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
        socket.join(GROUP)?;
        let what = "cannot receive events of nftables";
        Ok(Self(Inbox::new(socket, BUFFER, NEW_GENERATION, read, what)))
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
            self.0.wait(PollTimeout::NONE)?;
        }
    }

    /// Returns the next event, or none when there is none yet: it does not block. Wait until the descriptor is
    /// readable, and ask until there is none.
    ///
    /// # Errors
    /// The socket fails.
    pub fn try_next(&mut self) -> Result<Option<MonitorEvent>, Error> {
        Ok(match self.0.next()? {
            Received::Message(generation) => Some(MonitorEvent::Generation(generation)),
            Received::Nothing => None,
            Received::Lost => Some(MonitorEvent::Lost),
        })
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn read(port: u32, body: &[u8]) -> Option<Generation> {
    let octets = body.get(NFNETLINK..)?;
    let name = find(octets, PROCESS_NAME).map(|name| name.octets).unwrap_or_default();
    let name = name.split(|octet| *octet == 0).next().unwrap_or_default();
    Some(Generation {
        id: find(octets, ID)?.u32()?,
        port,
        process: find(octets, PROCESS_ID).and_then(Attribute::u32).unwrap_or(0),
        program: String::from_utf8_lossy(name).into_owned(),
    })
}
