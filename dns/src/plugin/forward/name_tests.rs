//! Upstreams that are host names.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::time::Instant;

use super::fake_upstream::{FakeUpstream, Seen, black_hole, closed_port, reply_to};
use super::testing::{Server, by_udp};
use crate::{ExtendedErrorCode, Protocol};

/// A resolver whose answer is 127.0.0.N with this TTL; 0 is SERVFAIL.
struct Resolver {
    upstream: FakeUpstream,
    last: Arc<AtomicU8>,
}

impl Resolver {
    async fn start(last: u8, ttl: u32) -> Self {
        let last = Arc::new(AtomicU8::new(last));
        let known = Arc::clone(&last);
        let script = move |seen: Seen| {
            let mut reply = reply_to(&seen.message);
            reply.answers.clear();
            match known.load(Ordering::Relaxed) {
                0 => reply.metadata.response_code = ResponseCode::ServFail,
                last if reply.queries[0].query_type == RecordType::A => {
                    let address = RData::A(A::new(127, 0, 0, last));
                    let name = reply.queries[0].name.clone();
                    reply.answers = vec![Record::from_rdata(name, ttl, address)];
                }
                _ => {}
            }
            vec![reply.to_vec().unwrap()]
        };
        Self { upstream: FakeUpstream::start(script).await, last }
    }

    /// Returns how often each type was asked for.
    fn lookups(&self) -> (usize, usize) {
        let seen = self.upstream.seen();
        let count =
            |qtype| seen.iter().filter(|seen| seen.message.queries[0].query_type == qtype).count();
        (count(RecordType::A), count(RecordType::AAAA))
    }
}

fn forward_to_name(port: u16, resolvers: &str, options: &str) -> Server {
    Server::new(&format!("forward . dns.example:{port} {{\nresolver {resolvers}\n{options}\n}}"))
}

/// Waits until a query gets this rcode.
async fn until_rcode(server: &Server, rcode: ResponseCode) {
    let end = Instant::now() + Duration::from_secs(60);
    while server.ask(&by_udp("a.example.")).await.rcode != rcode {
        assert!(Instant::now() < end, "never {rcode}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn names_are_looked_up_with_the_given_resolvers() {
    let good = FakeUpstream::good().await;
    let resolver = Resolver::start(1, 60).await;
    let port = good.address.port();
    let (closed, works) = (closed_port(1), resolver.upstream.address);
    let server = forward_to_name(port, &format!("{closed} {works}"), "");
    // The first query comes before the name is known, and waits.
    let (reply, notes) = server.explain(&by_udp("a.example.")).await;
    assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::NoError, 1));
    let beginning = format!("dns.example:{port} (127.0.0.1:{port}) by udp: NOERROR");
    assert!(notes[0].starts_with(&beginning), "{notes:?}");
    assert_eq!(resolver.lookups(), (1, 1));
    let asked = &resolver.upstream.seen()[0].message;
    assert_eq!(asked.queries[0].name.to_ascii(), "dns.example.");
    assert!(asked.recursion_desired);
    let label = format!("dns.example:{port}");
    assert_eq!(server.metric("coredns_forward_requests_total", &label), 1.0);
    assert_eq!(server.metric("portolan_forward_name_lookups_total", "success"), 1.0);
}

#[tokio::test]
async fn an_unknown_name_is_servfail_until_it_is_known() {
    let good = FakeUpstream::good().await;
    let resolver = Resolver::start(0, 60).await;
    let to = resolver.upstream.address;
    let server = forward_to_name(good.address.port(), &to.to_string(), "");
    let reply = server.ask(&by_udp("a.example.")).await;
    assert_eq!(reply.rcode, ResponseCode::ServFail);
    let port = good.address.port();
    let expected = format!("dns.example:{port} is not resolved: {to}: SERVFAIL");
    assert_eq!(reply.error.as_deref(), Some(expected.as_str()));
    assert_eq!(reply.extended_error.unwrap().code, ExtendedErrorCode::NoReachableAuthority);
    assert_eq!(server.metric("portolan_forward_refused_total", "unresolved"), 1.0);
    resolver.last.store(1, Ordering::Relaxed);
    // After the first failure it is tried again within a second.
    until_rcode(&server, ResponseCode::NoError).await;
    assert_eq!(server.metric("portolan_forward_name_lookups_total", "failure"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn silent_resolvers_hold_up_a_query_no_longer_than_its_time() {
    let (_socket, hole) = black_hole();
    let server = forward_to_name(53, &hole.to_string(), "");
    let since = Instant::now();
    let reply = server.ask(&by_udp("a.example.")).await;
    assert_eq!((reply.rcode, since.elapsed().as_secs()), (ResponseCode::ServFail, 2));
    assert!(reply.error.unwrap().contains("timed out after 2s"));
    let four = format!("{hole} {hole} {hole} {hole}");
    let server = forward_to_name(53, &four, "");
    let since = Instant::now();
    let reply = server.ask(&by_udp("a.example.")).await;
    assert_eq!((reply.rcode, since.elapsed().as_secs()), (ResponseCode::ServFail, 5));
    assert!(reply.error.unwrap().ends_with("is not resolved yet"));
}

#[tokio::test]
async fn other_upstreams_need_not_wait_for_a_name() {
    let (_socket, hole) = black_hole();
    let good = FakeUpstream::good().await;
    let to = good.address;
    let server = Server::new(&format!("forward . dns.example {to} {{\nresolver {hole}\n}}"));
    let (reply, notes) = server.explain(&by_udp("a.example.")).await;
    assert_eq!((reply.rcode, notes.len()), (ResponseCode::NoError, 1));
    assert!(notes[0].starts_with(&to.to_string()), "{notes:?}");
}

/// Starts two upstreams on one port of 127.0.0.1 and 127.0.0.2.
async fn two_on_one_port() -> (FakeUpstream, FakeUpstream) {
    loop {
        let first = FakeUpstream::good().await;
        let second = format!("127.0.0.2:{}", first.address.port()).parse().unwrap();
        let good = |seen: Seen| vec![reply_to(&seen.message).to_vec().unwrap()];
        if let Some(second) = FakeUpstream::start_at(second, good).await {
            return (first, second);
        }
    }
}

/// Moves the paused clock on; what was due before has happened by then.
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Lets the lookup that is due end. The clock stands still while sockets are waited for.
async fn until_lookups(resolver: &Resolver, server: &Server, count: usize) {
    let counted = || {
        let sum = server.metric("portolan_forward_name_lookups_total", "");
        resolver.lookups() == (count, count) && (sum - count as f64).abs() < 0.5
    };
    while !counted() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn names_follow_their_addresses_and_keep_the_last_good_ones() {
    let (first, second) = two_on_one_port().await;
    let resolver = Resolver::start(1, 7).await;
    let server = forward_to_name(first.address.port(), &resolver.upstream.address.to_string(), "");
    server.ask(&by_udp("a.example.")).await;
    assert_eq!((first.asked(), second.asked()), (1, 0));
    tokio::time::pause();

    resolver.last.store(2, Ordering::Relaxed);
    pass(6).await;
    assert_eq!(resolver.lookups().0, 1, "not before the TTL is over");
    pass(1).await;
    until_lookups(&resolver, &server, 2).await;
    server.ask(&by_udp("b.example.")).await;
    assert_eq!((first.asked(), second.asked()), (1, 1));

    resolver.last.store(0, Ordering::Relaxed);
    pass(7).await;
    until_lookups(&resolver, &server, 3).await;
    assert_eq!(server.metric("portolan_forward_name_lookups_total", "failure"), 1.0);
    let reply = server.ask(&by_udp("c.example.")).await;
    assert_eq!(reply.rcode, ResponseCode::NoError, "the last good address stays");
    assert_eq!((first.asked(), second.asked()), (1, 2));
}

#[tokio::test]
async fn resolve_interval_bounds_the_ttl() {
    let upstream = FakeUpstream::good().await;
    let resolver = Resolver::start(1, 3600).await;
    let to = resolver.upstream.address.to_string();
    let server = forward_to_name(upstream.address.port(), &to, "resolve_interval 2s");
    server.ask(&by_udp("a.example.")).await;
    tokio::time::pause();
    pass(1).await;
    assert_eq!(resolver.lookups(), (1, 1));
    pass(1).await;
    until_lookups(&resolver, &server, 2).await;
}

#[tokio::test]
async fn connections_stay_while_the_address_does() {
    let upstream = FakeUpstream::good().await;
    let resolver = Resolver::start(1, 5).await;
    let to = resolver.upstream.address.to_string();
    let server = forward_to_name(upstream.address.port(), &to, "force_tcp\nexpire 1h");
    server.ask(&by_udp("a.example.")).await;
    tokio::time::pause();
    pass(5).await;
    until_lookups(&resolver, &server, 2).await;
    server.ask(&by_udp("b.example.")).await;
    let from: Vec<_> = upstream.seen().iter().map(|seen| seen.from).collect();
    assert_eq!(from[0], from[1]);
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again_by_tcp() {
    let good = FakeUpstream::good().await;
    let protocols = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&protocols);
    let resolver = FakeUpstream::start(move |seen| {
        let mut reply = reply_to(&seen.message);
        let is_udp = seen.protocol == Protocol::Udp;
        noted.lock().unwrap().push(seen.protocol);
        reply.metadata.truncation = is_udp;
        reply.answers.clear();
        if !is_udp && reply.queries[0].query_type == RecordType::A {
            let name = reply.queries[0].name.clone();
            let address = RData::A(A::new(127, 0, 0, 1));
            reply.answers.push(Record::from_rdata(name, 60, address));
        }
        vec![reply.to_vec().unwrap()]
    })
    .await;
    let server = forward_to_name(good.address.port(), &resolver.address.to_string(), "");
    assert_eq!(server.ask(&by_udp("a.example.")).await.rcode, ResponseCode::NoError);
    let tcp = protocols.lock().unwrap().iter().filter(|it| **it == Protocol::Tcp).count();
    assert_eq!(tcp, 2);
}

#[tokio::test]
async fn with_a_source_address_only_its_family_is_looked_up() {
    let good = FakeUpstream::good().await;
    let resolver = Resolver::start(1, 60).await;
    let to = resolver.upstream.address.to_string();
    let server = forward_to_name(good.address.port(), &to, "source_address 127.0.0.5");
    server.ask(&by_udp("a.example.")).await;
    assert_eq!(good.seen()[0].from.ip().to_string(), "127.0.0.5");
    assert_eq!(resolver.lookups(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn lookups_end_with_the_configuration() {
    let (_socket, hole) = black_hole();
    let server = forward_to_name(53, &hole.to_string(), "");
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(alive(), 1);
    drop(server);
    while alive() > 0 {
        tokio::task::yield_now().await;
    }
}
