//! Connections that live while policies change: those that are no longer allowed stop within a second, both ways, and
//! the others do not break.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portolan_tests::namespace::{inside, run};
use portolan_tests::netpol_agent::{Node, deny};
use test_pods::wiring::Layout;

/// How soon a connection has to stop.
const SOON: Duration = Duration::from_secs(1);

/// How long silence has to last to be the end.
const SILENCE: Duration = Duration::from_millis(1500);

/// How often each side sends.
const BEAT: Duration = Duration::from_millis(10);

/// The server's pod: y/a.
const SERVER: (usize, &str) = (3, "10.244.0.34:8080");

/// One way of a connection: somebody sends all the time, and when something arrived last is noted.
struct Stream {
    last: Arc<Mutex<Instant>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Stream {
    fn of(
        mut send: impl FnMut() -> bool + Send + 'static,
        mut receive: impl FnMut() -> bool + Send + 'static,
    ) -> Self {
        let last = Arc::new(Mutex::new(Instant::now()));
        let stop = Arc::new(AtomicBool::new(false));
        let (noted, stopped) = (Arc::clone(&last), Arc::clone(&stop));
        let receiver = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if receive() {
                    *noted.lock().unwrap() = Instant::now();
                }
            }
        });
        let stopped = Arc::clone(&stop);
        let sender = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) && send() {
                std::thread::park_timeout(BEAT);
            }
        });
        Self { last, stop, threads: vec![receiver, sender] }
    }

    /// Of TCP: from one end to the other.
    fn tcp(mut from: TcpStream, mut to: TcpStream) -> Self {
        to.set_read_timeout(Some(BEAT)).unwrap();
        from.set_nonblocking(false).unwrap();
        from.set_write_timeout(Some(BEAT)).unwrap();
        let mut octets = [0; 1024];
        // A sender whose buffer is full goes on: the connection is not over.
        let send = move || {
            let _ = from.write(b"!");
            true
        };
        Self::of(send, move || to.read(&mut octets).is_ok_and(|count| count > 0))
    }

    fn last(&self) -> Instant {
        *self.last.lock().unwrap()
    }

    /// Waits until nothing has come for a while, and returns when the last came.
    fn end(&self) -> Instant {
        let deadline = Instant::now() + 10 * SOON;
        loop {
            let last = self.last();
            if last.elapsed() > SILENCE {
                return last;
            }
            assert!(Instant::now() < deadline, "it goes on");
            std::thread::park_timeout(BEAT);
        }
    }

    /// Waits until something comes.
    fn goes_on(&self) {
        let (before, deadline) = (Instant::now(), Instant::now() + 10 * SOON);
        while self.last() <= before {
            assert!(Instant::now() < deadline, "nothing comes");
            std::thread::park_timeout(BEAT);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

/// Connects a pod to an address behind which the server's pod is.
fn connect(node: &Node, pod: usize, address: &str) -> (TcpStream, TcpStream) {
    let (place, at) = SERVER;
    let listener = node.network.place(place).within(|| TcpListener::bind(at)).unwrap();
    let client = node.network.place(pod).within(|| TcpStream::connect(address)).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// Both ways of a connection.
fn both_ways((client, server): (TcpStream, TcpStream)) -> [Stream; 2] {
    let other_ends = (client.try_clone().unwrap(), server.try_clone().unwrap());
    [Stream::tcp(client, server), Stream::tcp(other_ends.1, other_ends.0)]
}

/// Denies ingress of the server's pod to one client, and looks at a connection of it and at one of another client.
fn a_deny_cuts(name: &str, via: &'static str) {
    inside(name, move || {
        let mut node = Node::new(Layout::Routed);
        // A Service, as kube-proxy makes it.
        run(
            "/usr/sbin/nft",
            &[
                "add table ip service; add chain ip service pre { type nat hook prerouting priority dstnat; }; \
            add rule ip service pre ip daddr 10.96.0.10 tcp dport 80 dnat to 10.244.0.34:8080",
            ],
        );
        let mut agent = node.agent();
        let cut = both_ways(connect(&node, 0, via));
        let kept = both_ways(connect(&node, 1, via));
        cut.iter().chain(&kept).for_each(Stream::goes_on);
        let rules = serde_json::json!([{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"pod": "b"}}}]}]);
        let spec =
            serde_json::json!({"podSelector": {"matchLabels": {"pod": "a"}}, "ingress": rules});
        let edited = Instant::now();
        node.edit(&[test_pods::world::Edit::Policy { name: "y/only-b".to_owned(), spec }]);
        for (way, stream) in ["to the server", "to the client"].iter().zip(&cut) {
            let took = stream.end().saturating_duration_since(edited);
            assert!(took < SOON, "{way}: {took:?}");
        }
        kept.iter().for_each(Stream::goes_on);
        assert!(agent.metric("portolan_netpol_revoked_flows_total") >= 1.0);
        // What is allowed again goes on where it stopped: TCP sends again what was lost.
        node.edit(&[test_pods::world::Edit::DeletePolicy("y/only-b".to_owned())]);
        cut.iter().for_each(Stream::goes_on);
    });
}

#[test]
fn a_deny_cuts_tcp_both_ways() {
    a_deny_cuts("a_deny_cuts_tcp_both_ways", SERVER.1);
}

#[test]
fn a_deny_cuts_tcp_through_a_service() {
    a_deny_cuts("a_deny_cuts_tcp_through_a_service", "10.96.0.10:80");
}

/// A sender that never hears anything is cut, too, by its own egress.
#[test]
fn a_deny_cuts_udp_one_way() {
    inside("a_deny_cuts_udp_one_way", || {
        let mut node = Node::new(Layout::Routed);
        let _agent = node.agent();
        let (place, at) = SERVER;
        let server = node.network.place(place).within(|| UdpSocket::bind(at)).unwrap();
        server.set_read_timeout(Some(BEAT)).unwrap();
        let client = node.network.place(0).within(|| UdpSocket::bind("10.244.0.18:0")).unwrap();
        client.connect(at).unwrap();
        let mut octets = [0; 16];
        let send = move || {
            let _ = client.send(b"!");
            true
        };
        let stream = Stream::of(send, move || server.recv(&mut octets).is_ok());
        stream.goes_on();
        let edited = Instant::now();
        node.edit(&[deny("x/no-egress", Some("a"), &["Egress"])]);
        let took = stream.end().saturating_duration_since(edited);
        assert!(took < SOON, "{took:?}");
    });
}
