//! Upstreams by DNS over TLS.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};

use super::fake_secure::{Authority, ClientCertificate, TlsUpstream};
use super::fake_upstream::{FakeUpstream, closed_port, reply_to};
use super::testing::{Server, by_tcp, by_udp};
use crate::ExtendedErrorCode;

const NAMES: [&str; 2] = ["dns.example", "127.0.0.1"];

async fn upstream(authority: &Authority, names: &[&str]) -> TlsUpstream {
    let config = authority.server(names, ClientCertificate::None, &[]);
    TlsUpstream::start(config, usize::MAX).await
}

#[tokio::test]
async fn queries_of_every_transport_go_over_one_connection() {
    let authority = Authority::new();
    let upstream = upstream(&authority, &NAMES).await;
    let to = upstream.server.address;
    let server = Server::with_files(
        &format!("forward . tls://{to} {{\ntls ca.pem\nprefer_udp\n}}"),
        &authority.files(),
    );
    for query in [by_udp("a.example."), by_tcp("b.example."), by_udp("c.example.")] {
        let (reply, notes) = server.explain(&query).await;
        assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::NoError, 1));
        assert!(notes[0].starts_with(&format!("{to} by tls: NOERROR in ")), "{notes:?}");
    }
    let from: std::collections::BTreeSet<_> =
        upstream.seen().iter().map(|seen| seen.from).collect();
    assert_eq!((from.len(), upstream.seen().len()), (1, 3));
    assert_eq!(server.metric("coredns_proxy_conn_cache_misses_total", "tcp-tls"), 1.0);
    assert_eq!(server.metric("coredns_proxy_conn_cache_hits_total", "tcp-tls"), 2.0);
}

#[tokio::test]
async fn connections_are_kept_as_those_of_tcp() {
    let authority = Authority::new();
    for (options, queries, made) in [
        ("expire 0s", usize::MAX, 3.0),
        ("max_age 1ns", usize::MAX, 3.0),
        ("max_fails 1\nmax_connect_attempts 1", 1, 3.0),
        ("", usize::MAX, 1.0),
    ] {
        let config = authority.server(&NAMES, ClientCertificate::None, &[]);
        let upstream = TlsUpstream::start(config, queries).await;
        let to = upstream.server.address;
        let text = format!("forward . tls://{to} {{\ntls ca.pem\n{options}\n}}");
        let server = Server::with_files(&text, &authority.files());
        for name in ["a.example.", "b.example.", "c.example."] {
            let reply = server.ask(&by_udp(name)).await;
            assert_eq!(reply.rcode, ResponseCode::NoError, "{options}: {:?}", reply.error);
        }
        let misses = server.metric("coredns_proxy_conn_cache_misses_total", "tcp-tls");
        assert!(misses >= made && (queries == 1 || misses == made), "{options}: {misses}");
    }
}

#[tokio::test]
async fn certificates_are_verified() {
    let (authority, other) = (Authority::new(), Authority::new());
    let by_name = upstream(&authority, &["dns.example"]).await;
    let by_address = upstream(&authority, &["127.0.0.1"]).await;
    let (name, address) = (by_name.server.address, by_address.server.address);
    let port = name.port();
    let (files, strangers) = (authority.files(), other.files());
    for (to, options, files, problem) in [
        (format!("tls://{address}"), "tls ca.pem", &files, None),
        (format!("tls://{name}"), "tls ca.pem\ntls_servername dns.example", &files, None),
        (format!("tls://127.0.0.1%dns.example:{port}"), "tls ca.pem", &files, None),
        (format!("tls://{name}"), "tls ca.pem", &files, Some("not valid for name")),
        (
            format!("tls://{name}"),
            "tls ca.pem\ntls_servername other.example",
            &files,
            Some("TLS with other.example: invalid peer certificate"),
        ),
        (
            format!("tls://127.0.0.1%other.example:{port}"),
            "tls ca.pem",
            &files,
            Some("TLS with other.example: invalid peer certificate"),
        ),
        (format!("tls://{address}"), "tls ca.pem", &strangers, Some("invalid peer certificate")),
        (format!("tls://{address}"), "tls", &files, Some("invalid peer certificate")),
    ] {
        let text = format!("forward . {to} {{\nmax_fails 0\n{options}\n}}");
        let reply = Server::with_files(&text, files).ask(&by_udp("a.example.")).await;
        let Some(problem) = problem else {
            assert_eq!(reply.rcode, ResponseCode::NoError, "{to} {options}: {:?}", reply.error);
            continue;
        };
        assert_eq!(reply.rcode, ResponseCode::ServFail, "{to} {options}");
        assert_eq!(reply.extended_error.unwrap().code, ExtendedErrorCode::NetworkError);
        let error = reply.error.unwrap();
        assert!(error.contains(problem), "{to} {options}: {error}");
    }
    assert_eq!(by_name.seen().len() + by_address.seen().len(), 3, "nobody else was asked");
}

#[tokio::test]
async fn the_certificate_of_a_ca_is_none_of_a_server() {
    let authority = Authority::new();
    let upstream = TlsUpstream::start(authority.server_itself(), usize::MAX).await;
    let to = upstream.server.address;
    let text = format!("forward . tls://{to} {{\ntls ca.pem\ntls_servername dns.example\n}}");
    let reply = Server::with_files(&text, &authority.files()).ask(&by_udp("a.example.")).await;
    assert_eq!(reply.rcode, ResponseCode::ServFail);
    let error = reply.error.unwrap();
    assert!(error.contains("give it one that the CA has signed"), "{error}");
}

#[tokio::test]
async fn a_host_name_is_verified_as_such() {
    let authority = Authority::new();
    let upstream = upstream(&authority, &["dns.example"]).await;
    let resolver = FakeUpstream::start(|seen| {
        let mut reply = reply_to(&seen.message);
        reply.answers.clear();
        if reply.queries[0].query_type == RecordType::A {
            let name = reply.queries[0].name.clone();
            let address = RData::A(A::new(127, 0, 0, 1));
            reply.answers.push(Record::from_rdata(name, 60, address));
        }
        vec![reply.to_vec().unwrap()]
    })
    .await;
    let (port, resolver) = (upstream.server.address.port(), resolver.address);
    for (name, rcode) in
        [("dns.example", ResponseCode::NoError), ("other.example", ResponseCode::ServFail)]
    {
        let to = format!("tls://{name}:{port}");
        let text = format!("forward . {to} {{\nresolver {resolver}\ntls ca.pem\n}}");
        let reply = Server::with_files(&text, &authority.files()).ask(&by_udp("a.example.")).await;
        assert_eq!(reply.rcode, rcode, "{name}: {:?}", reply.error);
    }
}

#[tokio::test]
async fn the_client_shows_its_certificate() {
    let authority = Authority::new();
    let config = authority.server(&NAMES, ClientCertificate::Required, &[]);
    let upstream = TlsUpstream::start(config, usize::MAX).await;
    let to = upstream.server.address;
    let ask = async |tls: &str| {
        let text = format!("forward . tls://{to} {{\n{tls}\n}}");
        Server::with_files(&text, &authority.files()).ask(&by_udp("a.example.")).await
    };
    assert_eq!(ask("tls client.pem client.key ca.pem").await.rcode, ResponseCode::NoError);
    let reply = ask("tls ca.pem").await;
    assert_eq!(reply.rcode, ResponseCode::ServFail);
    assert!(reply.error.unwrap().contains("CertificateRequired"));
}

#[tokio::test]
async fn what_is_no_tls_is_an_error_and_the_next_upstream_is_asked() {
    let authority = Authority::new();
    let good = upstream(&authority, &NAMES).await;
    let plain = FakeUpstream::good().await;
    let (to_good, to_plain, closed) = (good.server.address, plain.address, closed_port(1));
    let text = format!(
        "forward . tls://{closed} tls://{to_plain} tls://{to_good} {{\ntls ca.pem\npolicy sequential\n\
         read_timeout 200ms\n}}"
    );
    let (reply, notes) =
        Server::with_files(&text, &authority.files()).explain(&by_udp("a.example.")).await;
    assert_eq!(reply.rcode, ResponseCode::NoError, "{notes:?}");
    assert!(notes[0].contains("by tls: Connection refused"), "{notes:?}");
    assert!(plain.seen().is_empty(), "nothing was asked in plain text");
}

#[tokio::test]
async fn probes_are_encrypted_too() {
    let authority = Authority::new();
    let upstream = upstream(&authority, &["dns.example"]).await;
    let to = upstream.server.address;
    // The first query fails: no certificate is for the address.
    let text = format!("forward . tls://{to} {{\ntls ca.pem\nmax_fails 1\nhealth_check 1ms\n}}");
    let server = Server::with_files(&text, &authority.files());
    server.ask(&by_udp("a.example.")).await;
    while server.metric("coredns_proxy_healthcheck_failures_total", "") < 2.0 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert!(upstream.seen().is_empty());
}
