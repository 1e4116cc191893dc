//! What signals do, before the server serves and afterwards.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fmt::Write;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::{Message, MessageType};
use portolan_tests::client::{TcpClient, http_get, query};
use portolan_tests::dig::dig;
use portolan_tests::server::{PATIENCE, Server, write};
use portolan_tests::stage::{metric, until};

const WHOAMI: &str =
    ".:0 {\n    whoami\n    health 127.0.0.1:0 {\n        lameduck 60s\n    }\n}\n";

#[test]
fn signals_that_coredns_outlives() {
    let mut server = Server::start(WHOAMI);
    for (name, said) in [("HUP", ""), ("USR2", "start the other one with --takeover"), ("HUP", "")]
    {
        server.signal(name);
        server.wait_for_line(said);
        assert_eq!(dig(server.address(), "who.example").status, "NOERROR", "after SIG{name}");
    }
    server.signal("INT");
    server.wait_for_line("shutting down");
    for name in ["HUP", "USR2"] {
        server.signal(name);
        assert_eq!(dig(server.address(), "who.example").status, "NOERROR", "after SIG{name}");
    }
}

#[test]
fn the_service_manager_is_told_when_queries_are_answered_and_when_it_ends() {
    let place = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(place.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut buffer = [0; 64];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut server = Server::launch_with(WHOAMI, |command| {
        command.env("NOTIFY_SOCKET", place.path().join("notify"));
    });
    assert_eq!(told(), "READY=1");
    server = server.serving();
    assert_eq!(dig(server.address(), "who.example").status, "NOERROR");
    server.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
}

#[test]
fn sigquit_ends_at_once_with_success() {
    let mut server = Server::start(WHOAMI);
    server.signal("QUIT");
    assert_eq!(server.wait().code(), Some(0));
    assert!(server.log().contains("SIGQUIT"));
    // In the lameduck time, too.
    let mut server = Server::start(WHOAMI);
    server.signal("TERM");
    server.wait_for_line("shutting down");
    server.signal("QUIT");
    assert_eq!(server.wait().code(), Some(0));
}

/// Launches a server over manifests that take long to read.
fn launch_slowly() -> Server {
    let directory = tempfile::tempdir().unwrap();
    let mut manifests = String::new();
    for number in 0..200_000 {
        writeln!(
            manifests,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{number}, namespace: big}}\n\
             spec: {{clusterIP: None, ports: [{{port: 80}}]}}"
        )
        .unwrap();
    }
    let file = directory.path().join("big.yaml");
    write(&file, &manifests);
    let corefile = directory.path().join("Corefile");
    let text = format!(
        ".:0 {{\n    health 127.0.0.1:0\n    ready 127.0.0.1:0\n    kubernetes cluster.local {{\n        \
         manifests {}\n    }}\n}}\n",
        file.display()
    );
    write(&corefile, &text);
    let mut command = std::process::Command::new(portolan_tests::server::binary());
    command.args(["dns", "--admin", "127.0.0.1:0", "-conf"]).arg(corefile);
    Server::of(command, directory)
}

#[test]
fn the_endpoints_answer_while_manifests_are_read_and_sigterm_ends_that() {
    for signal in ["TERM", "INT", "QUIT"] {
        let mut server = launch_slowly();
        let (ready, health) = (server.endpoint("/ready"), server.endpoint("/health"));
        assert_eq!(http_get(ready, "/ready"), (503, "kubernetes,loading".to_owned()));
        assert_eq!(http_get(health, "/health"), (200, "OK".to_owned()));
        let admin = server.endpoint("admin");
        assert_eq!(http_get(admin, "/healthz").0, 200);
        assert_eq!(http_get(admin, "/metrics"), (503, "starting\n".to_owned()));
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0), "SIG{signal}");
        let log = server.log();
        assert!(!log.contains("Portolan-"), "it had not begun to serve: {log}");
    }
}

#[test]
fn questions_of_tcp_clients_that_are_gone_are_dropped() {
    const QUESTIONS: usize = 400;
    let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    let mut server = Server::start(&format!(
        ".:0 {{\n    forward . {address} {{\n        prefer_udp\n    }}\n}}\n"
    ));
    let mut client = TcpClient::new(server.address());
    for number in 0..QUESTIONS {
        client.send(&query(7, &format!("n{number}.example.com."), "A", 0));
    }
    // The first has come: now the client goes, and nobody reads what comes back.
    let mut buffer = [0; 4096];
    let first = upstream.recv_from(&mut buffer).unwrap();
    let first = (buffer[..first.0].to_vec(), first.1);
    drop(client);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // Ends with the process.
    std::thread::spawn(move || {
        let answer = |octets: &[u8], from| {
            let mut message = Message::from_vec(octets).unwrap();
            message.metadata.message_type = MessageType::Response;
            upstream.send_to(&message.to_vec().unwrap(), from).unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        };
        answer(&first.0, first.1);
        while let Ok((length, from)) = upstream.recv_from(&mut buffer) {
            answer(&buffer[..length], from);
        }
    });
    let connections = || metric(&mut server, "portolan_dns_tcp_connections", "");
    until("no connection", connections, |number| *number < 0.5);
    let asked = asked.load(Ordering::SeqCst);
    assert!((1..QUESTIONS / 2).contains(&asked), "{asked} questions of {QUESTIONS} were asked");
}
