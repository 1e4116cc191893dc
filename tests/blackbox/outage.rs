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

use portolan_tests::client::{UdpClient, query};
use portolan_tests::faulty::{Behaviour, Faulty};
use portolan_tests::fixture;
use portolan_tests::namespace::inside;
use portolan_tests::records::rcode;
use portolan_tests::server::Server;
use portolan_tests::stage::{metric, show, until};

/// Where the upstream is, in the namespace of the test: below the ports that the kernel gives away.
const UPSTREAM: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5353);

const NAME: &str = "web.alpha.svc.cluster.local.";

/// Questions a second for names that no cache has: what a server without optimisation can do beside other tests, and
/// what the optimised one of `make soak` has to.
const RATES: (u32, u32) = (300, 5000);

/// Questions that are sent at once.
const BURST: u32 = 10;

/// The most memory that the server may have, in KiB.
const MAX_MEMORY: usize = 64 * 1024;

/// The longest time from the upstream's return to its first answer.
const RECOVERY: Duration = Duration::from_secs(2);

/// How many times as long as before an answer of the cluster may take in the middle, and what is always allowed:
/// the machine has other things to do, too.
const MAX_RATIO: f64 = 4.0;
const NOISE: Duration = Duration::from_millis(10);

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

/// Returns the resident memory in KiB.
fn memory(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
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

/// What a client of the cluster saw over some time.
struct Seen {
    /// How long each answer took, in order of length.
    times: Vec<Duration>,
    /// The most memory of the server, in KiB.
    memory: usize,
}

impl Seen {
    /// Returns the time that so many of a hundred answers took at most.
    fn at(&self, percent: usize) -> Duration {
        self.times[(self.times.len() - 1) * percent / 100]
    }
}

/// Asks for a name of the cluster for some time; every answer has to be right.
fn watch(server: &Server, time: Duration) -> Seen {
    let mut client = UdpClient::new(server.address());
    let (start, mut times, mut most) = (Instant::now(), Vec::new(), 0);
    while start.elapsed() < time {
        let asked = Instant::now();
        let reply = client.ask(NAME, "A", 0);
        times.push(asked.elapsed());
        assert_eq!((rcode(&reply), reply.answers.len()), ("NOERROR", 1), "{:?}", start.elapsed());
        most = most.max(memory(server));
        std::thread::sleep(Duration::from_millis(2));
    }
    times.sort_unstable();
    Seen { times, memory: most }
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
        Behaviour::Silent => Some("timed out after 2s"),
        Behaviour::Closed => Some("onnection refused"),
        Behaviour::Slow(_) | Behaviour::Answers => None,
    }
}

fn assert_survives(behaviour: Behaviour) {
    let upstream = Faulty::start(UPSTREAM);
    let mut server = Server::start(&corefile(upstream.address));
    let crowd = Crowd::start(server.address());
    until("the crowd", || crowd.sent(), |sent| *sent > rate() / 2);
    until_answered(&server);
    let before = watch(&server, Duration::from_secs(2));
    let (sent, start) = (crowd.sent(), Instant::now());
    upstream.become_(behaviour);
    let during = watch(&server, outage());
    let reached = f64::from(crowd.sent() - sent) / start.elapsed().as_secs_f64();
    if let Some(reason) = reason(behaviour) {
        let line = server.wait_for_line("upstream does not answer, probing it");
        assert!(line.contains(reason), "{reason}: {line}");
    }
    upstream.become_(Behaviour::Answers);
    let recovery = until_answered(&server);
    crowd.stop();
    let ratio = during.at(50).as_secs_f64() / before.at(50).as_secs_f64();
    show(&format!(
        "{behaviour:?} for {:?}: {reached:.0} questions/s, memory {} KiB (before {}), cluster names {:?} in the middle \
         and {:?} for 99 % (before {:?} and {:?}), ratio {ratio:.2}, back after {recovery:?}",
        outage(),
        during.memory,
        before.memory,
        during.at(50),
        during.at(99),
        before.at(50),
        before.at(99),
    ));
    assert!(
        reached > 0.8 * f64::from(rate()),
        "the load could not be made: {reached:.0} questions/s"
    );
    assert!(during.memory < MAX_MEMORY, "{} KiB", during.memory);
    assert!(ratio < MAX_RATIO || during.at(50) < NOISE, "{ratio:.2} times as long as before");
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
