//! One EndpointSlice that changes in a large cluster: how soon answers follow, and what queries feel of it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Serialize;

use crate::api::Api;
use crate::cluster::{CHANGING, changing_address, changing_slice};
use crate::dnsperf::{self, End, Load, Mode};
use crate::latency::{self, Latency};
use crate::measure::TURNS;
use crate::question::encode;
use crate::scene::Scene;
use crate::servers::Listed;
use crate::statistics::{micros, percentile};
use crate::trial::Corefile;
use crate::workload::{Pass, Question, Questions, text};

/// Changes a second while queries are timed.
const PER_SECOND: u32 = 50;

/// How often it is looked whether a change has arrived.
const LOOK: Duration = Duration::from_micros(200);

/// How long a change may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a server follows changes. Times are microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Changes {
    pub(crate) server: String,
    pub(crate) services: u32,
    /// How many changes were followed.
    pub(crate) events: usize,
    /// From the write to the API server until an answer shows it, under full query load.
    pub(crate) event_p50: f64,
    pub(crate) event_p99: f64,
    /// Changes a second while `changing` was measured.
    pub(crate) per_second: u32,
    /// Queries at half of the highest rate while nothing changes.
    pub(crate) still: Times,
    /// The same while the slice changes.
    pub(crate) changing: Times,
}

/// The latency of queries, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Times {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Measures a server that reads Corefiles, queries while nothing changes and while something does in so many turns.
///
/// # Errors
/// It does not start, ends, or does not follow a change.
pub(crate) fn measure(
    scene: &Scene,
    server: &Listed,
    processor: usize,
    time: Duration,
    turns: u32,
) -> anyhow::Result<Changes> {
    let _running = scene.start(server, Corefile::Stock, processor)?;
    let questions = Questions::A.list(scene.cluster, Pass::Peak(0));
    let file = scene.directory().join("questions");
    std::fs::write(&file, text(&questions)).context("write the questions")?;
    let load = Load {
        mode: Mode::Udp,
        port: server.port,
        questions: &file,
        time,
        rate: None,
        end: End::Time,
    };
    let rate = dnsperf::run(load)?.per_second / 2.0;
    let (still, changing) = with_and_without(&scene.api, turns, || {
        latency::measure(server.port, &questions, rate, time / TURNS)
    })?;
    let times = under_load(&scene.api, load)?;
    Ok(Changes {
        server: server.name.clone(),
        services: scene.cluster.services,
        events: times.len(),
        event_p50: micros(percentile(&times, 0.5).context("no change")?),
        event_p99: micros(percentile(&times, 0.99).context("no change")?),
        per_second: PER_SECOND,
        still,
        changing,
    })
}

/// Measures in turn while nothing changes and while the slice does, and returns the medians of both.
fn with_and_without(
    api: &Api,
    turns: u32,
    measure: impl Fn() -> anyhow::Result<Latency>,
) -> anyhow::Result<(Times, Times)> {
    let (mut still, mut changing) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        still.push(measure()?);
        changing.push(while_changing(api, &measure)?);
    }
    Ok((Times::of(latency::middle(&still)?), Times::of(latency::middle(&changing)?)))
}

impl Times {
    fn of(latency: Latency) -> Self {
        Self { p50: micros(latency.p50), p99: micros(latency.p99) }
    }
}

/// Does something while the slice changes [`PER_SECOND`] times a second.
fn while_changing<T>(api: &Api, act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let changing = scope.spawn(|| {
            for version in (1..=u16::MAX).cycle() {
                if done.load(Ordering::Relaxed) {
                    return Ok(());
                }
                api.put(changing_slice(version))?;
                thread::sleep(Duration::from_secs(1) / PER_SECOND);
            }
            Ok(())
        });
        let result = act();
        done.store(true, Ordering::Relaxed);
        let changed: anyhow::Result<()> = changing.join().ok().context("changes failed")?;
        changed.and(result)
    })
}

/// Returns how long each change took until an answer showed it, sorted, while dnsperf asks as fast as it can. dnsperf
/// gives way to what looks for the change, which shares its processor.
fn under_load(api: &Api, load: Load<'_>) -> anyhow::Result<Vec<Duration>> {
    let asking = dnsperf::command(Load { time: load.time + PATIENCE, ..load });
    let mut gentle = Command::new("nice");
    gentle.args(["-n", "19"]).arg(asking.get_program()).args(asking.get_args());
    let mut dnsperf =
        gentle.stdout(std::process::Stdio::null()).spawn().context("start dnsperf")?;
    let times = follow(api, load.port, load.time);
    let ended = dnsperf.try_wait()?;
    let _ = dnsperf.kill();
    let _ = dnsperf.wait();
    ensure!(ended.is_none(), "dnsperf ended before the changes: {}", ended.unwrap_or_default());
    times
}

/// Changes the slice for this long, each time when the change before is answered.
fn follow(api: &Api, port: u16, time: Duration) -> anyhow::Result<Vec<Duration>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let question = encode(&Question { name: CHANGING.into(), kind: "A" })?;
    let done = AtomicBool::new(false);
    let (seen, changes) = channel();
    thread::scope(|scope| {
        scope.spawn(|| look(&socket, &question, &done));
        scope.spawn(|| watch(&socket, &seen, &done));
        let times = change_in_turn(api, &changes, time);
        done.store(true, Ordering::Relaxed);
        times
    })
}

fn look(socket: &UdpSocket, question: &[u8], done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        let _ = socket.send(question);
        thread::sleep(LOOK);
    }
}

/// Tells every address that was not the one before, and when it came.
fn watch(socket: &UdpSocket, seen: &Sender<(Ipv4Addr, Instant)>, done: &AtomicBool) {
    let (mut reply, mut last) = ([0; 2048], None);
    while !done.load(Ordering::Relaxed) {
        let Ok(length) = socket.recv(&mut reply) else { continue };
        let address = last_address(&reply[..length]);
        if address.is_some() && address != last {
            last = address;
            // Nobody listens any more when the time is over.
            let _ = address.map(|address| seen.send((address, Instant::now())));
        }
    }
}

/// The end of a reply with one A record and nothing behind it.
fn last_address(reply: &[u8]) -> Option<Ipv4Addr> {
    reply.last_chunk::<4>().map(|octets| Ipv4Addr::from(*octets))
}

fn change_in_turn(
    api: &Api,
    changes: &Receiver<(Ipv4Addr, Instant)>,
    time: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let (start, mut times) = (Instant::now(), Vec::new());
    // Versions that `while_changing` does not reach.
    for version in (0x8000..=u16::MAX).cycle() {
        if start.elapsed() >= time {
            break;
        }
        let before = Instant::now();
        api.put(changing_slice(version))?;
        let at = loop {
            let left = PATIENCE.saturating_sub(before.elapsed());
            let (address, at) = changes.recv_timeout(left).context("a change is not answered")?;
            if address == changing_address(version) {
                break at;
            }
        };
        times.push(at.saturating_duration_since(before));
        thread::sleep(Duration::from_millis(5));
    }
    times.sort_unstable();
    Ok(times)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::last_address;

    #[test]
    fn a_reply_ends_with_its_address() {
        assert_eq!(last_address(b"...\x0a\xc8\x01\x02"), Some(Ipv4Addr::new(10, 200, 1, 2)));
        assert_eq!(last_address(b"\x0a"), None);
    }
}
