//! Upstreams by DNS over HTTPS.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::op::ResponseCode;
use http_body_util::Full;
use hyper::{Method, Response};
use tokio::time::Instant;

use super::fake_secure::{
    Authority, ClientCertificate, DohUpstream, Respond, SeenRequest, TlsUpstream, good_response,
};
use super::fake_upstream::{closed_port, reply_to};
use super::testing::{Server, by_tcp, by_udp};
use crate::{ExtendedErrorCode, Reply};

const NAMES: [&str; 2] = ["dns.example", "127.0.0.1"];

fn forward_to(upstream: &DohUpstream, options: &str, authority: &Authority) -> Server {
    let to = upstream.server.address;
    let text = format!("forward . https://{to} {{\ntls ca.pem\n{options}\n}}");
    Server::with_files(&text, &authority.files())
}

/// Asks a server that responds so.
async fn answered(
    respond: impl Fn(&SeenRequest) -> Response<Full<bytes::Bytes>> + Send + Sync + 'static,
) -> Reply {
    let authority = Authority::new();
    let config = authority.server(&NAMES, ClientCertificate::None, &[b"h2"]);
    let respond: Arc<Respond> = Arc::new(move |seen| Some(respond(seen)));
    let upstream = DohUpstream::start(config, respond).await;
    let server = forward_to(&upstream, "max_fails 0\nmax_connect_attempts 1", &authority);
    server.ask(&by_udp("a.example.")).await
}

#[tokio::test]
async fn questions_are_posted_over_one_connection() {
    let authority = Authority::new();
    let upstream = DohUpstream::good(&authority).await;
    let to = upstream.server.address;
    let server = forward_to(&upstream, "", &authority);
    let (reply, notes) = server.explain(&by_udp("a.example.")).await;
    assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::NoError, 1));
    assert!(notes[0].starts_with(&format!("{to} by https: NOERROR in ")), "{notes:?}");
    let queries: Vec<_> = (0..20).map(|at| by_tcp(&format!("{at}.example."))).collect();
    for reply in join_all(queries.iter().map(|query| server.ask(query))).await {
        assert_eq!(reply.rcode, ResponseCode::NoError);
    }
    let seen = upstream.seen();
    assert_eq!(seen.len(), 21);
    assert!(seen.iter().all(|one| one.from == seen[0].from), "one connection for all");
    for one in &seen {
        let head = &one.head;
        assert_eq!(
            (&head.method, head.uri.path(), head.uri.query()),
            (&Method::POST, "/dns-query", None)
        );
        assert_eq!(head.headers["content-type"], "application/dns-message");
        assert_eq!(head.headers["accept"], "application/dns-message");
        assert_eq!(head.uri.authority().unwrap().as_str(), to.to_string());
        assert_eq!(one.message.id, 0);
    }
    assert_eq!(server.metric("coredns_proxy_conn_cache_misses_total", "https"), 1.0);
    assert_eq!(server.metric("coredns_proxy_conn_cache_hits_total", "https"), 20.0);
}

#[tokio::test]
async fn method_path_and_name_can_be_chosen() {
    let authority = Authority::new();
    let upstream = DohUpstream::good(&authority).await;
    let to = upstream.server.address;
    let text = format!(
        "forward . https://{to}/other {{\ntls ca.pem\ntls_servername dns.example\ndoh_method GET\n}}"
    );
    let server = Server::with_files(&text, &authority.files());
    assert_eq!(server.ask(&by_udp("a.example.")).await.rcode, ResponseCode::NoError);
    let seen = &upstream.seen()[0];
    assert_eq!((&seen.head.method, seen.head.uri.path()), (&Method::GET, "/other"));
    let authority = format!("dns.example:{}", to.port());
    assert_eq!(seen.head.uri.authority().unwrap().as_str(), authority);
    assert!(seen.head.headers.get("content-type").is_none());
    assert_eq!(seen.message.queries[0].name.to_ascii(), "a.example.");
}

#[tokio::test]
async fn responses_are_checked() {
    let of_type = |seen: &SeenRequest, media_type: &str| {
        let mut response = good_response(seen);
        response.headers_mut().insert("content-type", media_type.parse().unwrap());
        response
    };
    let with_body = |seen: &SeenRequest, body: Vec<u8>| {
        let mut response = good_response(seen);
        *response.body_mut() = Full::from(body);
        response
    };
    let good = answered(move |seen| of_type(seen, "application/dns-message; a=b")).await;
    assert_eq!(good.rcode, ResponseCode::NoError);
    let status = |seen: &SeenRequest| {
        let mut response = good_response(seen);
        *response.status_mut() = hyper::StatusCode::NOT_FOUND;
        response
    };
    for (reply, problem) in [
        (answered(status).await, "HTTP status 404 instead of 200"),
        (
            answered(move |seen| of_type(seen, "text/html")).await,
            "content type text/html instead of application/dns-message",
        ),
        (
            answered(|seen| {
                let mut response = good_response(seen);
                response.headers_mut().clear();
                response
            })
            .await,
            "content type none",
        ),
        (answered(move |seen| with_body(seen, vec![0; 65_536])).await, "more than 65535 octets"),
        (
            answered(move |seen| with_body(seen, b"no".to_vec())).await,
            "malformed message over HTTPS",
        ),
        (
            answered(move |seen| {
                let mut reply = reply_to(&seen.message);
                reply.metadata.id = 7;
                with_body(seen, reply.to_vec().unwrap())
            })
            .await,
            "wrong id over HTTPS",
        ),
    ] {
        assert_eq!(reply.rcode, ResponseCode::ServFail, "{problem}");
        let error = reply.error.unwrap();
        assert!(error.contains(problem), "{problem}: {error}");
        assert_eq!(reply.extended_error.unwrap().code, ExtendedErrorCode::NetworkError);
    }
}

#[tokio::test]
async fn connections_end_as_configured() {
    let authority = Authority::new();
    for (options, made) in [("expire 0s", 3.0), ("max_age 1ns", 3.0), ("max_idle_conns 1", 1.0)] {
        let upstream = DohUpstream::good(&authority).await;
        let server = forward_to(&upstream, options, &authority);
        for name in ["a.example.", "b.example.", "c.example."] {
            let reply = server.ask(&by_udp(name)).await;
            assert_eq!(reply.rcode, ResponseCode::NoError, "{options}: {:?}", reply.error);
        }
        let misses = server.metric("coredns_proxy_conn_cache_misses_total", "https");
        assert_eq!(misses, made, "{options}");
    }
}

#[tokio::test]
async fn unused_connections_are_closed() {
    let authority = Authority::new();
    let upstream = DohUpstream::good(&authority).await;
    let server = forward_to(&upstream, "expire 10ms", &authority);
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = alive();
    server.ask(&by_udp("a.example.")).await;
    let end = Instant::now() + Duration::from_secs(10);
    while alive() > before {
        assert!(Instant::now() < end, "{} tasks, {before} before", alive());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_does_no_harm() {
    let authority = Authority::new();
    let upstream = DohUpstream::good(&authority).await;
    let server = forward_to(&upstream, "max_fails 1\nmax_connect_attempts 1", &authority);
    let reply = server.ask(&by_udp("a.example.")).await;
    assert_eq!(reply.rcode, ResponseCode::NoError);
    upstream.server.hang_up();
    assert_eq!(server.ask(&by_udp("b.example.")).await.rcode, ResponseCode::NoError);
    let seen = upstream.seen();
    assert_ne!(seen[0].from, seen[1].from);
}

#[tokio::test]
async fn silence_is_a_timeout_and_the_connection_is_given_up() {
    let authority = Authority::new();
    let config = authority.server(&NAMES, ClientCertificate::None, &[b"h2"]);
    let respond: Arc<Respond> = Arc::new(|seen| {
        let is_silent = seen.message.queries[0].name.to_ascii() == "silent.example.";
        (!is_silent).then(|| good_response(seen))
    });
    let upstream = DohUpstream::start(config, respond).await;
    let options = "read_timeout 200ms\nmax_connect_attempts 1\nmax_fails 0";
    let server = forward_to(&upstream, options, &authority);
    assert_eq!(server.ask(&by_udp("a.example.")).await.rcode, ResponseCode::NoError);
    let reply = server.ask(&by_udp("silent.example.")).await;
    assert_eq!(reply.rcode, ResponseCode::ServFail);
    assert!(reply.error.unwrap().contains("timed out after 0.2"));
    assert_eq!(server.ask(&by_udp("b.example.")).await.rcode, ResponseCode::NoError);
    let seen = upstream.seen();
    assert_eq!(seen[0].from, seen[1].from);
    assert_ne!(seen[1].from, seen[2].from);
}

#[tokio::test]
async fn what_is_no_http_2_is_an_error_and_the_next_upstream_is_asked() {
    let authority = Authority::new();
    let good = DohUpstream::good(&authority).await;
    let config = authority.server(&NAMES, ClientCertificate::None, &[]);
    let no_http = TlsUpstream::start(config, usize::MAX).await;
    let (to_good, to_other) = (good.server.address, no_http.server.address);
    let closed = closed_port(1);
    let text = format!(
        "forward . https://{closed} https://{to_other} https://{to_good} {{\ntls ca.pem\n\
         policy sequential\n}}"
    );
    let server = Server::with_files(&text, &authority.files());
    let (reply, notes) = server.explain(&by_udp("a.example.")).await;
    assert_eq!(reply.rcode, ResponseCode::NoError, "{notes:?}");
    assert!(notes[0].contains("by https: Connection refused"), "{notes:?}");
    assert!(notes[1].contains("the server does not speak HTTP/2"), "{notes:?}");
    assert!(no_http.seen().is_empty());
}

#[tokio::test]
async fn certificates_are_verified() {
    let (authority, other) = (Authority::new(), Authority::new());
    let upstream = DohUpstream::good(&authority).await;
    let reply = forward_to(&upstream, "max_fails 0", &other).ask(&by_udp("a.example.")).await;
    assert_eq!(reply.rcode, ResponseCode::ServFail);
    let error = reply.error.unwrap();
    assert!(error.contains("TLS with 127.0.0.1: invalid peer certificate"), "{error}");
    assert!(upstream.seen().is_empty());
}
