//! An upstream that is down while thousands of questions for it come in: names of the cluster are answered as
//! before, memory stays small, and the upstream is used again as soon as it is back.
//!
//! `PORTOLAN_SOAK=1` makes each outage last 60 s, with 5,000 questions a second.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portolan_tests::alive::NAME;
use portolan_tests::client::{UdpClient, query};
use portolan_tests::faulty::{Behaviour, Faulty};
use portolan_tests::fixture;
use portolan_tests::memory;
use portolan_tests::namespace::inside;
use portolan_tests::records::rcode;
use portolan_tests::server::Server;
use portolan_tests::stage::{metric, show, until};

/// Where the upstream is, in the namespace of the test: below the ports that the kernel gives away.
const UPSTREAM: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5353);

/// Questions a second for names that no cache has: what a server without optimisation can do beside other tests, and
/// what the optimised one of `make soak` has to.
const RATES: (u32, u32) = (300, 5000);

/// Questions that are sent at once.
const BURST: u32 = 10;

/// The most memory that the server may have, in KiB.
const MAX_MEMORY: usize = 64 * 1024;

/// What the answers of an upstream that is slow take in the cache, in KiB: those of one that is down are not kept.
const ANSWERS: usize = 16 * 1024;

/// The longest time from the upstream's return to its first answer.
const RECOVERY: Duration = Duration::from_secs(2);

/// How many times as long as before, or as from a server that has nothing else to do at the same time, an answer of
/// the cluster may take.
const MAX_RATIO: u32 = 3;

/// Of how many of a hundred answers that has to be so, and how much longer they may take: the machine has other things
/// to do, too.
const SOON: [(usize, Duration); 2] =
    [(50, Duration::from_millis(1)), (99, Duration::from_millis(8))];

fn is_soak() -> bool {
    std::env::var_os("PORTOLAN_SOAK").is_some()
}

fn outage() -> Duration {
    Duration::from_secs(if is_soak() { 60 } else { 3 })
}

/// Returns the number of questions a second.
fn rate() -> u32 {
    let (of_test, of_soak) = RATES;
    if is_soak() { of_soak } else { of_test }
}

fn corefile(upstream: SocketAddr) -> String {
    let manifests = fixture("dig").display().to_string();
    format!(
        ".:0 {{
    errors {{
        consolidate 1m .*
    }}
    kubernetes cluster.local {{
        manifests {manifests}
    }}
    cache 30
    forward . {upstream}
}}
"
    )
}

/// Sends questions for the upstream all the time, each for another name, and does not wait for answers.
struct Crowd {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    thread: JoinHandle<()>,
}

impl Crowd {
    fn start(server: SocketAddr) -> Self {
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = std::thread::spawn(move || {
            let client = UdpClient::new(server);
            let (start, mut number) = (Instant::now(), 0_u32);
            while !stopped.load(Ordering::Relaxed) {
                for _ in 0..BURST {
                    client.send(
                        &query(1, &format!("n{number}.example.com."), "A", 0).to_vec().unwrap(),
                    );
                    number += 1;
                }
                counted.store(number, Ordering::Relaxed);
                let due = start + Duration::from_secs(1) * number / rate();
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        Self { stop, sent, thread }
    }

    fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// How long answers took.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    /// Asks for a name of the cluster; the answer has to be right.
    fn ask(&mut self, client: &mut UdpClient) {
        let asked = Instant::now();
        let reply = client.ask(NAME, "A", 0);
        self.0.push(asked.elapsed());
        assert_eq!((rcode(&reply), reply.answers.len()), ("NOERROR", 1));
    }

    /// Returns the time that so many of a hundred answers took at most.
    fn at(&self, percent: usize) -> Duration {
        let mut times = self.0.clone();
        times.sort_unstable();
        times[(times.len() - 1) * percent / 100]
    }
}

/// What a client of the cluster saw over some time.
struct Seen {
    /// Answers of the server.
    server: Times,
    /// Answers of the one that has nothing else to do, asked in turn with it: what the machine does to either.
    control: Times,
    /// The most memory of the server, in KiB.
    memory: usize,
}

impl Seen {
    fn over(time: Duration, server: &Server, control: &Server) -> Self {
        let [mut asks, mut asks_control] =
            [server, control].map(|server| UdpClient::new(server.address()));
        let mut seen = Self { server: Times::default(), control: Times::default(), memory: 0 };
        let start = Instant::now();
        while start.elapsed() < time {
            seen.server.ask(&mut asks);
            seen.control.ask(&mut asks_control);
            seen.memory = seen.memory.max(memory::resident(server));
            std::thread::sleep(Duration::from_millis(2));
        }
        seen
    }

    /// Answers have to have come about as soon as before, or as from the control.
    fn assert_as_soon_as(&self, before: &Self) {
        for (percent, noise) in SOON {
            let usual = before.server.at(percent).max(self.control.at(percent));
            let took = self.server.at(percent);
            assert!(took < usual * MAX_RATIO + noise, "{percent} %: {took:?}, usually {usual:?}");
        }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [server, control] =
            [&self.server, &self.control].map(|times| (times.at(50), times.at(99)));
        write!(f, "{} KiB, 50 % and 99 % {server:?}, control {control:?}", self.memory)
    }
}

/// Returns how long it takes until a name outside is answered. Each question is for another name.
fn until_answered(server: &Server) -> Duration {
    let mut client = UdpClient::new(server.address());
    let (start, mut number) = (Instant::now(), 0);
    let ask = || {
        number += 1;
        rcode(&client.ask(&format!("back{number}.example.net."), "A", 0)).to_owned()
    };
    until("an answer of the upstream", ask, |rcode| rcode == "NOERROR");
    start.elapsed()
}

/// Returns what the log says when the upstream becomes unhealthy, if it does.
fn reason(behaviour: Behaviour) -> Option<&'static str> {
    match behaviour {
        Behaviour::Silent => Some("timed out after 1"),
        Behaviour::Closed => Some("onnection refused"),
        Behaviour::Slow(_) | Behaviour::Answers => None,
    }
}

fn assert_survives(behaviour: Behaviour) {
    let upstream = Faulty::start(UPSTREAM);
    let [mut server, control] = [(); 2].map(|()| Server::start(&corefile(upstream.address)));
    let crowd = Crowd::start(server.address());
    until("the crowd", || crowd.sent(), |sent| *sent > rate() / 2);
    until_answered(&server);
    let before = Seen::over(Duration::from_secs(2), &server, &control);
    let (sent, start) = (crowd.sent(), Instant::now());
    upstream.become_(behaviour);
    let during = Seen::over(outage(), &server, &control);
    let reached = f64::from(crowd.sent() - sent) / start.elapsed().as_secs_f64();
    if let Some(reason) = reason(behaviour) {
        let line = server.wait_for_line("upstream does not answer, probing it");
        assert!(line.contains(reason), "{reason}: {line}");
    }
    upstream.become_(Behaviour::Answers);
    let recovery = until_answered(&server);
    crowd.stop();
    show(&format!(
        "{behaviour:?} for {:?}: {reached:.0} questions/s, {during} (before {before}), back after {recovery:?}",
        outage(),
    ));
    assert!(
        reached > 0.8 * f64::from(rate()),
        "the load could not be made: {reached:.0} questions/s"
    );
    let kept = if matches!(behaviour, Behaviour::Slow(_)) { ANSWERS } else { 0 };
    assert!(during.memory < MAX_MEMORY + kept, "{} KiB", during.memory);
    during.assert_as_soon_as(&before);
    assert!(recovery < RECOVERY, "{recovery:?}");
    assert!(metric(&mut server, "coredns_panics_total", "").abs() < 0.1);
}

/// Runs one test at a time: each wants what a machine has.
fn alone(name: &str, behaviour: Behaviour) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    inside(name, || assert_survives(behaviour));
}

#[test]
fn an_upstream_that_is_silent() {
    alone("an_upstream_that_is_silent", Behaviour::Silent);
}

#[test]
fn an_upstream_whose_port_is_closed() {
    alone("an_upstream_whose_port_is_closed", Behaviour::Closed);
}

#[test]
fn an_upstream_that_is_slow() {
    alone("an_upstream_that_is_slow", Behaviour::Slow(Duration::from_millis(1500)));
}
