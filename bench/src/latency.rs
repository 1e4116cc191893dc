//! Latency at a given rate: questions leave when they are due, whether or not answers come.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::question::encode_all;
use crate::statistics::percentile;
use crate::workload::Question;

/// How often the questions that are due are sent.
const TICK: Duration = Duration::from_micros(200);

/// How long nothing may come after the last question until what is missing is lost.
const GRACE: Duration = Duration::from_secs(1);

/// How often a receiver that gets nothing looks whether it is done.
const LOOK: Duration = Duration::from_millis(20);

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
    socket.set_read_timeout(Some(LOOK))?;
    let mut messages = encode_all(questions)?;
    let (start, questions) = (Instant::now(), AtomicUsize::new(usize::MAX));
    let (sent, received) = thread::scope(|scope| {
        let receiving = scope.spawn(|| receive(&socket, start, &questions));
        let sent = send(&socket, &mut messages, rate, start, time);
        questions.store(sent.as_ref().map_or(0, Vec::len), Ordering::Relaxed);
        (sent, receiving.join())
    });
    let (sent, received) = (sent?, received.ok().context("the receiver failed")?);
    summary(&sent, &received)
}

/// Sends what is due every tick, and returns when each question left.
fn send(
    socket: &UdpSocket,
    messages: &mut [Vec<u8>],
    rate: f64,
    start: Instant,
    time: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let mut sent = Vec::new();
    while start.elapsed() < time {
        while (sent.len() as f64) < start.elapsed().as_secs_f64() * rate {
            let at = sent.len() % messages.len();
            let id = u16::try_from(sent.len() % IDS)?;
            messages[at][..2].copy_from_slice(&id.to_be_bytes());
            socket.send(&messages[at])?;
            sent.push(start.elapsed());
        }
        thread::sleep(TICK);
    }
    Ok(sent)
}

/// Returns the ids of answers and when they came, until all are there or none comes any more. `questions` is how many
/// were sent, once that is known.
fn receive(socket: &UdpSocket, start: Instant, questions: &AtomicUsize) -> Vec<(u16, Duration)> {
    let (mut received, mut last) = (Vec::new(), Instant::now());
    let mut buffer = [0; 2048];
    loop {
        let questions = questions.load(Ordering::Relaxed);
        if received.len() >= questions || (questions < usize::MAX && last.elapsed() > GRACE) {
            return received;
        }
        match socket.recv(&mut buffer) {
            Ok(length) if length > 2 => {
                last = Instant::now();
                received.push((u16::from_be_bytes([buffer[0], buffer[1]]), last - start));
            }
            Err(_) if questions == usize::MAX => last = Instant::now(),
            Ok(_) | Err(_) => {}
        }
    }
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

    use super::{IDS, summary};

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
}
