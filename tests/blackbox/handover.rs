//! A server takes the addresses over from another one under load, and no query is lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use hickory_proto::op::Message;
use portolan_tests::client::{TcpClient, http_get, query};
use portolan_tests::dig::dig;
use portolan_tests::fixture;
use portolan_tests::namespace::inside;
use portolan_tests::server::{PATIENCE, Server};
use portolan_tests::soak;
use portolan_tests::stage::{line, metric, show, until};
use portolan_tests::upstream::Upstream;

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5300);
const SERVER_V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 5300);

/// A name of the cluster, one of the upstream that is cached, and one that is not.
const NAMES: [&str; 3] = ["web.alpha.svc.cluster.local", "example.com", "edge.example.org"];

/// How many sockets of one client ask at a time.
const BATCH: usize = 16;

/// Replies that did not come, and what was asked.
#[derive(Debug, Default)]
struct Load {
    stop: AtomicBool,
    udp: AtomicUsize,
    tcp: AtomicUsize,
    kept: AtomicUsize,
    /// Questions asked again because the server closed the connection that they were sent on (RFC 7766 §6.2.4).
    again: AtomicUsize,
}

type Lost = Vec<String>;

/// Asks a server until told to stop, and returns what was lost.
type Ask = fn(&Load, SocketAddr) -> Lost;

/// Clients that ask all the time.
struct Clients {
    load: Arc<Load>,
    threads: Vec<JoinHandle<Lost>>,
}

impl Clients {
    fn start() -> Self {
        let load = Arc::new(Load::default());
        let clients: [(Ask, SocketAddr); 5] = [
            (over_udp, SERVER),
            (over_udp, SERVER_V6),
            (over_tcp, SERVER),
            (over_tcp, SERVER_V6),
            (over_one_connection, SERVER),
        ];
        let threads = clients.into_iter().map(|(ask, server)| {
            let load = Arc::clone(&load);
            std::thread::spawn(move || ask(&load, server))
        });
        Self { threads: threads.collect(), load }
    }

    /// Waits until more has been asked over everything.
    fn ask_more(&self) {
        let Load { udp, tcp, kept, .. } = &*self.load;
        for (what, count, more) in [("UDP", udp, 20 * BATCH), ("TCP", tcp, 20), ("one", kept, 20)] {
            let wanted = count.load(Ordering::Relaxed) + more;
            until(what, || count.load(Ordering::Relaxed), |seen| *seen >= wanted);
        }
    }

    fn stop(self) {
        self.load.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            assert_eq!(thread.join().unwrap(), Lost::new());
        }
        let Load { udp, tcp, kept, again, .. } = &*self.load;
        show(&format!(
            "asked: {udp:?} over UDP, {tcp:?} connections, {kept:?} on one ({again:?} again)"
        ));
    }
}

fn questions() -> impl Iterator<Item = (u16, &'static str)> {
    (1..=u16::MAX).cycle().zip(NAMES.into_iter().cycle())
}

fn check(lost: &mut Lost, id: u16, name: &str, reply: io::Result<Vec<u8>>) {
    let reply = reply.map(|octets| Message::from_vec(&octets).unwrap());
    let answer = match &reply {
        Ok(reply) if reply.metadata.id == id => line(reply),
        Ok(reply) => format!("the reply to {}", reply.metadata.id),
        Err(error) => error.to_string(),
    };
    if !answer.starts_with("NOERROR A ") {
        lost.push(format!("{name}: {answer}"));
    }
}

/// Asks from new ports all the time, each question once.
fn over_udp(load: &Load, server: SocketAddr) -> Lost {
    let mut lost = Lost::new();
    let mut questions = questions();
    while !load.stop.load(Ordering::Relaxed) {
        let asked: Vec<_> = questions
            .by_ref()
            .take(BATCH)
            .map(|(id, name)| {
                let socket = UdpSocket::bind((server.ip(), 0)).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket.connect(server).unwrap();
                socket.send(&query(id, name, "A", 1232).to_vec().unwrap()).unwrap();
                (socket, id, name)
            })
            .collect();
        for (socket, id, name) in asked {
            let mut buffer = vec![0; 1232];
            let reply = socket.recv(&mut buffer).map(|length| buffer[..length].to_vec());
            check(&mut lost, id, name, reply);
            load.udp.fetch_add(1, Ordering::Relaxed);
        }
    }
    lost
}

/// Asks on a new connection each time, each question once.
fn over_tcp(load: &Load, server: SocketAddr) -> Lost {
    let mut lost = Lost::new();
    for (id, name) in questions() {
        if load.stop.load(Ordering::Relaxed) {
            break;
        }
        let reply = TcpStream::connect(server).and_then(|stream| {
            // The server may be told to stop between a connection and its question.
            std::thread::yield_now();
            TcpClient { stream }.try_ask(&query(id, name, "A", 0))
        });
        check(&mut lost, id, name, reply);
        load.tcp.fetch_add(1, Ordering::Relaxed);
    }
    lost
}

/// Asks on one connection as long as it is open; a question on a connection that was closed instead of an answer is
/// asked again on another one, as clients have to.
fn over_one_connection(load: &Load, server: SocketAddr) -> Lost {
    let mut lost = Lost::new();
    let mut client = TcpClient::new(server);
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for (id, name) in questions() {
        if load.stop.load(Ordering::Relaxed) {
            break;
        }
        let question = query(id, name, "A", 0);
        let reply = client.try_ask(&question).or_else(|_| {
            load.again.fetch_add(1, Ordering::Relaxed);
            client = TcpClient::new(server);
            client.try_ask(&question)
        });
        check(&mut lost, id, name, reply);
        load.kept.fetch_add(1, Ordering::Relaxed);
    }
    lost
}

fn corefile(upstream: SocketAddr) -> String {
    let manifests = fixture("dns-cases/cluster.yaml");
    format!(
        ".:5300 {{
    errors
    health 127.0.0.1:8080
    ready 127.0.0.1:8181
    prometheus 127.0.0.1:9153
    kubernetes cluster.local {{
        manifests {}
    }}
    cache 30 example.com
    forward . {upstream}
}}
",
        manifests.display()
    )
}

fn take_over(corefile: &str) -> Server {
    Server::launch_with(corefile, |command| _ = command.arg("--takeover"))
}

#[test]
fn no_query_is_lost_when_another_process_takes_over() {
    inside("no_query_is_lost_when_another_process_takes_over", || {
        let corefile = corefile(Upstream::start(&fixture("dns-cases/upstream.zone")).address);
        let mut server = Server::start(&corefile);
        let clients = Clients::start();
        clients.ask_more();
        for _ in 0..soak::rounds(4, 20) {
            let mut next = take_over(&corefile).serving();
            let said = next.wait_for_line("another server listens; taking over from it");
            assert!(said.contains(":5300") && !said.contains("--takeover"), "{said}");
            clients.ask_more();
            let answered = metric(&mut next, "coredns_dns_requests_total", "");
            assert!(answered > 0.0, "both answer");
            server.signal("TERM");
            assert_eq!(server.wait().code(), Some(0));
            let log = server.log();
            assert!(!log.contains("still under way"), "{log}");
            clients.ask_more();
            server = next;
        }
        clients.stop();
        let ready = http_get("127.0.0.1:8181".parse().unwrap(), "/ready");
        assert_eq!(ready, (200, "OK".to_owned()));
    });
}

#[test]
fn an_address_is_shared_only_when_asked_for() {
    inside("an_address_is_shared_only_when_asked_for", || {
        let text = ".:5300 {\n    whoami\n    health 127.0.0.1:8080\n}\n";
        let _server = Server::start(text);
        let mut other = Server::launch(text);
        assert_eq!(other.wait().code(), Some(1));
        let errors = other.errors();
        assert!(errors.contains("0.0.0.0:5300") || errors.contains("[::]:5300"), "{errors}");
        assert!(errors.contains("--takeover"), "{errors}");
        let mut other = Server::launch(".:5301 {\n    whoami\n    health 127.0.0.1:8080\n}\n");
        assert_eq!(other.wait().code(), Some(1), "the HTTP endpoint");
        let errors = other.errors();
        assert!(errors.contains("127.0.0.1:8080") && errors.contains("--takeover"), "{errors}");
    });
}

#[test]
fn a_server_that_has_listed_nothing_takes_over_only_from_a_dead_one() {
    inside("a_server_that_has_listed_nothing_takes_over_only_from_a_dead_one", || {
        let mut server = Server::start(&corefile(SERVER));
        let silent = ".:5300 {\n    kubernetes cluster.local {\n        endpoint http://127.0.0.1:1\n        \
                      startup_timeout 1s\n    }\n}\n";
        let mut next = take_over(silent);
        next.wait_for_line("the other server answers until the cluster is listed");
        for _ in 0..20 {
            assert_eq!(dig(SERVER, NAMES[0]).status, "NOERROR");
        }
        server.signal("KILL");
        server.wait();
        let mut next = next.serving();
        assert_eq!(dig(SERVER, NAMES[0]).status, "SERVFAIL", "nothing is known");
        // A flag that stays in the command line does no harm where nobody is to be taken over.
        next.signal("TERM");
        assert_eq!(next.wait().code(), Some(0));
        let next = take_over(&corefile(SERVER)).serving();
        assert_eq!(dig(next.address(), NAMES[0]).status, "NOERROR");
    });
}

/// Probes a page on a new connection each time until told to stop; returns how often, and what was not 200.
fn probe(address: &str, page: &str, stop: &AtomicBool, probed: &AtomicUsize) -> Vec<String> {
    let mut failed = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let reply = TcpStream::connect(address).and_then(|mut stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            let request = format!("GET {page} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes())?;
            let mut reply = String::new();
            stream.read_to_string(&mut reply).map(|_| reply)
        });
        match reply {
            Ok(reply) if reply.starts_with("HTTP/1.1 200 ") => {}
            other => failed.push(format!("{page}: {other:?}")),
        }
        probed.fetch_add(1, Ordering::Relaxed);
    }
    failed
}

#[test]
fn probes_reach_no_server_that_goes_away() {
    inside("probes_reach_no_server_that_goes_away", || {
        let corefile = corefile(SERVER).replace(
            "health 127.0.0.1:8080",
            "health 127.0.0.1:8080 {\n        lameduck 1s\n    }",
        );
        let mut server = Server::start(&corefile);
        let (stop, probed) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let probes = [("127.0.0.1:8080", "/health"), ("127.0.0.1:8181", "/ready")];
            let (stop, probed) = (&stop, &probed);
            let probes =
                probes.map(|(at, page)| scope.spawn(move || probe(at, page, stop, probed)));
            for _ in 0..soak::rounds(2, 20) {
                let next = take_over(&corefile).serving();
                server.signal("TERM");
                assert_eq!(server.wait().code(), Some(0));
                server = next;
                let wanted = probed.load(Ordering::Relaxed) + 20;
                until("probes", || probed.load(Ordering::Relaxed), |seen| *seen >= wanted);
            }
            stop.store(true, Ordering::Relaxed);
            let failed: Vec<String> =
                probes.into_iter().flat_map(|probe| probe.join().unwrap()).collect();
            assert!(failed.is_empty(), "{} of {probed:?}: {failed:#?}", failed.len());
        });
    });
}
