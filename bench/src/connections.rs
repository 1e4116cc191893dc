//! TCP with one question on a connection, which dnsperf 2.10 paces by a timer of 100 ms instead of asking on.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd as _;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};

use crate::question::encode_all;
use crate::workload::Question;

/// Connections at a time.
const CLIENTS: usize = 16;

/// The first address that clients connect from; each has its own. One address has ports for a second of connections:
/// then the kernel looks longer and longer for one that is free, and the server waits for its client.
const FIRST_CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of questions that a client of ours asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// From the beginning of an exchange to its answer, sorted.
    pub(crate) times: Vec<Duration>,
    /// Exchanges without an answer.
    pub(crate) lost: u64,
}

/// Asks the questions in turn, each on a connection of its own; `rate` of them a second, or as many as are answered.
///
/// # Errors
/// There is no answer at all.
pub(crate) fn ask(
    port: u16,
    questions: &[Question],
    rate: Option<f64>,
    time: Duration,
) -> anyhow::Result<Outcome> {
    let messages = encode_all(questions)?;
    let start = Instant::now();
    let mut all = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let mine = messages.iter().cycle().skip(client).step_by(CLIENTS);
                let from = address(client);
                scope.spawn(move || ask_in_turn((from, port), mine, rate, start, time))
            })
            .collect();
        let outcomes = clients.into_iter().filter_map(|client| client.join().ok());
        outcomes.reduce(Outcome::with).unwrap_or_default()
    });
    ensure!(!all.times.is_empty(), "no answer over TCP on port {port}");
    all.times.sort_unstable();
    Ok(all)
}

impl Outcome {
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.times.extend(other.times);
        self.lost += other.lost;
        self
    }
}

/// Returns the address of a client, by its number.
fn address(client: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST_CLIENT.to_bits() + u32::try_from(client).unwrap_or(0))
}

fn ask_in_turn<'m>(
    between: (Ipv4Addr, u16),
    messages: impl Iterator<Item = &'m Vec<u8>>,
    rate: Option<f64>,
    start: Instant,
    time: Duration,
) -> Outcome {
    let pause = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(CLIENTS as f64 / rate));
    let mut outcome = Outcome::default();
    let mut due = Duration::ZERO;
    for message in messages {
        thread::sleep(due.saturating_sub(start.elapsed()));
        if start.elapsed() >= time {
            break;
        }
        let before = Instant::now();
        match exchange(between, message) {
            Ok(()) => outcome.times.push(before.elapsed()),
            Err(_) => outcome.lost += 1,
        }
        due += pause;
    }
    outcome
}

/// Connects from an address to a port of the loopback.
fn open((from, port): (Ipv4Addr, u16)) -> nix::Result<TcpStream> {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // The port is chosen when the peer is known, and can be that of connections to others.
    setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
    bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(from, 0)))?;
    connect(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket.into())
}

/// Asks one question on a connection (RFC 1035 §4.2.2).
fn exchange(between: (Ipv4Addr, u16), message: &[u8]) -> anyhow::Result<()> {
    let mut stream = open(between)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let framed = [&u16::try_from(message.len())?.to_be_bytes(), message].concat();
    stream.write_all(&framed)?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply)?;
    ensure!(reply.get(..2) == message.get(..2), "an answer to something else");
    reply.get(2).filter(|flags| **flags & 0x80 != 0).context("no response")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use super::ask;
    use crate::workload::Question;

    #[test]
    fn every_question_has_its_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut message = [0; 2 + 12 + 9 + 4];
                stream.read_exact(&mut message).unwrap();
                message[4] |= 0x80;
                stream.write_all(&message).unwrap();
                assert_eq!(stream.read(&mut message).unwrap(), 0, "a second question");
            }
        });
        let questions = [Question { name: "example".into(), kind: "A" }];
        let outcome = ask(port, &questions, Some(160.0), Duration::from_millis(60)).unwrap();
        assert!((1..=16).contains(&outcome.times.len()), "{outcome:?}");
        assert_eq!(outcome.lost, 0);
    }
}
