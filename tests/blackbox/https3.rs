//! DNS over HTTP/3 (RFC 8484, RFC 9114), asked with the client of hickory-dns and with ngtcp2's `gtlsclient`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use hickory_proto::op::Message;
use portolan_tests::certificates::{Certificates, text};
use portolan_tests::client::{base64url, http_get, query};
use portolan_tests::limited::Limited;
use portolan_tests::quic_client::{self, Version};
use portolan_tests::server::Server;
use portolan_tests::stage::{metric, until};

fn serve(certificates: &Certificates) -> Server {
    let tls = certificates.line();
    Server::start(&format!(
        "https3://.:0 {{\n    {tls}\n    log\n    prometheus 127.0.0.1:0\n    template ANY A . {{\n        \
         answer \"{{{{ .Name }}}} 60 IN A 192.0.2.1\"\n    }}\n}}\n"
    ))
}

/// Returns the line of a metric that has labels.
fn line(server: &mut Server, name: &str) -> String {
    let page = http_get(server.endpoint("/metrics"), "/metrics").1;
    let start = format!("{name}{{");
    let found = page.lines().find(|line| line.starts_with(&start));
    found.expect(name).to_owned()
}

/// Asks over HTTP/3 with `gtlsclient`, which shows the head of the response and saves its body.
fn gtlsclient(
    server: SocketAddr,
    directory: &Path,
    target: &str,
    more: &[&str],
) -> (String, Vec<u8>) {
    let port = server.port().to_string();
    let url = format!("https://127.0.0.1:{port}{target}");
    let saved = tempfile::tempdir_in(directory).unwrap();
    let output = Command::new("timeout")
        .args([
            "20",
            "gtlsclient",
            "--no-quic-dump",
            "--exit-on-all-streams-close",
            "--timeout=10s",
        ])
        .arg(format!("--download={}", saved.path().display()))
        .args(more)
        .args(["127.0.0.1", &port, &url])
        .output()
        .expect("`make test` installs gtlsclient");
    let file = std::fs::read_dir(saved.path()).unwrap().next();
    let body = file.map(|file| std::fs::read(file.unwrap().path()).unwrap());
    (text(&output), body.unwrap_or_default())
}

fn addresses(answer: &Result<Message, String>) -> Vec<String> {
    let answers = answer.iter().flat_map(|answer| &answer.answers);
    answers.map(|record| record.data.to_string()).collect()
}

#[test]
fn an_http3_client_asks_by_get() {
    let certificates = Certificates::new();
    let mut server = serve(&certificates);
    let address = server.address();
    let directory = certificates.directory.path();
    let question = base64url(&query(0, "a.example.", "A", 0).to_vec().unwrap());
    let target = format!("/dns-query?dns={question}");
    let (shown, body) = gtlsclient(address, directory, &target, &[]);
    for head in
        [":status: 200", "content-type: application/dns-message", "cache-control: max-age=60"]
    {
        assert!(shown.contains(head), "{head}: {shown}");
    }
    let answer = Message::from_vec(&body).expect(&shown);
    assert_eq!((answer.answers.len(), answer.metadata.id), (1, 0));
    assert!(gtlsclient(address, directory, "/other", &[]).0.contains(":status: 404"));
    assert!(
        gtlsclient(address, directory, &target, &["--http-method=PUT"]).0.contains(":status: 405")
    );
    // As CoreDNS labels it.
    assert!(server.wait_for_line("a.example.").contains(" udp "));
    let requests = line(&mut server, "coredns_dns_requests_total");
    assert!(requests.contains("server=\"https3://:0\"") && requests.contains("proto=\"udp\""));
    for (status, count) in [("200", 1.0), ("404", 1.0), ("405", 1.0)] {
        let labels = format!("server=\"https3://:0\",status=\"{status}\"");
        let counted = metric(&mut server, "coredns_dns_https3_responses_total", &labels);
        assert!((counted - count).abs() < 0.5, "{status}: {counted}");
    }
}

#[test]
fn an_http3_client_asks_by_post() {
    let certificates = Certificates::new();
    let server = serve(&certificates);
    let question = || query(0, "a.example.", "A", 1232);
    let authority = certificates.path("ca.pem");
    let ask =
        |host| quic_client::ask(server.address(), &authority, host, Version::Http3, question());
    let answer = ask("dns.test");
    assert_eq!(addresses(&answer), ["192.0.2.1"], "{answer:?}");
    assert!(ask("other.test").is_err());
    certificates.issue("next.test");
    until("the next name", || ask("next.test").is_ok(), |answered| *answered);
}

#[test]
fn a_connection_that_is_one_too_many_is_refused() {
    let mut limited = Limited::serve(Version::Http3, "https3 {\nmax_connections 2\n}");
    limited.assert_one_too_many_is_refused();
}

#[test]
fn a_connection_has_as_many_streams_as_are_configured() {
    for (lines, streams) in
        [("", 256), ("https3 {\nmax_streams 7\n}", 7), ("https3 {\nmax_streams 0\n}", 100)]
    {
        assert_eq!(Limited::serve(Version::Http3, lines).streams(), streams, "{lines}");
    }
}
