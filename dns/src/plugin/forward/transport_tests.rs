//! UDP and TCP to real sockets.

use hickory_proto::op::{Edns, Message, MessageType, ResponseCode};

use super::fake_upstream::{FakeUpstream, Seen, closed_port, reply_to};
use super::testing::{Server, by_tcp, by_udp};
use crate::{Protocol, Query};

fn forward_to(upstream: &FakeUpstream, options: &str) -> Server {
    Server::new(&format!("forward . {} {{\n{options}\n}}", upstream.address))
}

fn protocols(upstream: &FakeUpstream) -> Vec<Protocol> {
    upstream.seen().iter().map(|seen| seen.protocol).collect()
}

/// Answers by UDP with a truncated message and by TCP with a whole one.
fn truncating(seen: Seen) -> Vec<Vec<u8>> {
    let mut reply = reply_to(&seen.message);
    if seen.protocol == Protocol::Udp {
        reply.metadata.truncation = true;
        reply.answers.clear();
    }
    vec![reply.to_vec().unwrap()]
}

#[tokio::test]
async fn queries_go_by_the_transport_of_the_client() {
    let upstream = FakeUpstream::good().await;
    let server = forward_to(&upstream, "");
    let (reply, notes) = server.explain(&by_udp("Www.Example.ORG.")).await;
    assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::NoError, 1));
    assert!(reply.recursion_available && !reply.truncated);
    assert_eq!(reply.plugin, "forward");
    let beginning = format!("{} by udp: NOERROR in ", upstream.address);
    assert!(notes.len() == 1 && notes[0].starts_with(&beginning), "{notes:?}");
    server.ask(&by_tcp("www.example.org.")).await;
    assert_eq!(protocols(&upstream), [Protocol::Udp, Protocol::Tcp]);
    let asked = &upstream.seen()[0].message;
    assert_eq!(asked.queries[0].name.to_ascii(), "Www.Example.ORG.");
    assert!(asked.recursion_desired && asked.edns.is_none());
    assert_eq!(server.metric("coredns_forward_requests_total", &upstream.address.to_string()), 2.0);
    assert_eq!(server.metric("coredns_forward_responses_total", "NOERROR"), 2.0);
    assert_eq!(server.metric("portolan_forward_in_flight", ""), 0.0);
}

#[tokio::test]
async fn ids_and_ports_change_with_every_query() {
    let upstream = FakeUpstream::good().await;
    let server = forward_to(&upstream, "");
    for _ in 0..8 {
        server.ask(&by_udp("www.example.org.")).await;
    }
    let seen = upstream.seen();
    let ids: std::collections::BTreeSet<_> = seen.iter().map(|seen| seen.message.id).collect();
    let ports: std::collections::BTreeSet<_> = seen.iter().map(|seen| seen.from.port()).collect();
    // By chance two of eight are equal, but hardly more.
    assert!(ids.len() >= 6 && ports.len() >= 6, "{ids:?} {ports:?}");
}

#[tokio::test]
async fn the_size_of_the_client_goes_upstream_and_large_replies_come_back() {
    let upstream = FakeUpstream::start(|seen| {
        let mut reply = reply_to(&seen.message);
        reply.answers = vec![reply.answers[0].clone(); 100];
        vec![reply.to_vec().unwrap()]
    })
    .await;
    let mut query = by_udp("www.example.org.");
    let mut edns = Edns::new();
    edns.set_max_payload(4000).set_dnssec_ok(true);
    query.edns = Some(edns);
    let reply = forward_to(&upstream, "").ask(&query).await;
    assert_eq!((reply.answers.len(), reply.truncated), (100, false));
    let seen = upstream.seen()[0].message.edns.clone().unwrap();
    assert_eq!((seen.max_payload(), seen.flags().dnssec_ok), (4000, true));
    assert_eq!(protocols(&upstream), [Protocol::Udp]);
}

#[tokio::test]
async fn what_is_no_reply_is_ignored_until_the_reply_comes() {
    let upstream = FakeUpstream::start(|seen| {
        let wrong = |change: fn(&mut Message)| {
            let mut reply = reply_to(&seen.message);
            reply.answers.clear();
            change(&mut reply);
            reply.to_vec().unwrap()
        };
        let good = reply_to(&seen.message).to_vec().unwrap();
        vec![
            Vec::new(),
            b"no DNS".to_vec(),
            good[..good.len() - 1].to_vec(),
            wrong(|reply| reply.metadata.id ^= 1),
            wrong(|reply| reply.metadata.message_type = MessageType::Query),
            wrong(|reply| reply.queries[0].name = "other.example.".parse().unwrap()),
            good,
        ]
    })
    .await;
    let reply = forward_to(&upstream, "").ask(&by_udp("www.example.org.")).await;
    assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::NoError, 1));
    assert_eq!(upstream.seen().len(), 1, "at the first attempt");
}

#[tokio::test]
async fn nothing_but_wrong_replies_is_no_reply() {
    for (change, why) in [
        ((|reply| reply.metadata.id ^= 1) as fn(&mut Message), "wrong id"),
        (|reply| reply.queries[0].name = "other.example.".parse().unwrap(), "wrong question"),
    ] {
        let upstream = FakeUpstream::start(move |seen| {
            let mut reply = reply_to(&seen.message);
            change(&mut reply);
            vec![reply.to_vec().unwrap()]
        })
        .await;
        let options = "read_timeout 200ms\nmax_connect_attempts 1\nmax_fails 0";
        let reply = forward_to(&upstream, options).ask(&by_udp("www.example.org.")).await;
        assert_eq!(reply.rcode, ResponseCode::ServFail);
        let error = reply.error.unwrap();
        assert!(error.contains(&format!("(1 messages ignored, the last: {why})")), "{error}");
    }
}

#[tokio::test]
async fn truncated_replies_are_asked_for_again_by_tcp() {
    let upstream = FakeUpstream::start(truncating).await;
    for (options, query) in [
        ("", by_udp("www.example.org.")),
        ("prefer_udp", by_udp("www.example.org.")),
        ("prefer_udp", by_tcp("www.example.org.")),
    ] {
        let before = upstream.seen().len();
        let (reply, notes) = forward_to(&upstream, options).explain(&query).await;
        assert_eq!((reply.answers.len(), reply.truncated), (1, false));
        assert!(notes[0].contains(" by tcp: NOERROR"), "{notes:?}");
        assert_eq!(protocols(&upstream)[before..], [Protocol::Udp, Protocol::Tcp]);
    }
}

#[tokio::test]
async fn without_tcp_the_truncated_reply_is_passed_on() {
    let upstream = FakeUpstream::with_connections(0, truncating).await;
    let server = forward_to(&upstream, "");
    let reply = server.ask(&by_udp("www.example.org.")).await;
    assert!(reply.truncated && reply.answers.is_empty());
    assert_eq!((reply.rcode, reply.error), (ResponseCode::NoError, None));
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_datagram_larger_than_asked_for_counts_as_truncated() {
    let upstream = FakeUpstream::start(|seen| {
        let mut reply = reply_to(&seen.message);
        reply.answers = vec![reply.answers[0].clone(); 300];
        vec![reply.to_vec().unwrap()]
    })
    .await;
    let reply = forward_to(&upstream, "").ask(&by_udp("www.example.org.")).await;
    assert_eq!(reply.answers.len(), 300);
    assert_eq!(protocols(&upstream), [Protocol::Udp, Protocol::Tcp]);
}

#[tokio::test]
async fn the_transport_can_be_chosen() {
    let upstream = FakeUpstream::good().await;
    forward_to(&upstream, "force_tcp").ask(&by_udp("a.example.")).await;
    forward_to(&upstream, "prefer_udp").ask(&by_tcp("a.example.")).await;
    forward_to(&upstream, "prefer_udp\nforce_tcp").ask(&by_udp("a.example.")).await;
    assert_eq!(protocols(&upstream), [Protocol::Tcp, Protocol::Udp, Protocol::Tcp]);
}

async fn connections(upstream: &FakeUpstream, server: &Server, queries: &[Query]) -> u8 {
    for query in queries {
        let reply = server.ask(query).await;
        assert_eq!(reply.rcode, ResponseCode::NoError, "{:?}", reply.error);
    }
    let from: std::collections::BTreeSet<_> =
        upstream.seen().iter().map(|seen| seen.from.port()).collect();
    u8::try_from(from.len()).unwrap()
}

#[tokio::test]
async fn connections_are_used_again() {
    let queries = [by_tcp("a.example."), by_tcp("b.example."), by_tcp("c.example.")];
    for (options, expected) in
        [("", 1), ("expire 0s", 3), ("max_age 1ns", 3), ("max_idle_conns 1", 1)]
    {
        let upstream = FakeUpstream::good().await;
        let server = forward_to(&upstream, options);
        assert_eq!(connections(&upstream, &server, &queries).await, expected, "{options}");
        let made = server.metric("coredns_proxy_conn_cache_misses_total", "tcp");
        let kept = server.metric("coredns_proxy_conn_cache_hits_total", "tcp");
        assert_eq!((made, kept), (f64::from(expected), f64::from(3 - expected)), "{options}");
    }
}

#[tokio::test]
async fn no_more_connections_are_kept_than_allowed() {
    let queries = [by_tcp("a.example."), by_tcp("b.example."), by_tcp("c.example.")];
    for (options, kept) in [("max_idle_conns 1", 1), ("max_idle_conns 2", 2), ("", 3)] {
        let upstream = FakeUpstream::good().await;
        let server = forward_to(&upstream, options);
        for _ in 0..2 {
            let all = queries.iter().map(|query| server.ask(query));
            futures_util::future::join_all(all).await;
        }
        let hits = server.metric("coredns_proxy_conn_cache_hits_total", "tcp");
        assert_eq!(hits, f64::from(kept), "{options}");
    }
}

#[tokio::test]
async fn connections_that_the_upstream_closed_do_no_harm() {
    let good = |seen: Seen| vec![reply_to(&seen.message).to_vec().unwrap()];
    let upstream = FakeUpstream::with_connections(1, good).await;
    let server = forward_to(&upstream, "max_connect_attempts 1\nmax_fails 1");
    let queries = [by_tcp("a.example."), by_tcp("b.example."), by_tcp("c.example.")];
    assert_eq!(connections(&upstream, &server, &queries).await, 3);
}

#[tokio::test]
async fn a_connection_that_speaks_no_dns_is_an_error() {
    let upstream = FakeUpstream::start(|_| vec![b"HTTP/1.1 400".to_vec()]).await;
    let server = forward_to(&upstream, "force_tcp\nmax_connect_attempts 1\nread_timeout 20ms");
    let reply = server.ask(&by_udp("a.example.")).await;
    assert_eq!(reply.rcode, ResponseCode::ServFail);
    let short = FakeUpstream::start(|seen| vec![seen.message.id.to_be_bytes().to_vec()]).await;
    let server = forward_to(&short, "force_tcp\nmax_connect_attempts 1");
    let error = server.ask(&by_udp("a.example.")).await.error.unwrap();
    assert!(error.ends_with("malformed message over TCP"), "{error}");
}

#[tokio::test]
async fn queries_leave_from_the_source_address() {
    let upstream = FakeUpstream::good().await;
    let server = forward_to(&upstream, "source_address 127.0.0.5");
    server.ask(&by_udp("a.example.")).await;
    server.ask(&by_tcp("a.example.")).await;
    let from: Vec<_> = upstream.seen().iter().map(|seen| seen.from.ip().to_string()).collect();
    assert_eq!(from, ["127.0.0.5", "127.0.0.5"]);
}

#[tokio::test]
async fn refused_connections_fail_at_once() {
    let closed = closed_port(1);
    for query in [by_udp("a.example."), by_tcp("a.example.")] {
        let server = Server::new(&format!("forward . {closed} {{\nmax_fails 0\n}}"));
        let error = server.ask(&query).await.error.unwrap();
        let beginning = format!("1 upstream tried in 2 attempts: {closed}: Connection refused");
        assert!(error.starts_with(&beginning), "{error}");
    }
}
