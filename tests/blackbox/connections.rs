//! TCP clients that ask much, read little, or only hold connections.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use portolan_tests::client::{TcpClient, UdpClient, http_get, query};
use portolan_tests::namespace::{V4, inside, run};
use portolan_tests::server::{PATIENCE, Server};
use portolan_tests::stage::{metric, skip, until};
use portolan_tests::{fixture, records};
use serde_json::{Value, json};

const NAME: &str = "web.alpha.svc.cluster.local.";

/// A headless Service that is expensive to answer for.
const BIG: &str = "big.alpha.svc.cluster.local.";

/// Connections to one listener, and those of one client.
const TCP_CONNECTIONS: usize = 1024;
const TCP_PER_CLIENT: usize = 256;

fn corefile(options: &str, lines: &str) -> String {
    format!(".:0 {{\n    kubernetes cluster.local {{\n{options}\n    }}\n{lines}\n}}\n",)
}

fn small() -> String {
    format!("        manifests {}", fixture("dig").display())
}

/// Writes a cluster with a headless Service of this many endpoints.
fn big(directory: &std::path::Path, endpoints: usize) -> String {
    let mut items = vec![json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "big", "namespace": "alpha"},
        "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    })];
    let addresses: Vec<Value> = (0..endpoints)
        .map(|number| json!({"addresses": [format!("10.1.{}.{}", number / 250, number % 250)]}))
        .collect();
    for (number, part) in addresses.chunks(1000).enumerate() {
        items.push(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": format!("big-{number}"), "namespace": "alpha",
                         "labels": {"kubernetes.io/service-name": "big"}},
            "endpoints": part, "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        }));
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let file = directory.join("big.json");
    std::fs::write(&file, list.to_string()).unwrap();
    format!("        manifests {}", file.display())
}

/// Lets this process open as many files as it may.
fn raise_own_limit() {
    let hard = run("sh", &["-c", "ulimit -Hn"]).trim().to_owned();
    run("prlimit", &["--pid", &std::process::id().to_string(), &format!("--nofile={hard}:{hard}")]);
}

fn connect(server: SocketAddr) -> TcpClient {
    TcpClient::new(server)
}

fn connections(server: &mut Server) -> f64 {
    metric(server, "portolan_dns_tcp_connections", "")
}

fn framed(name: &str, qtype: &str) -> Vec<u8> {
    let question = query(1, name, qtype, 0).to_vec().unwrap();
    [&u16::try_from(question.len()).unwrap().to_be_bytes()[..], &question].concat()
}

/// Says whether the server has closed a connection.
fn is_closed(client: &TcpClient) -> bool {
    client.stream.set_nonblocking(true).unwrap();
    let peeked = client.stream.peek(&mut [0; 1]);
    client.stream.set_nonblocking(false).unwrap();
    !matches!(peeked, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn the_connection_idle_longest_makes_room() {
    raise_own_limit();
    let mut server = Server::start(&corefile(&small(), ""));
    let address = server.address();
    let mut open: Vec<TcpClient> = (0..TCP_CONNECTIONS).map(|_| connect(address)).collect();
    until("every connection", || connections(&mut server), |n| *n > 1023.5);
    // The first is no longer the one that is idle longest; the second reply shows that the server knows.
    for _ in 0..2 {
        assert_eq!(open[0].ask(NAME, "A", 0).answers.len(), 1);
    }
    let mut newest = connect(address);
    assert_eq!(newest.ask(NAME, "A", 0).answers.len(), 1);
    let closed = || open.iter().filter(|client| is_closed(client)).count();
    assert_eq!(until("room", closed, |closed| *closed > 0), 1);
    assert!(!is_closed(&open[0]));
    let evicted = metric(&mut server, "portolan_dns_closed_total", "evicted");
    assert!((evicted - 1.0).abs() < 0.1, "{evicted}");
    assert!(connections(&mut server) < 1024.5);
}

/// Connects from another address of the host than the one that is asked.
fn connect_from_afar(server: SocketAddr) -> TcpClient {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([192, 0, 2, 9], 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    TcpClient { stream }
}

#[test]
fn connections_in_use_are_not_closed_for_others_which_are_counted() {
    inside("connections_in_use_are_not_closed_for_others_which_are_counted", || {
        raise_own_limit();
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let forward = format!(
            "    forward . {} {{\n        prefer_udp\n        read_timeout 20s\n    }}",
            silent.local_addr().unwrap()
        );
        let mut server = Server::start(&corefile(&small(), &forward));
        run("ip", &["addr", "add", "192.0.2.9/32", "dev", "lo"]);
        let far = server.address_at(V4.parse().unwrap());
        let waiting = |mut client: TcpClient| {
            client.send(&query(1, "silent.example.", "A", 0));
            client
        };
        let mut open: Vec<TcpClient> =
            (0..TCP_PER_CLIENT).map(|_| waiting(connect_from_afar(far))).collect();
        let near = server.address();
        open.extend((TCP_PER_CLIENT..TCP_CONNECTIONS).map(|_| waiting(connect(near))));
        // A connection is in use from when its question has been read, which is later than when it is counted.
        let in_use = || metric(&mut server, "portolan_forward_in_flight", "");
        until("every question", in_use, |n| *n > 1023.5);
        // One more of the client, and one more at all. A connection that asks nothing would be in nobody's way.
        for (limit, one_more) in
            [("tcp_per_client", connect_from_afar(far)), ("tcp_connections", connect(near))]
        {
            until("it goes", || is_closed(&one_more), |closed| *closed);
            let refused = metric(&mut server, "portolan_dns_refused_total", limit);
            assert!((refused - 1.0).abs() < 0.1, "{limit}: {refused}");
        }
        assert!(connections(&mut server) > 1023.5, "those in use stay");
        assert_eq!(UdpClient::new(near).ask(NAME, "A", 0).answers.len(), 1);
    });
}

#[test]
fn a_client_has_a_part_of_all_places() {
    inside("a_client_has_a_part_of_all_places", || {
        let mut server = Server::start(&corefile(&small(), ""));
        let address = server.address_at(V4.parse().unwrap());
        run("ip", &["addr", "add", "192.0.2.9/32", "dev", "lo"]);
        let from = connect_from_afar;
        let mut other = connect(server.address());
        let many: Vec<TcpClient> = (0..TCP_PER_CLIENT + 1).map(|_| from(address)).collect();
        let closed = || many.iter().filter(|client| is_closed(client)).count();
        assert_eq!(until("its own goes", closed, |closed| *closed > 0), 1);
        assert_eq!(other.ask(NAME, "A", 0).answers.len(), 1);
        assert!(connections(&mut server) < 257.5);
    });
}

#[test]
fn a_burst_that_nobody_reads_delays_no_datagram() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(&corefile(&big(directory.path(), 5000), ""));
    let burst = framed(BIG, "SRV").repeat(20);
    let mut deaf: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(&burst).unwrap();
            stream
        })
        .collect();
    let mut client = UdpClient::new(server.address());
    let (start, mut slowest) = (Instant::now(), Duration::ZERO);
    while start.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        assert_eq!(
            records::rcode(&client.ask("nothing.alpha.svc.cluster.local.", "A", 0)),
            "NXDOMAIN"
        );
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let unread = metric(&mut server, "portolan_dns_tcp_unread_bytes", "");
    assert!(unread < f64::from(48 << 20), "{unread}");
    let resident = metric(&mut server, "process_resident_memory_bytes", "");
    assert!(resident < f64::from(200 << 20), "{resident}");
    // Those that read get everything.
    let mut reader = TcpClient { stream: deaf.pop().unwrap() };
    drop(deaf);
    reader.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for number in 0..20 {
        assert!(!reader.receive().answers.is_empty(), "{number}");
    }
    until("no connection", || connections(&mut server), |n| *n < 1.5);
}

/// Connections are answered from memory by one processor less than there are, and those that wait are counted.
#[test]
fn connections_that_wait_for_their_turn_are_counted() {
    let processors = std::thread::available_parallelism().unwrap().get();
    if processors == 1 {
        return skip("with one processor nobody waits for another");
    }
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(&corefile(&big(directory.path(), 2000), ""));
    let address = server.address();
    let ask_at_once = || {
        std::thread::scope(|scope| {
            for _ in 0..processors * 2 {
                scope.spawn(|| {
                    let mut client = TcpClient::new(address);
                    (0..5).for_each(|_| assert_eq!(client.ask(BIG, "A", 0).answers.len(), 2000));
                });
            }
        });
        http_get(server.endpoint("admin"), "/metrics").1
    };
    let counted = "portolan_dns_held_total{limit=\"tcp_turns\"}";
    until("a turn that was waited for", ask_at_once, |text| text.contains(counted));
}
