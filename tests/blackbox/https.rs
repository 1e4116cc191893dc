//! DNS over HTTPS (RFC 8484), asked with `kdig`, `curl` and plain sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use portolan_tests::certificates::{Certificates, text};
use portolan_tests::client::{base64url, http_get, query};
use portolan_tests::puppet::Puppet;
use portolan_tests::server::{PATIENCE, Server, write};
use portolan_tests::stage::{metric, until};

/// Answers with records that live for 17 and 60 seconds, and denies `none.`.
const ANSWERS: &str = "    template ANY A example. {\n        answer \"{{ .Name }} 60 IN A 192.0.2.1\"\n        \
                       answer \"{{ .Name }} 17 IN A 192.0.2.2\"\n    }\n    \
                       template ANY ANY none. {\n        rcode NXDOMAIN\n        \
                       authority \"none. 90 IN SOA ns.none. a.none. 1 2 3 4 30\"\n    }\n    \
                       acl drop.example. {\n        drop\n    }\n";

fn serve(certificates: &Certificates, more: &str) -> Server {
    let tls = certificates.line();
    Server::start(&format!(
        "https://.:0 {{\n    {tls}\n    log\n    prometheus 127.0.0.1:0\n{ANSWERS}{more}\n}}\n"
    ))
}

/// Serves without TLS, for clients on plain sockets.
fn serve_plain(more: &str) -> Server {
    Server::start(&format!("https://.:0 {{\n    prometheus 127.0.0.1:0\n{ANSWERS}{more}\n}}\n"))
}

fn question(name: &str) -> Vec<u8> {
    query(0, name, "A", 0).to_vec().unwrap()
}

/// Splits a response into its head and its body.
fn parts(response: &[u8]) -> (String, &[u8]) {
    let end = response.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap();
    (String::from_utf8_lossy(&response[..end]).to_lowercase(), &response[end + 4..])
}

/// Sends octets on a plain connection and returns the response; the client asks for the end of the connection.
fn exchange(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    response
}

fn post(body: &[u8], headers: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /dns-query HTTP/1.1\r\nHost: dns.test\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

const MEDIA_TYPE: &str = "Content-Type: application/dns-message\r\n";

#[test]
fn kdig_asks_by_post_and_get() {
    let certificates = Certificates::new();
    let mut server = serve(&certificates, "");
    let address = server.address();
    for transport in ["+https", "+https-get"] {
        let answer = certificates.kdig(address, transport, "dns.test", &["a.example", "A"]);
        assert!(answer.contains("status: NOERROR") && answer.contains("192.0.2.1"), "{answer}");
        assert!(answer.contains("HTTP/2"), "{answer}");
        let stranger = certificates.kdig(address, transport, "other.test", &["a.example", "A"]);
        assert!(!stranger.contains("status:"), "the certificate is for another name: {stranger}");
    }
    // As CoreDNS labels it: the transport is in the server's name.
    assert!(server.wait_for_line("a.example.").contains(" tcp "));
    let page = http_get(server.endpoint("/metrics"), "/metrics").1;
    let line = |name: &str| page.lines().find(|line| line.starts_with(name)).unwrap();
    let requests = line("coredns_dns_requests_total");
    assert!(requests.contains("server=\"https://:0\"") && requests.contains("proto=\"tcp\""));
    let responses = line("coredns_dns_https_responses_total");
    assert!(responses.contains("server=\"https://:0\",status=\"200\"} 2"), "{responses}");
}

#[test]
fn curl_asks_by_every_version_and_method() {
    let certificates = Certificates::new();
    let server = serve(&certificates, "");
    let file = certificates.path("question");
    std::fs::write(&file, question("a.example.")).unwrap();
    let url = format!("https://127.0.0.1:{}/dns-query", server.address().port());
    for version in ["--http2", "--http1.1"] {
        let get = format!("{url}?dns={}", base64url(&question("a.example.")));
        let data = format!("@{file}");
        let post =
            ["--data-binary", &data, "--header", "Content-Type: application/dns-message", &url];
        for request in [&[get.as_str()][..], &post] {
            let output = certificates.curl(&[version]).args(request).output().unwrap();
            assert!(output.status.success(), "{}", text(&output));
            let (head, body) = parts(&output.stdout);
            assert!(head.starts_with(if version == "--http2" {
                "http/2 200"
            } else {
                "http/1.1 200"
            }));
            assert!(head.contains("content-type: application/dns-message"), "{head}");
            assert!(
                head.contains("cache-control: max-age=17"),
                "the smallest of 60 and 17: {head}"
            );
            let answer = Message::from_vec(body).unwrap();
            assert_eq!((answer.answers.len(), answer.metadata.id), (2, 0));
        }
    }
}

#[test]
fn statuses_tell_what_is_wrong() {
    let mut server = serve_plain("");
    let address = server.address();
    let get = |target: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: dns.test\r\nConnection: close\r\n\r\n").into_bytes()
    };
    let encoded = base64url(&question("a.example."));
    let mut response = question("a.example.");
    response[2] |= 0x80;
    let large = post(&vec![0; 65_536], MEDIA_TYPE);
    let chunked = {
        let head = format!(
            "POST /dns-query HTTP/1.1\r\nHost: dns.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
             {MEDIA_TYPE}\r\n11000\r\n"
        );
        [head.as_bytes(), &vec![0; 0x11000], b"\r\n0\r\n\r\n"].concat()
    };
    let cases: [(Vec<u8>, u16); 13] = [
        (get(&format!("/dns-query?dns={encoded}")), 200),
        (get(&format!("/dns-query?dns={encoded}&dns={encoded}")), 400),
        (get("/dns-query"), 400),
        (get("/dns-query?dns=!"), 400),
        (get("/dns-query?dns=AAAA"), 400),
        (get(&format!("/?dns={encoded}")), 404),
        (b"PUT /dns-query HTTP/1.1\r\nHost: dns.test\r\nConnection: close\r\n\r\n".to_vec(), 405),
        (post(&question("a.example."), "Content-Type: text/plain\r\n"), 415),
        (post(&question("a.example."), ""), 415),
        (post(&response, MEDIA_TYPE), 400),
        (large, 413),
        (chunked, 413),
        (post(&question("drop.example."), MEDIA_TYPE), 500),
    ];
    for (at, (request, status)) in cases.iter().enumerate() {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The server may have answered before it has everything.
        let _ = stream.write_all(request);
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(head, format!("HTTP/1.1 {status}").as_bytes(), "case {at}");
    }
    for (status, count) in [(200, 1.0), (400, 5.0), (413, 2.0), (415, 2.0), (500, 1.0)] {
        let labels = format!("server=\"https://:0\",status=\"{status}\"");
        let counted = || metric(&mut server, "coredns_dns_https_responses_total", &labels);
        until(&labels, counted, |found| (*found - count).abs() < 0.5);
    }
}

#[test]
fn denials_live_as_long_as_their_soa_says() {
    let server = serve_plain("");
    let response = exchange(server.address(), &post(&question("x.none."), MEDIA_TYPE));
    let (head, body) = parts(&response);
    assert!(head.contains("cache-control: max-age=30"), "{head}");
    let denial = Message::from_vec(body).unwrap();
    assert_eq!(denial.metadata.response_code, ResponseCode::NXDomain);
}

/// CVE-2026-82399: section counts that an attacker chose made the server allocate for them.
#[test]
fn cve_2026_82399_counts_are_checked_before_anything_is_read() {
    let server = serve_plain("");
    for at in [4, 6, 8, 10] {
        let mut message = vec![0; 65_535];
        message[..12].copy_from_slice(&[0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        message[at..at + 2].copy_from_slice(&[255, 255]);
        let response = exchange(server.address(), &post(&message, MEDIA_TYPE));
        let (head, body) = parts(&response);
        assert!(head.starts_with("http/1.1 200"), "{head}");
        // A header alone.
        assert_eq!((body.len(), body[3] & 15), (12, 1), "FORMERR");
    }
}

/// CVE-2026-32936: a long GET is refused by its length.
#[test]
fn cve_2026_32936_a_long_head_is_refused() {
    let mut server = serve_plain("");
    let target = format!("/dns-query?dns={}", "A".repeat(70_000));
    let request = format!("GET {target} HTTP/1.1\r\nHost: dns.test\r\n\r\n");
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(request.as_bytes());
    let mut head = [0; 10];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 4");
    // It has not become a request, so that it does not count as a response to one.
    let page = http_get(server.endpoint("/metrics"), "/metrics").1;
    assert!(!page.contains("coredns_dns_https_responses_total{"), "{page}");
}

/// CVE-2026-32934: clients that send an octet now and then held the server's workers.
#[test]
fn cve_2026_32934_a_slow_body_has_a_deadline() {
    let mut server = serve_plain("    timeouts {\n        read 1s\n    }\n");
    let mut slow = TcpStream::connect(server.address()).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = post(&question("a.example."), MEDIA_TYPE);
    let start = Instant::now();
    slow.write_all(&request[..request.len() - 20]).unwrap();
    let mut head = [0; 12];
    slow.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 408");
    assert!((1..8).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let labels = "server=\"https://:0\",status=\"408\"";
    assert!(metric(&mut server, "coredns_dns_https_responses_total", labels) > 0.5);
}

#[test]
fn an_idle_connection_is_closed() {
    let mut server = serve_plain("    timeouts {\n        idle 1s\n    }\n");
    // Half a head is nothing that was asked.
    for sent in [&b""[..], b"GET /dns-query"] {
        let start = Instant::now();
        let mut idle = TcpStream::connect(server.address()).unwrap();
        idle.set_read_timeout(Some(PATIENCE)).unwrap();
        idle.write_all(sent).unwrap();
        let _ = idle.read_to_end(&mut Vec::new());
        assert!((1..8).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    }
    assert!(metric(&mut server, "portolan_dns_closed_total", "reason=\"idle\"") > 1.5);
}

/// Connects to a server and sends it a part of a request.
fn begin(server: SocketAddr, octets: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(octets).unwrap();
    stream
}

/// Says whether the server closes a connection without a reply.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0; 1]).unwrap_or(0) == 0
}

#[test]
fn the_newest_connection_gets_the_place_of_an_idle_one_and_none_of_one_in_use() {
    let upstream = Puppet::silent();
    let options = "    https {\n        max_connections 2\n    }\n";
    let mut server = serve_plain(&format!(
        "{options}    forward silent. {} {{\n        prefer_udp\n    }}",
        upstream.address
    ));
    let address = server.address();
    let in_use: Vec<TcpStream> = ["a.silent.", "b.silent."]
        .into_iter()
        .map(|name| {
            let stream = begin(address, &post(&question(name), MEDIA_TYPE));
            // The upstream has the question when the server has.
            upstream.wait_for(name);
            stream
        })
        .collect();
    assert!(is_closed(&mut begin(address, b"")));
    let limits = "limit=\"tcp_connections\"";
    assert!(metric(&mut server, "portolan_dns_refused_total", limits) > 0.5);
    drop(in_use);
}

#[test]
fn a_request_whose_body_does_not_come_keeps_no_place() {
    let server = serve_plain("    https {\n        max_connections 2\n    }\n");
    let address = server.address();
    let body = question("a.example.");
    let request = post(&body, &format!("{MEDIA_TYPE}Expect: 100-continue\r\n"));
    let (head, body) = request.split_at(request.len() - body.len());
    // One after the other, so that the first is idle longest.
    let mut open = [(); 2].map(|()| {
        let mut stream = begin(address, head);
        // The server asks for the body of a request that it reads.
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream
    });
    let response = exchange(address, &post(&question("a.example."), MEDIA_TYPE));
    assert!(response.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&response));
    assert!(is_closed(&mut open[0]), "it was idle longest");
    open[1].write_all(body).unwrap();
    let mut head = [0; 12];
    open[1].read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}

#[test]
fn a_changed_certificate_is_shown_without_a_restart() {
    let certificates = Certificates::new();
    let server = serve(&certificates, "");
    let asks = |host| {
        let answer = certificates.kdig(server.address(), "+https", host, &["a.example", "A"]);
        answer.contains("status: NOERROR")
    };
    assert!(asks("dns.test"));
    certificates.issue("next.test");
    until("the next name", || asks("next.test"), |answered| *answered);
    assert!(!asks("dns.test"));
}

#[test]
fn a_reload_keeps_the_socket_and_changes_the_limits() {
    let certificates = Certificates::new();
    let tls = certificates.line();
    let corefile = |options: &str, address: &str| {
        format!(
            "https://.:0 {{\n    {tls}\n    reload 2s 1s\n{options}\n    template ANY A . {{\n        \
             answer \"{{{{ .Name }}}} 60 IN A {address}\"\n    }}\n}}\n"
        )
    };
    let server = Server::start(&corefile("", "192.0.2.1"));
    let answer = || certificates.kdig(server.address(), "+https", "dns.test", &["a.example", "A"]);
    assert!(answer().contains("192.0.2.1"));
    let changed = corefile("    https {\n        max_connections 1\n    }", "192.0.2.2");
    write(&server.directory.path().join("Corefile"), &changed);
    until("the new answer", answer, |answer| answer.contains("192.0.2.2"));
    // The only place goes to the newest.
    let mut idle = TcpStream::connect(server.address()).unwrap();
    idle.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(answer().contains("192.0.2.2"));
    assert_eq!(idle.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn what_is_under_way_is_answered_at_the_end() {
    let options = "    erratic {\n        delay 1 700ms\n        drop 0\n    }\n";
    let mut server = Server::start(&format!("https://.:0 {{\n{options}}}\n"));
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&post(&question("a.example."), MEDIA_TYPE)).unwrap();
    let start = Instant::now();
    server.signal("TERM");
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    assert_eq!(server.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5));
}
