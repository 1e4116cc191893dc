//! DNS over QUIC (RFC 9250), asked with the client of hickory-dns.
//!
//! `kdig +quic` would be another one; Debian 12 builds kdig without QUIC.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::opt::EdnsOption;
use portolan_tests::certificates::Certificates;
use portolan_tests::client::{http_get, query};
use portolan_tests::limited::Limited;
use portolan_tests::quic_client::{self, Version};
use portolan_tests::server::{Server, write};
use portolan_tests::stage::{metric, until};

fn corefile(certificates: &Certificates, scheme: &str, more: &str) -> String {
    let tls = certificates.line();
    format!(
        "{scheme}://.:0 {{\n    {tls}\n    log\n    prometheus 127.0.0.1:0\n    template ANY A . {{\n        \
         answer \"{{{{ .Name }}}} 60 IN A 192.0.2.1\"\n    }}\n{more}\n}}\n"
    )
}

fn serve(certificates: &Certificates, scheme: &str, more: &str) -> Server {
    Server::start(&corefile(certificates, scheme, more))
}

/// Returns the line of a metric that has labels.
fn line(server: &mut Server, name: &str) -> String {
    let page = http_get(server.endpoint("/metrics"), "/metrics").1;
    let start = format!("{name}{{");
    let found = page.lines().find(|line| line.starts_with(&start));
    found.expect(name).to_owned()
}

/// Asks over QUIC and says what came back.
fn ask(certificates: &Certificates, server: SocketAddr, host: &str) -> Result<Message, String> {
    let mut question = query(7, "a.example.", "A", 1232);
    let edns = question.edns.as_mut().unwrap();
    edns.options_mut().insert(EdnsOption::Unknown(12, vec![0; 50]));
    quic_client::ask(server, &certificates.path("ca.pem"), host, Version::Quic, question)
}

fn addresses(answer: &Result<Message, String>) -> Vec<String> {
    let answers = answer.iter().flat_map(|answer| &answer.answers);
    answers.map(|record| record.data.to_string()).collect()
}

#[test]
fn a_client_asks_over_quic() {
    let certificates = Certificates::new();
    let mut server = serve(&certificates, "quic", "");
    let address = server.address();
    let answer = ask(&certificates, address, "dns.test");
    assert_eq!(addresses(&answer), ["192.0.2.1"], "{answer:?}");
    let length = answer.unwrap().to_vec().unwrap().len();
    assert_eq!(length, 468, "padded as RFC 8467 has it");
    let stranger = ask(&certificates, address, "other.test");
    assert!(stranger.is_err(), "the certificate is for another name: {stranger:?}");
    // As CoreDNS labels it.
    assert!(server.wait_for_line("a.example.").contains(" udp "));
    let requests = line(&mut server, "coredns_dns_requests_total");
    assert!(requests.contains("server=\"quic://:0\"") && requests.contains("proto=\"udp\""));
    let responses = line(&mut server, "coredns_dns_quic_responses_total");
    assert!(responses.contains("server=\"quic://:0\",status=\"0x0\"} 1"), "{responses}");
    // Nothing is served over TCP on the port.
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_datagram_that_is_no_quic_is_not_answered() {
    let certificates = Certificates::new();
    let server = serve(&certificates, "quic", "");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.address()).unwrap();
    socket.send(&query(1, "a.example.", "A", 0).to_vec().unwrap()).unwrap();
    assert_eq!(addresses(&ask(&certificates, server.address(), "dns.test")), ["192.0.2.1"]);
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 512]).is_err());
}

#[test]
fn a_changed_certificate_is_shown_without_a_restart() {
    let certificates = Certificates::new();
    let server = serve(&certificates, "quic", "");
    let asks = |host| ask(&certificates, server.address(), host).is_ok();
    assert!(asks("dns.test"));
    certificates.issue("next.test");
    until("the next name", || asks("next.test"), |answered| *answered);
    assert!(!asks("dns.test"));
}

#[test]
fn a_reload_keeps_the_socket_and_the_end_is_soon() {
    let certificates = Certificates::new();
    let more = "    reload 2s 1s\n";
    let mut server = serve(&certificates, "quic", more);
    let address = server.address();
    let answer = || addresses(&ask(&certificates, address, "dns.test"));
    assert_eq!(answer(), ["192.0.2.1"]);
    let changed = corefile(&certificates, "quic", more).replace("192.0.2.1", "192.0.2.2");
    write(&server.directory.path().join("Corefile"), &changed);
    until("the new answer", answer, |addresses| addresses == &["192.0.2.2"]);
    let start = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn another_server_on_the_port_is_found() {
    let certificates = Certificates::new();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for scheme in ["quic", "https3"] {
        let corefile = corefile(&certificates, scheme, "    bind 127.0.0.1\n");
        let mut server = Server::launch(&corefile.replace(".:0", &format!(".:{port}")));
        assert_eq!(server.wait().code(), Some(1));
        let errors = server.errors();
        assert!(errors.contains("(udp): the address is in use"), "{errors}");
    }
}

#[test]
fn every_transport_of_one_name_at_once() {
    let certificates = Certificates::new();
    let tls = certificates.line();
    let corefile = format!("https://.:0 quic://.:0 tls://.:0 .:0 {{\n    {tls}\n    whoami\n}}\n");
    let mut server = Server::start(&corefile);
    let log = server.log();
    for (scheme, transport) in [("https", "+https"), ("quic", ""), ("tls", "+tls")] {
        let start = format!("{scheme}://.:");
        let line =
            log.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{log}"));
        let port: u16 = line.rsplit(':').next().unwrap().parse().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if scheme == "quic" {
            assert!(ask(&certificates, address, "dns.test").is_ok());
            continue;
        }
        let answer = certificates.kdig(address, transport, "dns.test", &["a.example", "A"]);
        assert!(answer.contains("status: NOERROR"), "{transport}: {answer}");
    }
}

#[test]
fn a_connection_that_is_one_too_many_is_refused() {
    let mut limited = Limited::serve(Version::Quic, "quic {\nmax_connections 2\n}");
    limited.assert_one_too_many_is_refused();
}

#[test]
fn a_connection_has_as_many_streams_as_are_configured() {
    for (lines, streams) in [("", 256), ("quic {\nmax_streams 7\n}", 7)] {
        assert_eq!(Limited::serve(Version::Quic, lines).streams(), streams, "{lines}");
    }
}

#[test]
fn a_question_without_a_worker_is_refused_in_time() {
    let lines = "quic {\nworker_pool_size 1\n}\ntimeouts {\nread 1s\n}";
    let mut limited = Limited::serve(Version::Quic, lines);
    let held = limited.hold("one.test.");
    let start = Instant::now();
    let refused = limited.ask("a.example.");
    assert!(refused.is_err() && start.elapsed() >= Duration::from_secs(1), "{refused:?}");
    for (name, label) in [
        ("portolan_dns_refused_total", "workers"),
        // DOQ_EXCESSIVE_LOAD.
        ("coredns_dns_quic_responses_total", "status=\"0x4\""),
    ] {
        let counted = metric(&mut limited.server, name, label);
        assert!((counted - 1.0).abs() < 0.1, "{name}: {counted}");
    }
    assert_eq!(addresses(&limited.release(held)), ["192.0.2.80"]);
    // The worker is there again when the server knows that the client has the reply, or has gone.
    until("a worker", || limited.ask("a.example.").is_ok(), |answered| *answered);
}
