//! Latency at a given rate: questions leave when they are due, whether or not answers come. The kernel notes when an
//! answer arrived (`SO_TIMESTAMPNS`, socket(7)), so that it does not matter when this process gets to read it.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

use crate::question::encode_all;
use crate::statistics::{median, percentile};
use crate::workload::Question;

/// How often the questions that are due are sent, and what has come is read.
const TICK: Duration = Duration::from_micros(200);

/// How long nothing may come after the last question until what is missing is lost.
const GRACE: Duration = Duration::from_secs(1);

/// Questions whose ids are told apart.
const IDS: usize = 1 << 16;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// The part of the questions that was answered, from 0 to 1.
    pub(crate) answered: f64,
}

/// Measures several times, and returns the medians. What stands still for a while, as the processors of shared machines
/// do, is in one of them.
///
/// # Errors
/// One of them fails.
pub(crate) fn measure_in_turns(
    turns: u32,
    mut measure: impl FnMut() -> anyhow::Result<Latency>,
) -> anyhow::Result<Latency> {
    let all = (0..turns).map(|_| measure()).collect::<anyhow::Result<Vec<_>>>()?;
    middle(&all)
}

/// Returns the medians of several measurements.
///
/// # Errors
/// There is none.
pub(crate) fn middle(all: &[Latency]) -> anyhow::Result<Latency> {
    let of = |value: fn(&Latency) -> f64| {
        median(all.iter().map(value).collect()).context("nothing was measured")
    };
    Ok(Latency {
        p50: Duration::from_secs_f64(of(|latency| latency.p50.as_secs_f64())?),
        p99: Duration::from_secs_f64(of(|latency| latency.p99.as_secs_f64())?),
        answered: of(|latency| latency.answered)?,
    })
}

/// Asks the questions in turn, `rate` of them a second.
///
/// # Errors
/// A socket fails, or nothing is answered.
pub(crate) fn measure(
    port: u16,
    questions: &[Question],
    rate: f64,
    time: Duration,
) -> anyhow::Result<Latency> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)
        .context("have the kernel note times")?;
    let mut messages = encode_all(questions)?;
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    let (start, mut last) = (Instant::now(), Instant::now());
    // One thread does both: two would take its processor from each other in the middle of an exchange.
    while start.elapsed() < time || (received.len() < sent.len() && last.elapsed() < GRACE) {
        let due = start.elapsed().min(time).as_secs_f64() * rate;
        while (sent.len() as f64) < due {
            sent.push(send(&socket, &mut messages, sent.len())?);
        }
        let before = received.len();
        read(&socket, &mut received)?;
        if received.len() > before || start.elapsed() < time {
            last = Instant::now();
        }
        thread::sleep(TICK);
    }
    summary(&sent, &received)
}

/// Sends the question of a number, and returns when it left, since the epoch.
fn send(socket: &UdpSocket, messages: &mut [Vec<u8>], number: usize) -> anyhow::Result<Duration> {
    let at = number % messages.len();
    let id = u16::try_from(number % IDS)?;
    messages[at][..2].copy_from_slice(&id.to_be_bytes());
    let now = SystemTime::UNIX_EPOCH.elapsed()?;
    socket.send(&messages[at])?;
    Ok(now)
}

/// Reads the answers that are there: their ids, and when they arrived, since the epoch.
fn read(socket: &UdpSocket, answers: &mut Vec<(u16, Duration)>) -> anyhow::Result<()> {
    let mut space = nix::cmsg_space!(TimeSpec);
    loop {
        match arrival(socket, &mut space) {
            Ok(answer) => answers.extend(answer),
            Err(Errno::EAGAIN) => return Ok(()),
            Err(error) => return Err(error).context("receive an answer"),
        }
    }
}

/// Receives one answer: its id, and when it arrived, since the epoch. None of what is no answer.
fn arrival(socket: &UdpSocket, space: &mut [u8]) -> Result<Option<(u16, Duration)>, Errno> {
    let mut buffer = [0; 2048];
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut *space), MsgFlags::empty())?;
    let length = message.bytes;
    let at = message.cmsgs()?.find_map(|part| match part {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
        _ => None,
    });
    let id = u16::from_be_bytes([buffer[0], buffer[1]]);
    Ok(at.filter(|_| length > 2).map(|at| (id, at)))
}

/// Pairs answers with the last question of their id that had left.
fn summary(sent: &[Duration], received: &[(u16, Duration)]) -> anyhow::Result<Latency> {
    let mut times: Vec<_> = received
        .iter()
        .filter_map(|(id, at)| {
            let of_id = sent.iter().skip(usize::from(*id)).step_by(IDS);
            of_id.take_while(|left| *left <= at).last().map(|left| *at - *left)
        })
        .collect();
    times.sort_unstable();
    of(&times, sent.len())
}

/// Returns the latency of sorted times, of this many questions.
///
/// # Errors
/// There is no answer.
pub(crate) fn of(times: &[Duration], questions: usize) -> anyhow::Result<Latency> {
    let p50 = percentile(times, 0.5).context("no answer at a paced rate")?;
    let p99 = percentile(times, 0.99).context("no answer at a paced rate")?;
    Ok(Latency { p50, p99, answered: times.len() as f64 / questions.max(1) as f64 })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{IDS, Latency, middle, summary};

    #[test]
    fn an_answer_belongs_to_the_last_question_of_its_id() {
        let mut sent = vec![Duration::from_millis(1); IDS];
        sent.push(Duration::from_millis(100));
        let answers = [(0, Duration::from_millis(3)), (0, Duration::from_millis(105))];
        let latency = summary(&sent, &answers).unwrap();
        assert_eq!(
            (latency.p50, latency.p99),
            (Duration::from_millis(5), Duration::from_millis(5))
        );
        let latency = summary(&sent, &answers[..1]).unwrap();
        assert_eq!(latency.p50, Duration::from_millis(2));
        assert!(summary(&sent, &[]).is_err());
    }

    #[test]
    fn a_turn_in_which_nothing_went_on_does_not_count() {
        let millis = Duration::from_millis;
        let turn = |p99| Latency { p50: millis(1), p99: millis(p99), answered: 1.0 };
        assert_eq!(middle(&[turn(2), turn(90), turn(3)]).unwrap().p99, millis(3));
        assert!(middle(&[]).is_err());
    }
}
