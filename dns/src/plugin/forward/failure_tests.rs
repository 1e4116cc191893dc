//! Upstreams that do not answer, and those that come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use tokio::time::Instant;

use super::fake_upstream::{FakeUpstream, Seen, black_hole, closed_port, reply_to};
use super::request::Request;
use super::testing::{Server, by_tcp, by_udp, config};
use super::{Forward, ForwardMetrics, MAX_TRIALS, exchange};
use crate::ExtendedErrorCode;

/// Lets the other tasks run until something is so.
async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it never happened");
}

/// Lets the other tasks run until so many probes have failed.
async fn until_probes_failed(server: &Server, count: f64) {
    until(|| server.metric("coredns_proxy_healthcheck_failures_total", "forward") >= count).await;
}

#[tokio::test(start_paused = true)]
async fn a_query_has_five_seconds() {
    let holes = [black_hole(), black_hole(), black_hole()];
    let [one, two, three] = holes.each_ref().map(|(_, address)| *address);
    for query in [by_udp("a.example."), by_udp("b.example.")] {
        let text = format!("forward . {one} {two} {three} {{\npolicy sequential\nmax_fails 0\n}}");
        let since = Instant::now();
        let reply = Server::new(&text).ask(&query).await;
        assert_eq!(since.elapsed().as_secs(), 5);
        assert_eq!(reply.rcode, ResponseCode::ServFail);
        let expected = format!(
            "3 upstreams tried: {one}: timed out after 2s; {two}: timed out after 2s; \
             {three}: timed out after 1s"
        );
        assert_eq!(reply.error.unwrap(), expected);
        let code = reply.extended_error.unwrap().code;
        assert_eq!(code, ExtendedErrorCode::NoReachableAuthority);
    }
}

#[tokio::test(start_paused = true)]
async fn read_timeout_and_attempts_bound_a_query() {
    let (_socket, hole) = black_hole();
    for (options, milliseconds) in [
        ("read_timeout 100ms", 200),
        ("read_timeout 100ms\nmax_connect_attempts 5", 500),
        ("read_timeout 1m", 5000),
    ] {
        let server = Server::new(&format!("forward . {hole} {{\nmax_fails 0\n{options}\n}}"));
        let since = Instant::now();
        server.ask(&by_udp("a.example.")).await;
        let elapsed = since.elapsed().as_millis();
        assert!((milliseconds..milliseconds + 20).contains(&elapsed), "{options}: {elapsed}");
    }
}

#[tokio::test]
async fn a_closed_port_leads_to_the_next_upstream_at_once() {
    let upstream = FakeUpstream::good().await;
    let (closed, to) = (closed_port(1), upstream.address);
    for query in [by_udp("a.example."), by_tcp("a.example.")] {
        let text = format!("forward . {closed} {to} {{\npolicy sequential\nmax_fails 0\n}}");
        let (reply, notes) = Server::new(&text).explain(&query).await;
        assert_eq!(reply.rcode, ResponseCode::NoError);
        assert!(notes[0].contains("Connection refused"), "{notes:?}");
        assert!(notes[1].contains("NOERROR"), "{notes:?}");
    }
}

#[tokio::test]
async fn a_reply_with_an_impossible_address_is_no_reply() {
    let short = |seen: Seen| {
        let mut reply = reply_to(&seen.message).to_vec().unwrap();
        // RDLENGTH 3 instead of 4, and one octet less.
        reply.pop();
        let at = reply.len() - 4;
        reply[at] = 3;
        vec![reply]
    };
    let (bad, good) = (FakeUpstream::start(short).await, FakeUpstream::good().await);
    for query in [by_udp("a.example."), by_tcp("a.example.")] {
        let (to_bad, to_good) = (bad.address, good.address);
        let options = "policy sequential\nread_timeout 50ms";
        let alone = format!("forward . {to_bad} {{\nmax_fails 0\n{options}\n}}");
        let error = Server::new(&alone).ask(&query).await.error.unwrap();
        assert!(error.contains("malformed message"), "{error}");
        let both = format!("forward . {to_bad} {to_good} {{\n{options}\n}}");
        let reply = Server::new(&both).ask(&query).await;
        assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::NoError, 1));
    }
}

#[tokio::test]
async fn with_all_unhealthy_one_is_asked_nevertheless() {
    let (closed, other) = (closed_port(1), closed_port(2));
    let options = "max_fails 1\nhealth_check 1h";
    let server = Server::new(&format!("forward . {closed} {other} {{\n{options}\n}}"));
    server.ask(&by_udp("a.example.")).await;
    until_probes_failed(&server, 2.0).await;
    let before = server.metric("coredns_forward_healthcheck_broken_total", "");
    let (reply, notes) = server.explain(&by_udp("a.example.")).await;
    assert_eq!(reply.rcode, ResponseCode::ServFail);
    assert_eq!(notes.len(), 4, "twice the number of upstreams: {notes:?}");
    assert!(notes.iter().all(|note| note.contains("(unhealthy)")), "{notes:?}");
    assert_eq!(server.metric("coredns_forward_healthcheck_broken_total", "") - before, 1.0);
}

#[tokio::test]
async fn a_crowd_does_not_wait_for_dead_upstreams() {
    let (upstream, switch) = switchable().await;
    let options = "max_fails 1\nread_timeout 300ms\nmax_connect_attempts 1\nhealth_check 1h";
    let server = Server::new(&format!("forward . {} {{\n{options}\n}}", upstream.address));
    server.ask(&by_udp("first.example.")).await;
    until_probes_failed(&server, 1.0).await;
    assert_eq!(upstream.asked(), 1);

    let queries: Vec<_> = (0..100).map(|at| by_udp(&format!("{at}.example."))).collect();
    let replies = join_all(queries.iter().map(|query| server.ask(query))).await;
    assert_eq!(upstream.asked(), 1 + MAX_TRIALS, "the others were not sent");
    let fast = "every upstream is unhealthy, and other queries are trying them";
    let count = replies.iter().filter(|reply| reply.error.as_deref() == Some(fast)).count();
    assert_eq!(count, 100 - MAX_TRIALS);
    for reply in replies {
        assert_eq!(reply.rcode, ResponseCode::ServFail);
        assert_eq!(reply.is_momentary, reply.error.as_deref() == Some(fast), "{reply:?}");
        assert_eq!(reply.extended_error.unwrap().code, ExtendedErrorCode::NoReachableAuthority);
    }
    assert_eq!(server.metric("portolan_forward_refused_total", "trials"), count as f64);
    assert_eq!(server.metric("coredns_forward_healthcheck_broken_total", ""), MAX_TRIALS as f64);

    // The trials are over: one query is tried again, and brings the upstream back for all.
    switch.store(true, Ordering::Relaxed);
    assert_eq!(server.ask(&by_udp("last.example.")).await.rcode, ResponseCode::NoError);
    let replies = join_all(queries.iter().map(|query| server.ask(query))).await;
    assert!(replies.iter().all(|reply| reply.rcode == ResponseCode::NoError));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_was_long_away_is_known_within_two_seconds() {
    let (upstream, switch) = switchable().await;
    let options = "failfast_all_unhealthy_upstreams";
    let server = Server::new(&format!("forward . {} {{\n{options}\n}}", upstream.address));
    let query = by_udp("a.example.");
    assert_eq!(server.ask(&query).await.rcode, ResponseCode::ServFail);
    for away in [10_000, 30_000, 120_500] {
        tokio::time::sleep(Duration::from_millis(away)).await;
        assert_eq!(server.ask(&query).await.rcode, ResponseCode::ServFail);
        switch.store(true, Ordering::Relaxed);
        let since = Instant::now();
        while server.ask(&query).await.rcode != ResponseCode::NoError {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let elapsed = since.elapsed();
        assert!(elapsed <= Duration::from_millis(2010), "away {away} ms, back after {elapsed:?}");
        switch.store(false, Ordering::Relaxed);
        assert_eq!(server.ask(&query).await.rcode, ResponseCode::ServFail);
    }
}

#[tokio::test]
async fn failfast_fails_at_once() {
    let closed = closed_port(1);
    let options = "max_fails 1\nhealth_check 1h\nfailfast_all_unhealthy_upstreams";
    let server = Server::new(&format!("forward . {closed} {{\n{options}\n}}"));
    server.ask(&by_udp("a.example.")).await;
    until_probes_failed(&server, 1.0).await;
    let (reply, notes) = server.explain(&by_udp("a.example.")).await;
    assert_eq!((reply.rcode, notes.len()), (ResponseCode::ServFail, 0));
    assert_eq!(reply.error.unwrap(), "every upstream is unhealthy");
    assert_eq!(reply.extended_error.unwrap().code, ExtendedErrorCode::NoReachableAuthority);
    assert_eq!(server.metric("coredns_forward_healthcheck_broken_total", ""), 0.0);
}

#[tokio::test]
async fn names_that_an_upstream_is_slow_with_do_not_make_it_unhealthy() {
    let script = |seen: Seen| {
        let is_slow = seen.message.queries[0].name.to_ascii().starts_with("slow");
        if is_slow { Vec::new() } else { vec![reply_to(&seen.message).to_vec().unwrap()] }
    };
    let upstream = FakeUpstream::start(script).await;
    let options = "max_fails 1\nread_timeout 100ms\nfailfast_all_unhealthy_upstreams";
    let server = Server::new(&format!("forward . {} {{\n{options}\n}}", upstream.address));
    let slow: Vec<_> = (0..20).map(|at| by_udp(&format!("slow{at}.example."))).collect();
    let replies = join_all(slow.iter().map(|query| server.explain(query))).await;
    for (reply, notes) in replies {
        assert_eq!((reply.rcode, notes.len()), (ResponseCode::ServFail, 2), "{notes:?}");
        assert!(!reply.is_momentary, "it is of the name, and kept");
    }
    let reply = server.ask(&by_udp("quick.example.")).await;
    assert_eq!((reply.rcode, reply.error), (ResponseCode::NoError, None));
    until(|| !probes(&upstream).is_empty()).await;
    assert_eq!(server.metric("coredns_proxy_healthcheck_failures_total", ""), 0.0);
}

/// Starts an upstream that is silent while a switch is off.
async fn switchable() -> (FakeUpstream, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(false));
    let is_on = Arc::clone(&switch);
    let script = move |seen: Seen| match is_on.load(Ordering::Relaxed) {
        true => vec![reply_to(&seen.message).to_vec().unwrap()],
        false => Vec::new(),
    };
    (FakeUpstream::start(script).await, switch)
}

fn probes(upstream: &FakeUpstream) -> Vec<Seen> {
    let is_probe = |seen: &Seen| seen.message.queries[0].query_type == RecordType::NS;
    upstream.seen().into_iter().filter(is_probe).collect()
}

#[tokio::test]
async fn an_upstream_comes_back_when_it_answers_a_probe() {
    let (upstream, switch) = switchable().await;
    let options =
        "max_fails 1\nread_timeout 5ms\nhealth_check 5ms\nfailfast_all_unhealthy_upstreams";
    let server = Server::new(&format!("forward . {} {{\n{options}\n}}", upstream.address));
    let query = by_udp("a.example.");
    assert_eq!(server.ask(&query).await.rcode, ResponseCode::ServFail);
    until_probes_failed(&server, 1.0).await;
    let asked = upstream.asked();
    assert_eq!(server.ask(&query).await.rcode, ResponseCode::ServFail);
    assert_eq!(upstream.asked(), asked, "an unhealthy upstream is not asked");
    switch.store(true, Ordering::Relaxed);
    // An answer that fails fast never waits, so that the probe has to be given its turn.
    let back = async {
        while server.ask(&query).await.rcode != ResponseCode::NoError {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), back).await.expect("it did not come back");
    let failed = |name: &str| server.metric(name, "");
    assert_eq!(
        failed("coredns_proxy_healthcheck_failures_total"),
        failed("coredns_forward_healthcheck_failures_total")
    );
    let probe = &probes(&upstream)[0].message;
    assert!(probe.queries[0].name.is_root() && probe.recursion_desired && probe.edns.is_none());
}

#[tokio::test]
async fn probes_ask_as_configured() {
    for (options, name, is_recursive, by_tcp) in [
        ("health_check 1h no_rec", ".", false, false),
        ("health_check 1h domain probe.example", "probe.example.", true, false),
        ("health_check 1h\nforce_tcp", ".", true, true),
    ] {
        let (upstream, _switch) = switchable().await;
        let options = format!("read_timeout 5ms\nmax_connect_attempts 1\n{options}");
        let server = Server::new(&format!("forward . {} {{\n{options}\n}}", upstream.address));
        server.ask(&by_udp("a.example.")).await;
        until(|| !probes(&upstream).is_empty()).await;
        let probe = &probes(&upstream)[0];
        assert_eq!(probe.message.queries[0].name.to_ascii(), name);
        assert_eq!(probe.message.recursion_desired, is_recursive);
        assert_eq!(probe.protocol == crate::Protocol::Tcp, by_tcp);
    }
}

#[tokio::test]
async fn healthy_upstreams_and_those_without_max_fails_are_not_probed() {
    let (upstream, switch) = switchable().await;
    let options =
        "max_fails 0\nread_timeout 5ms\nhealth_check 1ms\nfailfast_all_unhealthy_upstreams";
    let server = Server::new(&format!("forward . {} {{\n{options}\n}}", upstream.address));
    for _ in 0..5 {
        assert_eq!(server.explain(&by_udp("a.example.")).await.1.len(), 2, "always asked");
    }
    switch.store(true, Ordering::Relaxed);
    let healthy = Server::new(&format!("forward . {} {{\nhealth_check 1ms\n}}", upstream.address));
    for _ in 0..5 {
        healthy.ask(&by_udp("a.example.")).await;
    }
    assert_eq!(probes(&upstream).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn probing_ends_with_the_configuration() {
    let (_socket, hole) = black_hole();
    let server = Server::new(&format!("forward . {hole} {{\nread_timeout 1ms\n}}"));
    server.ask(&by_udp("a.example.")).await;
    drop(server);
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(alive(), 1);
    let end = Instant::now() + Duration::from_secs(20);
    while alive() > 0 {
        assert!(Instant::now() < end, "it goes on");
        // The clock is paused: this waits for nothing but the other tasks' timers.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Thousands of these are there at once when an upstream dies: 4,096 have to be some MiB.
#[tokio::test]
async fn what_waits_for_an_upstream_is_small() {
    let metrics = ForwardMetrics::register(&prometheus::Registry::new()).unwrap();
    let forward = Forward::new(config("forward . 127.0.0.1:9").unwrap(), metrics);
    let query = by_udp("www.example.");
    let exchange = exchange::run(Arc::clone(&forward.core), Request::of(&query), query.protocol, 0);
    assert!(size_of_val(&exchange) <= 3072, "{} octets", size_of_val(&exchange));
}
