//! Where the server listens: addresses side by side, several sockets, limits of connections from the Corefile.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use portolan_tests::client::{TcpClient, UdpClient, http_get, query};
use portolan_tests::dig::dig;
use portolan_tests::namespace::{inside, run};
use portolan_tests::records::rcode;
use portolan_tests::server::Server;
use portolan_tests::stage::{metric, until};

const PORT: u16 = 5353;

fn at(last: u8) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 0, last), PORT).into()
}

/// Says whether a server answers for a zone, over UDP and TCP alike.
fn answers(server: SocketAddr, zone: &str) -> bool {
    let [udp, tcp] = ["", "+tcp"].map(|option| dig(server, &format!("x.{zone} A {option}")).status);
    assert_eq!(udp, tcp, "{server} {zone}");
    assert!(["NOERROR", "REFUSED"].contains(&udp.as_str()), "{udp}");
    udp == "NOERROR"
}

#[test]
fn a_single_address_stands_beside_every_address() {
    inside("a_single_address_stands_beside_every_address", || {
        let wide = format!("wide.test:{PORT} {{\n    whoami\n}}\n");
        let single = format!("single.test:{PORT} {{\n    bind 127.0.0.2\n    whoami\n}}\n");
        for corefile in [format!("{wide}{single}"), format!("{single}{wide}")] {
            let _server = Server::start(&corefile);
            assert!(answers(at(1), "wide.test") && !answers(at(1), "single.test"));
            // What is sent to the single address goes to its socket, and to no other.
            assert!(answers(at(2), "single.test") && !answers(at(2), "wide.test"));
            assert!(answers(at(3), "wide.test"));
        }
        // The same zone is an error, as it is for CoreDNS.
        let same = single.replace("single.test", "wide.test");
        let mut server = Server::launch(&format!("{wide}{same}"));
        assert_eq!(server.wait().code(), Some(1));
        let errors = server.errors();
        assert!(errors.contains("zone overlap listener capacity"), "{errors}");
    });
}

#[test]
fn another_server_on_the_port_is_found() {
    inside("another_server_on_the_port_is_found", || {
        let corefile = format!(".:{PORT} {{\n    whoami\n}}\n");
        let _first = Server::start(&corefile);
        for corefile in [corefile.clone(), corefile.replace("whoami", "whoami\n    bind 127.0.0.2")]
        {
            let mut second = Server::launch(&corefile);
            assert_eq!(second.wait().code(), Some(1));
            let errors = second.errors();
            assert!(errors.contains("the address is in use"), "{errors}");
        }
    });
}

/// Counts the sockets on the port as `ss` lists them.
fn sockets(kind: &str) -> usize {
    run("ss", &["-Hln", kind, &format!("sport = {PORT}")]).lines().count()
}

#[test]
fn multisocket_opens_as_many_sockets_as_it_says() {
    inside("multisocket_opens_as_many_sockets_as_it_says", || {
        let processors = std::thread::available_parallelism().unwrap().get();
        for (option, expected) in [("", 1), ("multisocket 5", 5), ("multisocket", processors)] {
            let _server = Server::start(&format!(".:{PORT} {{\n    {option}\n    whoami\n}}\n"));
            assert_eq!((sockets("-u"), sockets("-t")), (expected, expected), "{option}");
            // The kernel chooses a socket by the client's port.
            for _ in 0..20 {
                assert_eq!(rcode(&UdpClient::new(at(1)).ask("x.", "A", 0)), "NOERROR");
                assert_eq!(rcode(&TcpClient::new(at(1)).ask("x.", "A", 0)), "NOERROR");
            }
        }
    });
}

/// Asks without reading a reply until the connection is closed.
fn ask_deaf(server: &Server) -> std::thread::JoinHandle<()> {
    let mut client = TcpClient::new(server.address());
    let question = query(9, "x.", "A", 0).to_vec().unwrap();
    let length = u16::try_from(question.len()).unwrap().to_be_bytes();
    let burst = [&length[..], &question].concat().repeat(1000);
    std::thread::spawn(
        move || while std::io::Write::write_all(&mut client.stream, &burst).is_ok() {},
    )
}

#[test]
fn who_reads_no_reply_is_closed_after_the_time_to_write() {
    let [mut short, mut long] = ["1s", "1h"].map(|write| {
        Server::start(&format!(
            ".:0 {{\n    timeouts {{\n        read 1h\n        write {write}\n        idle 1h\n    }}\n    \
             prometheus 127.0.0.1:0\n    whoami\n}}\n"
        ))
    });
    let patient = ask_deaf(&long);
    ask_deaf(&short).join().unwrap();
    // The counter is there once something was counted.
    let closed = |server: &mut Server| {
        let (_, text) = http_get(server.endpoint("/metrics"), "/metrics");
        text.contains("portolan_dns_closed_total{reason=\"write\"} 1")
    };
    until("the connection is closed", || closed(&mut short), |closed| *closed);
    let connections = metric(&mut long, "portolan_dns_tcp_connections", "");
    assert!(!closed(&mut long) && connections > 0.5, "{connections} connections");
    drop(long);
    patient.join().unwrap();
}

fn until_closed(client: &mut TcpClient) -> Duration {
    let start = Instant::now();
    match client.stream.read(&mut [0; 1]) {
        Ok(octets) => assert_eq!(octets, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    start.elapsed()
}

#[test]
fn timeouts_act_on_connections() {
    let options = "read 1s\n        write 1s\n        idle 2s\n        maxtcpqueries 3";
    let server = Server::start(&format!(
        ".:0 {{\n    timeouts {{\n        {options}\n    }}\n    whoami\n}}\n"
    ));
    let mut idle = TcpClient::new(server.address());
    let mut partial = TcpClient::new(server.address());
    std::io::Write::write_all(&mut partial.stream, &[0, 40, 1]).unwrap();
    let took = until_closed(&mut partial);
    assert!((800..1900).contains(&took.as_millis()), "read: {took:?}");
    let took = took + until_closed(&mut idle);
    assert!((1800..6000).contains(&took.as_millis()), "idle: {took:?}");
    let mut client = TcpClient::new(server.address());
    for _ in 0..5 {
        client.send(&query(9, "x.", "A", 0));
    }
    for _ in 0..3 {
        assert_eq!(rcode(&client.receive()), "NOERROR");
    }
    assert!(until_closed(&mut client) < Duration::from_secs(1));
}
