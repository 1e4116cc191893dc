//! What the server does at its limits, and when it is told to stop.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType};
use portolan_tests::client::{TcpClient, UdpClient, http_get, query};
use portolan_tests::dig::dig;
use portolan_tests::fixture;
use portolan_tests::memory;
use portolan_tests::records::rcode;
use portolan_tests::server::{PATIENCE, Server, binary, write};
use portolan_tests::stage::{metric, until};

const NAME: &str = "web.alpha.svc.cluster.local.";

/// Questions over UDP that wait, on one listener.
const UDP_WAITING: usize = 4096;

fn corefile(lines: &str) -> String {
    let manifests = fixture("dig");
    format!(
        ".:0 {{\n    errors {{\n        consolidate 1m .*\n    }}\n    kubernetes cluster.local {{\n        manifests {}\n    }}\n{lines}\n}}\n",
        manifests.display()
    )
}

/// Starts a server whose shell allows no more open files than a login shell does.
fn serve_with_few_files(lines: &str) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("Corefile");
    write(&file, &corefile(lines));
    let mut command = Command::new("prlimit");
    command.arg("--nofile=1024:").arg(binary()).args(["dns", "--admin", "127.0.0.1:0", "-conf"]);
    command.arg(file);
    Server::of(command, directory).serving()
}

fn open_files(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count()
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Waits until the server closes a connection, and says how long that took.
fn until_closed(stream: &mut TcpStream) -> Duration {
    let start = Instant::now();
    match stream.read(&mut [0; 1]) {
        Ok(octets) => assert_eq!(octets, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    start.elapsed()
}

#[test]
fn slow_clients_are_hung_up_on() {
    let mut server = Server::start(&corefile(""));
    let address = server.address();
    // Some octets of a message that never ends, an octet of a length, and a message octet by octet.
    let mut half = connect(address);
    half.write_all(&[0, 40, 1, 2, 3]).unwrap();
    let mut start = connect(address);
    start.write_all(&[0]).unwrap();
    let trickle = connect(address);
    let mut trickling = trickle.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        let start = Instant::now();
        let (mut drops, mut octet) = (0, [0; 1]);
        trickling.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        trickling.write_all(&[0, 200]).unwrap();
        // The wait for a reply that never comes is the pause between two drops.
        while trickling.write_all(&[0]).is_ok() {
            drops += 1;
            match trickling.read(&mut octet) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => break,
            }
            assert!(start.elapsed() < PATIENCE);
        }
        (drops, start.elapsed())
    });
    let took = until_closed(&mut half);
    assert!(took < Duration::from_secs(6), "the rest of a message may take 3 s, not {took:?}");
    let (drops, took) = dripping.join().unwrap();
    assert!(drops < 40 && took < Duration::from_secs(8), "{drops} drops in {took:?}");
    let took = until_closed(&mut start);
    assert!(took < Duration::from_secs(15), "a connection may be idle for 10 s, not {took:?}");
    assert_eq!(dig(address, NAME).answer.len(), 1);
    until(
        "no connection",
        || metric(&mut server, "portolan_dns_tcp_connections", ""),
        |n| *n < 0.5,
    );
}

#[test]
fn a_client_that_reads_no_replies_is_hung_up_on() {
    let mut server = Server::start(&corefile(""));
    let mut deaf = connect(server.address());
    deaf.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let question = query(1, "crowd.shop.svc.cluster.local.", "A", 0).to_vec().unwrap();
    let length = u16::try_from(question.len()).unwrap().to_be_bytes();
    let burst = [&length[..], &question].concat().repeat(1000);
    // Until its replies fill every buffer and the server reads no more.
    let start = Instant::now();
    while deaf.write_all(&burst).is_ok() {
        assert!(start.elapsed() < PATIENCE, "the server reads on without end");
    }
    let memory = memory::resident(&server);
    assert!(memory < 200 * 1024, "{memory} KiB");
    until(
        "no connection",
        || metric(&mut server, "portolan_dns_tcp_connections", ""),
        |n| *n < 0.5,
    );
    assert_eq!(dig(server.address(), NAME).answer.len(), 1);
}

/// What a flood made of the server.
struct Flooded {
    server: Server,
    /// The most open files, and the most memory in KiB, along the way.
    most_files: usize,
    most_memory: usize,
    client: UdpClient,
}

/// Returns the value of a counter, which is there once it has counted something.
fn counted(server: &mut Server, name: &str, label: &str) -> f64 {
    let (_, text) = http_get(server.endpoint("admin"), "/metrics");
    let line = text.lines().find(|line| line.starts_with(name) && line.contains(label));
    line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

/// Sends more questions than may wait, for an upstream that is silent, until the metric says that 1000 of them were
/// refused. A question stops waiting after some seconds: a slow machine has to send more of them.
fn flood(
    hole: &UdpSocket,
    (refused, limit): (&str, &str),
    name: impl Fn(usize) -> String,
) -> Flooded {
    // An upstream that is known to be down is not waited for.
    let line =
        format!("    forward . {} {{\n        max_fails 0\n    }}", hole.local_addr().unwrap());
    let mut server = serve_with_few_files(&line);
    let (client, mut good) = (UdpClient::new(server.address()), UdpClient::new(server.address()));
    let (mut most_files, mut most_memory) = (0, 0);
    let start = Instant::now();
    for number in 0.. {
        if number >= UDP_WAITING + 2000
            && number % 1000 == 0
            && counted(&mut server, refused, limit) > 1000.0
        {
            break;
        }
        assert!(start.elapsed() < 2 * PATIENCE, "{refused} of {number} questions");
        client.send(&query(0, &name(number), "A", 0).to_vec().unwrap());
        // To count thousands of files takes a while.
        if number % 500 == 499 {
            // The server has taken everything that was sent before, and names of the cluster do not wait.
            assert_eq!(good.ask(NAME, "A", 0).answers.len(), 1);
            most_files = most_files.max(open_files(&server));
            most_memory = most_memory.max(memory::resident(&server));
        }
    }
    Flooded { server, most_files, most_memory, client }
}

/// Everything is answered, and nothing stays behind.
fn assert_recovers(mut flooded: Flooded) {
    let server = &mut flooded.server;
    until("every answer", || metric(server, "portolan_dns_udp_waiting", ""), |n| *n < 0.5);
    assert_eq!(rcode(&Message::from_vec(&flooded.client.receive()).unwrap()), "SERVFAIL");
    until("closed sockets", || open_files(server), |n| *n < 200);
    assert_eq!(dig(server.address(), NAME).answer.len(), 1);
    assert!(metric(server, "coredns_panics_total", "").abs() < 0.1);
}

#[test]
fn a_flood_of_different_questions_for_a_silent_upstream_stays_bounded() {
    let hole = UdpSocket::bind("127.0.0.1:0").unwrap();
    let refused = ("portolan_forward_refused_total", "sockets");
    let flooded = flood(&hole, refused, |number| format!("n{number}.example.com."));
    let (files, memory) = (flooded.most_files, flooded.most_memory);
    assert!(files < UDP_WAITING + 100, "a socket for each of {UDP_WAITING}, not {files}");
    assert!(files > 1024, "the soft limit of 1024 files was raised: {files} files");
    assert!(memory < 100 * 1024, "{memory} KiB, optimised less than 64 MiB");
    assert_recovers(flooded);
}

#[test]
fn a_flood_of_equal_questions_takes_one_socket() {
    let hole = UdpSocket::bind("127.0.0.1:0").unwrap();
    let refused = ("portolan_dns_refused_total", "udp_waiting");
    let flooded = flood(&hole, refused, |_| "same.example.com.".to_owned());
    let (files, memory) = (flooded.most_files, flooded.most_memory);
    assert!(files < 100 && memory < 300 * 1024, "{files} files, {memory} KiB");
    assert_recovers(flooded);
}

#[test]
fn datagrams_that_the_kernel_drops_are_counted() {
    let mut server = Server::start(&corefile(""));
    let mut client = UdpClient::new(server.address());
    assert_eq!(client.ask(NAME, "A", 0).answers.len(), 1);
    server.signal("STOP");
    // More than the 8 MiB that the kernel keeps at most, with what it adds to each.
    let padding = vec![0; 1000];
    for _ in 0..20_000 {
        client.send(&padding);
    }
    server.signal("CONT");
    let mut other = UdpClient::new(server.address());
    assert_eq!(other.ask(NAME, "A", 0).answers.len(), 1);
    let dropped = metric(&mut server, "portolan_dns_udp_dropped_total", "");
    assert!(dropped > 1000.0, "{dropped}");
}

#[test]
fn questions_under_way_are_answered_after_sigterm() {
    let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    upstream.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = upstream.local_addr().unwrap();
    let mut server = Server::start(&corefile(&format!(
        "    forward . {address} {{\n        prefer_udp\n    }}"
    )));
    let udp = UdpClient::new(server.address());
    let mut tcp = TcpClient::new(server.address());
    udp.send(&query(1, "udp.example.com.", "A", 0).to_vec().unwrap());
    tcp.send(&query(2, "tcp.example.com.", "A", 0));
    // Both wait for the upstream, which answers when the server is on its way out.
    let mut buffer = [0; 4096];
    let mut questions = BTreeMap::new();
    while questions.len() < 2 {
        let (length, from) = upstream.recv_from(&mut buffer).unwrap();
        let question = Message::from_vec(&buffer[..length]).unwrap();
        questions.insert(question.queries[0].name().to_string(), (question, from));
    }
    server.signal("TERM");
    server.wait_for_line("shutting down");
    for (mut message, from) in questions.into_values() {
        message.metadata.message_type = MessageType::Response;
        upstream.send_to(&message.to_vec().unwrap(), from).unwrap();
    }
    let reply = Message::from_vec(&udp.receive()).unwrap();
    assert_eq!((reply.metadata.id, rcode(&reply)), (1, "NOERROR"));
    let reply = tcp.receive();
    assert_eq!((reply.metadata.id, rcode(&reply)), (2, "NOERROR"));
    assert_eq!(tcp.stream.read(&mut [0; 1]).unwrap(), 0, "then the connection is closed");
    assert_eq!(server.wait().code(), Some(0));
    assert!(!server.log().contains("still under way"), "{}", server.log());
}

#[test]
fn a_lame_duck_still_answers() {
    let mut server = Server::start(&corefile(
        "    health 127.0.0.1:0 {\n        lameduck 2s\n    }\n    ready 127.0.0.1:0",
    ));
    let (ready, health) = (server.endpoint("/ready"), server.endpoint("/health"));
    assert_eq!(http_get(ready, "/ready").0, 200);
    server.signal("TERM");
    let stopped = Instant::now();
    let (_, reason) = until("503", || http_get(ready, "/ready"), |(status, _)| *status == 503);
    assert!(reason.contains("shutting down"), "{reason}");
    assert_eq!(http_get(health, "/health").0, 200);
    assert_eq!(dig(server.address(), NAME).answer.len(), 1);
    assert_eq!(dig(server.address(), &format!("{NAME} +tcp")).answer.len(), 1);
    assert_eq!(server.wait().code(), Some(0));
    let took = stopped.elapsed();
    assert!((1900..8000).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn a_second_signal_ends_at_once() {
    for signals in [["TERM", "TERM"], ["INT", "INT"], ["TERM", "INT"]] {
        let mut server =
            Server::start(&corefile("    health 127.0.0.1:0 {\n        lameduck 60s\n    }"));
        server.signal(signals[0]);
        server.wait_for_line("shutting down");
        let start = Instant::now();
        server.signal(signals[1]);
        assert_eq!(server.wait().code(), Some(2), "{signals:?}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn sigint_ends_like_sigterm() {
    let mut server = Server::start(&corefile(""));
    let mut client = UdpClient::new(server.address());
    assert_eq!(rcode(&client.ask(NAME, "A", 0)), "NOERROR");
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(0));
    assert!(server.errors().is_empty());
}

/// A chain of aliases ends at a limit, in a zone, in the cluster, and from one to the other; each is counted.
#[test]
fn long_chains_of_aliases_are_cut_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (zone, objects) = (directory.path().join("zone"), directory.path().join("objects.yaml"));
    let aliases = |length: u32| -> String {
        (0..length).map(|n| format!("a{n} CNAME a{}\n", n + 1)).collect()
    };
    let head = "@ SOA ns admin 1 7200 1800 86400 30\n@ NS ns\nns A 192.0.2.53\n";
    write(&zone, &format!("{head}{}round CNAME round.there.example.\n", aliases(20)));
    let there = directory.path().join("there");
    write(&there, &format!("{head}round CNAME round.here.example.\n"));
    let service = |n: u32| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: s{n}\n  namespace: long\nspec:\n  \
             type: ExternalName\n  externalName: s{}.long.svc.cluster.local\n---\n",
            n + 1
        )
    };
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: long\n---\n";
    write(&objects, &format!("{namespace}{}", (0..12).map(service).collect::<String>()));
    let mut server = Server::start(&format!(
        ".:0 {{
            kubernetes cluster.local {{
                manifests {}
            }}
            file {} here.example
            file {} there.example
        }}",
        objects.display(),
        zone.display(),
        there.display()
    ));
    let cuts = |server: &mut Server| {
        let (_, text) = http_get(server.endpoint("admin"), "/metrics");
        let lines = text.lines().filter_map(|line| line.strip_prefix("portolan_dns_cut_total"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let address = server.address();
    assert_eq!(dig(address, "a11.here.example +nocookie").answer.len(), 9);
    assert!(cuts(&mut server).is_empty(), "nothing is cut yet");
    assert_eq!(dig(address, "a0.here.example").answer.len(), 11);
    dig(address, "s0.long.svc.cluster.local");
    assert!(dig(address, "round.here.example").answer.len() <= 12);
    let expected =
        ["{limit=\"cluster_aliases\"} 1", "{limit=\"lookups\"} 1", "{limit=\"zone_aliases\"} 1"];
    assert_eq!(cuts(&mut server), expected);
}

/// A flood of failures does not fill the log, and the lines that are left out are counted.
#[test]
fn lines_of_failures_are_bounded_and_counted() {
    let mut server = Server::start(".:0 {\n    errors\n    erratic {\n        drop 0\n    }\n}\n");
    let client = UdpClient::new(server.address());
    let question = query(1, "example.org.", "MX", 0).to_vec().unwrap();
    let flood_and_count = || {
        (0..2000).for_each(|_| client.send(&question));
        metric(&mut server, "portolan_errors_dropped_total", "")
    };
    until("lines that are left out", flood_and_count, |dropped| *dropped > 0.0);
    server.wait_for_line("errors not shown: more than 1000 in one second");
}
