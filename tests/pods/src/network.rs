//! A node with pods, and probes of every pair.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket};

use super::place::Place;
use super::probe::{Family, Outcome, Probe, Transport, Waiting};
use super::sctp;
use super::server::{PORTS, Servers, Sockets, raw, receive};
use super::wiring::{self, Address, Layout};
use crate::namespace;

/// Namespaces and pods in each, by name: pod `a` of namespace `x` has the number 0.
pub const NAMESPACES: [&str; 3] = ["x", "y", "z"];
/// Pods of each namespace.
pub const PODS: [&str; 3] = ["a", "b", "c"];

/// The number of what is outside of the cluster.
pub const OUTSIDE: usize = 9;
/// The number of the node.
pub const NODE: usize = 10;

/// How long after the last answer that has to come one is waited for that must not come. A packet passes the kernel in
/// microseconds; what is lost by a busy machine is not reported as passed, and never the other way round.
const GRACE: Duration = Duration::from_millis(40);

/// How long an answer that has to come may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ports of sources: below and above them are others.
const SOURCES: std::ops::Range<u16> = 10_000..60_000;

/// A node of nine pods, and what is outside of it. The node is the network namespace of the test.
#[derive(Debug)]
pub struct Network {
    layout: Layout,
    places: Vec<Place>,
    /// Raw sockets of each place, for IPv4 and IPv6.
    raws: Vec<[Socket; 2]>,
    sources: Vec<AtomicU16>,
    _servers: Servers,
}

/// What was expected and what came instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mismatch {
    /// The probe.
    pub probe: Probe,
    /// What was expected.
    pub expected: Outcome,
    /// What came.
    pub seen: Outcome,
}

impl Network {
    /// Makes the node out of the network namespace that the test runs in (see [`namespace::inside`]), with its pods.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn new(layout: Layout) -> Self {
        raise_limit();
        wiring::node(layout);
        let mut places: Vec<Place> = (0..NODE).map(|_| Place::new()).collect();
        let pods: Vec<_> = (0..OUTSIDE).map(|pod| (&places[pod], address(pod))).collect();
        wiring::pods(layout, &pods);
        wiring::outside(&places[OUTSIDE], address(OUTSIDE));
        places.push(Place::current());
        let sockets = (places.iter().enumerate())
            .map(|(number, place)| {
                place.within(|| Sockets::open(Family::ALL.map(|family| ip(number, family))))
            })
            .collect();
        let raws = (places.iter())
            .map(|place| place.within(|| [Domain::IPV4, Domain::IPV6].map(raw)))
            .collect();
        let sources = places.iter().map(|_| AtomicU16::new(SOURCES.start)).collect();
        Self { layout, places, raws, sources, _servers: Servers::start(sockets) }
    }

    /// Returns how the pods are connected.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Returns the network namespace of this number.
    pub fn place(&self, number: usize) -> &Place {
        &self.places[number]
    }

    /// Probes, and returns what did not come as expected.
    ///
    /// # Panics
    /// The kernel refuses a socket.
    pub fn check(&self, probes: &[Probe], expected: impl Fn(&Probe) -> Outcome) -> Vec<Mismatch> {
        let expected: Vec<Outcome> = probes.iter().map(expected).collect();
        let seen = self.probe(probes, &expected);
        let both = probes.iter().zip(expected.into_iter().zip(seen));
        both.filter(|(_, (expected, seen))| expected != seen)
            .map(|(probe, (expected, seen))| Mismatch { probe: *probe, expected, seen })
            .collect()
    }

    /// Probes, all at once, and returns what came of each.
    fn probe(&self, probes: &[Probe], expected: &[Outcome]) -> Vec<Outcome> {
        self.forget_answers();
        let mut under_way = UnderWay::new(probes.len());
        std::thread::scope(|scope| {
            let under_way = &mut under_way;
            // One thread for all: to start as many as there are places takes longer than to send.
            let send = move || {
                for (number, place) in self.places.iter().enumerate() {
                    let own = probes.iter().enumerate().filter(|(_, probe)| probe.from == number);
                    let own: Vec<_> = own.collect();
                    if !own.is_empty() {
                        place.enter();
                        self.send(number, &own, under_way);
                    }
                }
            };
            let sent = scope.spawn(send).join();
            sent.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
        let awaited = |outcomes: &[Option<Outcome>]| {
            let both = expected.iter().zip(outcomes);
            both.filter(|(expected, seen)| **expected != Outcome::Timeout && seen.is_none()).count()
        };
        let deadline = Instant::now() + PATIENCE;
        while awaited(&under_way.outcomes) > 0 && Instant::now() < deadline {
            self.collect(&mut under_way, deadline);
        }
        if expected.contains(&Outcome::Timeout) {
            let deadline = Instant::now() + GRACE;
            while Instant::now() < deadline && !under_way.is_over() {
                self.collect(&mut under_way, deadline);
            }
        }
        under_way.outcomes.iter().map(|outcome| outcome.unwrap_or(Outcome::Timeout)).collect()
    }

    /// Sends the first packets of one place. Those that are expected to be lost are not told from the others.
    fn send(&self, number: usize, probes: &[(usize, &Probe)], under_way: &mut UnderWay) {
        for (at, probe) in probes {
            let source = self.next_source(number);
            let to = SocketAddr::new(ip(probe.to, probe.family), probe.port);
            if probe.transport == Transport::Sctp {
                let packet = sctp::init(source, probe.port);
                let socket = &self.raws[number][probe.family as usize];
                let to = SocketAddr::new(to.ip(), 0);
                // What the node's own filter drops is not sent, which is a timeout to be.
                let _ = socket.send_to(&packet, &to.into());
                let key = (number, to.ip(), probe.port, source);
                under_way.associations.insert(key, *at);
                continue;
            }
            match Waiting::start(probe.transport, source, to) {
                Ok(waiting) => under_way.sockets.push((*at, waiting)),
                Err(outcome) => under_way.outcomes[*at] = Some(outcome),
            }
        }
    }

    pub(super) fn next_source(&self, number: usize) -> u16 {
        let next = |port: u16| Some(if port + 1 < SOURCES.end { port + 1 } else { SOURCES.start });
        let source = self.sources[number].fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        source.unwrap_or(SOURCES.start)
    }

    /// Waits until something comes, and notes all that has come.
    fn collect(&self, under_way: &mut UnderWay, deadline: Instant) {
        let UnderWay { sockets, associations, outcomes } = under_way;
        let raws = || {
            self.raws
                .iter()
                .enumerate()
                .flat_map(|(at, raws)| raws.iter().map(move |raw| (at, raw)))
        };
        let mut polled: Vec<PollFd<'_>> =
            raws().map(|(_, raw)| PollFd::new(raw.as_fd(), PollFlags::POLLIN)).collect();
        let raw_count = polled.len();
        polled.extend(
            sockets
                .iter()
                .map(|(_, waiting)| PollFd::new(waiting.socket.as_fd(), waiting.events())),
        );
        let left = deadline.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        poll(&mut polled, left).unwrap();
        let came: Vec<bool> = polled.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        drop(polled);
        for ((number, raw), _) in raws().zip(&came).filter(|(_, came)| **came) {
            while let Ok((from, chunk)) = receive(raw) {
                let Some(chunk) = chunk.filter(|chunk| chunk.is_answer) else { continue };
                let key = (number, from, chunk.source, chunk.destination);
                if let Some(at) = associations.remove(&key) {
                    outcomes[at] = Some(Outcome::Connected);
                }
            }
        }
        let mut came = came[raw_count..].iter();
        sockets.retain(|(at, waiting)| {
            let is_over = came.next().copied().unwrap_or_default();
            if is_over {
                outcomes[*at] = Some(waiting.outcome());
            }
            !is_over
        });
    }

    fn forget_answers(&self) {
        for raw in self.raws.iter().flatten() {
            while receive(raw).is_ok() {}
        }
    }
}

/// Probes whose outcome is not known yet.
struct UnderWay {
    sockets: Vec<(usize, Waiting)>,
    /// Who asked whom, at which port from which port.
    associations: BTreeMap<(usize, IpAddr, u16, u16), usize>,
    outcomes: Vec<Option<Outcome>>,
}

impl UnderWay {
    fn new(probes: usize) -> Self {
        Self { sockets: Vec::new(), associations: BTreeMap::new(), outcomes: vec![None; probes] }
    }

    fn is_over(&self) -> bool {
        self.sockets.is_empty() && self.associations.is_empty()
    }
}

/// Returns the probes of every pair of pods with every family, transport and port.
pub fn between_pods() -> Vec<Probe> {
    pairs((0..OUTSIDE).flat_map(|from| (0..OUTSIDE).map(move |to| (from, to))))
}

/// Returns the probes of every pod with the node and with what is outside, both ways.
pub fn beyond_pods() -> Vec<Probe> {
    let others = [OUTSIDE, NODE];
    let pods = || 0..OUTSIDE;
    let out = pods().flat_map(move |pod| others.map(|other| (pod, other)));
    pairs(out.chain(pods().flat_map(move |pod| others.map(|other| (other, pod)))))
}

fn pairs(pairs: impl Iterator<Item = (usize, usize)>) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (from, to) in pairs {
        for family in Family::ALL {
            for transport in Transport::ALL {
                for port in PORTS {
                    probes.push(Probe { from, to, family, transport, port });
                }
            }
        }
    }
    probes
}

/// Returns the addresses of a place. Those of the pods of a namespace fill one /28 and one /124.
pub fn address(number: usize) -> Address {
    match number {
        OUTSIDE => Address { v4: [198, 51, 100, 10].into(), v6: v6("2001:db8:100::10") },
        NODE => Address { v4: namespace::V4.parse().unwrap(), v6: v6(namespace::V6) },
        pod => {
            let host = u8::try_from(16 * (pod / 3 + 1) + 2 + pod % 3).unwrap();
            let v6 = Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, host.into());
            Address { v4: Ipv4Addr::new(10, 244, 0, host), v6 }
        }
    }
}

/// Returns the address of a place in a family.
pub fn ip(number: usize, family: Family) -> IpAddr {
    let address = address(number);
    match family {
        Family::V4 => address.v4.into(),
        Family::V6 => address.v6.into(),
    }
}

/// Returns the name of a place: `NAMESPACE/POD`, `outside` or `node`.
pub fn name(number: usize) -> String {
    match number {
        OUTSIDE => "outside".to_owned(),
        NODE => "node".to_owned(),
        pod => format!("{}/{}", NAMESPACES[pod / 3], PODS[pod % 3]),
    }
}

/// Returns mismatches as lines, at most the first ten.
pub fn lines(mismatches: &[Mismatch]) -> String {
    let line = |Mismatch { probe, expected, seen }: &Mismatch| {
        let Probe { from, to, family, transport, port } = probe;
        let (from, to) = (name(*from), name(*to));
        format!(
            "{from} -> {to} {family:?} {transport}/{port}: expected {expected:?}, saw {seen:?}\n"
        )
    };
    let shown: String = mismatches.iter().take(10).map(line).collect();
    format!("{} mismatches\n{shown}", mismatches.len())
}

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// A matrix needs more sockets at a time than a process may have by default.
fn raise_limit() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}
