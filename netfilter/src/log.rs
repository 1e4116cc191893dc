//! Packets that rules log to a netlink group (`net/netfilter/nfnetlink_log.c`).

use std::os::fd::{AsFd, BorrowedFd};

use nft::attribute::{Attribute, Attributes, find};
use nix::poll::PollTimeout;

use crate::Error;
use crate::frame::NFNETLINK;
use crate::inbox::{Inbox, Received};
use crate::socket::NetfilterSocket;

/// The subsystem and its messages (`NFNL_SUBSYS_ULOG`, `enum nfulnl_msg_types`).
const PACKET: u16 = 4 << 8;
const CONFIG: u16 = 4 << 8 | 1;

/// Attributes of the configuration of a group (`enum nfulnl_attr_config`).
const CONFIG_COMMAND: u16 = 1;
const CONFIG_MODE: u16 = 2;
const CONFIG_THRESHOLD: u16 = 5;
const CONFIG_FLAGS: u16 = 6;

/// Takes a group (`NFULNL_CFG_CMD_BIND`).
const BIND: u8 = 1;

/// Sends octets of packets (`NFULNL_COPY_PACKET`).
const COPY_PACKET: u8 = 2;

/// Numbers the packets of the group (`NFULNL_CFG_F_SEQ`).
const NUMBERED: u16 = 1;

/// Attributes of a packet (`enum nfulnl_attr_type`).
const PACKET_HEADER: u16 = 1;
const INPUT: u16 = 4;
const OUTPUT: u16 = 5;
const PAYLOAD: u16 = 9;
const PREFIX: u16 = 10;
const NUMBER: u16 = 12;

/// The room for packets that were not taken yet.
const BUFFER: usize = 1 << 20;

/// A socket that receives the packets of one group.
pub struct Log {
    inbox: Inbox<(u32, LoggedPacket)>,
    /// The packet behind those that were lost.
    behind: Option<LoggedPacket>,
    /// The number of the next packet, if none is lost.
    next: u32,
}

/// What a [`Log`] gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogEvent {
    /// A packet.
    Packet(LoggedPacket),
    /// So many packets were lost before the next one, for they came faster than they were taken.
    Lost(u32),
}

/// A packet that a rule logged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoggedPacket {
    /// The prefix of the rule.
    pub prefix: String,
    /// The octets of the packet, from its IP header on, as many as the rule says.
    pub octets: Vec<u8>,
    /// The hook, as the kernel numbers it: 1 is `input`, 2 `forward`.
    pub hook: u8,
    /// The number of the interface that it came in by.
    pub input: Option<u32>,
    /// The number of the interface that it leaves by.
    pub output: Option<u32>,
}

impl Log {
    /// Takes a group, of which at most `snaplen` octets of each packet are received. A group has one receiver.
    ///
    /// # Errors
    /// Another process has the group (EPERM; EBUSY in a race), the kernel cannot log, or the capability is missing.
    pub fn open(group: u16, snaplen: u32) -> Result<Self, Error> {
        let mut socket = NetfilterSocket::open()?;
        let [high, low] = group.to_be_bytes();
        let config = |write: &dyn Fn(&mut Attributes)| {
            let mut to = Attributes::behind(vec![0, 0, high, low]);
            write(&mut to);
            to.finish()
        };
        let what = format!("take the group {group} of logged packets");
        let bind = config(&|to| to.octets(CONFIG_COMMAND, &[BIND]));
        socket.request(&what, CONFIG, 0, &bind, |_| {})?;
        let [a, b, c, d] = snaplen.to_be_bytes();
        let mode = config(&|to| {
            to.octets(CONFIG_MODE, &[a, b, c, d, COPY_PACKET, 0]);
            // Each packet is sent at once.
            to.u32(CONFIG_THRESHOLD, 1);
            to.u16(CONFIG_FLAGS, NUMBERED);
        });
        socket.request(&what, CONFIG, 0, &mode, |_| {})?;
        let inbox = Inbox::new(socket, BUFFER, PACKET, read, "cannot receive logged packets");
        Ok(Self { inbox, behind: None, next: 0 })
    }

    /// Waits for the next packet.
    ///
    /// # Errors
    /// The socket fails.
    pub fn wait(&mut self) -> Result<LogEvent, Error> {
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            self.inbox.wait(PollTimeout::NONE)?;
        }
    }

    /// Returns the next packet, or none when there is none yet: it does not block. Wait until the descriptor is
    /// readable, and ask until there is none.
    ///
    /// # Errors
    /// The socket fails.
    pub fn try_next(&mut self) -> Result<Option<LogEvent>, Error> {
        if let Some(packet) = self.behind.take() {
            return Ok(Some(LogEvent::Packet(packet)));
        }
        loop {
            match self.inbox.next()? {
                Received::Message((number, packet)) => {
                    let lost = number.wrapping_sub(self.next);
                    self.next = number.wrapping_add(1);
                    if lost == 0 {
                        return Ok(Some(LogEvent::Packet(packet)));
                    }
                    self.behind = Some(packet);
                    return Ok(Some(LogEvent::Lost(lost)));
                }
                Received::Nothing => return Ok(None),
                // The number of the next packet says how many.
                Received::Lost => {}
            }
        }
    }
}

impl AsFd for Log {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inbox.as_fd()
    }
}

fn read(_: u32, body: &[u8]) -> Option<(u32, LoggedPacket)> {
    let octets = body.get(NFNETLINK..)?;
    let number = |kind| find(octets, kind).and_then(Attribute::u32);
    let packet = LoggedPacket {
        prefix: find(octets, PREFIX).and_then(Attribute::text).unwrap_or_default().to_owned(),
        octets: find(octets, PAYLOAD)?.octets.to_vec(),
        // Behind the protocol of the link, 2 octets.
        hook: *find(octets, PACKET_HEADER)?.octets.get(2)?,
        input: number(INPUT),
        output: number(OUTPUT),
    };
    Some((number(NUMBER)?, packet))
}
