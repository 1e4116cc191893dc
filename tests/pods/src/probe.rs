//! One probe: a packet that opens a connection, and what comes of it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// What is probed: from one namespace to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Probe {
    /// Number of the namespace that asks.
    pub from: usize,
    /// Number of the namespace that is asked.
    pub to: usize,
    /// The protocol of IP.
    pub family: Family,
    /// The transport protocol.
    pub transport: Transport,
    /// The port at the destination.
    pub port: u16,
}

/// A protocol of IP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Family {
    V4,
    V6,
}

/// A transport protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Transport {
    Tcp,
    Udp,
    Sctp,
}

/// What came of a probe.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// The other side answered.
    Connected,
    /// Somebody said no: RST or ICMP.
    Refused,
    /// Nobody said anything.
    Timeout,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];
}

impl Transport {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// Returns the name as Kubernetes writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A socket that has sent its first packet and waits for what comes back.
#[derive(Debug)]
pub(super) struct Waiting {
    pub socket: Socket,
    transport: Transport,
}

impl Waiting {
    /// Opens a TCP or UDP socket in the namespace of this thread and sends the first packet. The port of the source is
    /// given, so that no two probes are the same flow to connection tracking. An outcome is returned when there is one
    /// at once.
    pub(super) fn start(
        transport: Transport,
        source: u16,
        to: SocketAddr,
    ) -> Result<Self, Outcome> {
        let kind = if transport == Transport::Tcp { Type::STREAM } else { Type::DGRAM };
        let socket = Socket::new(Domain::for_address(to), kind, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        if transport == Transport::Tcp {
            // Ends with RST: nothing of the connection stays in TIME_WAIT.
            socket.set_linger(Some(Duration::ZERO)).unwrap();
        }
        socket.bind(&SocketAddr::new(any, source).into()).unwrap();
        let sent = socket.connect(&to.into());
        let sent = match transport {
            Transport::Tcp => sent,
            Transport::Udp | Transport::Sctp => sent.and_then(|()| socket.send(b"?").map(drop)),
        };
        match sent {
            Err(error) if !is_under_way(&error) => Err(outcome_of(&error)),
            _ => Ok(Self { socket, transport }),
        }
    }

    /// Says what the socket waits for.
    pub(super) fn events(&self) -> nix::poll::PollFlags {
        match self.transport {
            Transport::Tcp => nix::poll::PollFlags::POLLOUT,
            Transport::Udp | Transport::Sctp => nix::poll::PollFlags::POLLIN,
        }
    }

    /// Returns what came of it; to be called when something did.
    pub(super) fn outcome(&self) -> Outcome {
        if let Some(error) = self.socket.take_error().unwrap() {
            return outcome_of(&error);
        }
        Outcome::Connected
    }
}

fn is_under_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::EINPROGRESS as i32)
        || error.kind() == io::ErrorKind::WouldBlock
}

/// A kernel whose own filter drops a packet on its way out says so to the socket that sends: nothing came back.
fn outcome_of(error: &io::Error) -> Outcome {
    if error.raw_os_error() == Some(nix::errno::Errno::EPERM as i32) {
        return Outcome::Timeout;
    }
    Outcome::Refused
}
