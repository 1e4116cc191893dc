//! Each option does what it says.

use std::pin::pin;
use std::task::{Context, Waker};

use futures_util::future::join;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};

use super::fake_upstream::{FakeUpstream, black_hole};
use super::testing::{Server, by_tcp, by_udp, query};
use crate::reply::ExchangedMessages;
use crate::{ExtendedErrorCode, Reply};

/// Polls a future once, so that what it waits for is under way.
fn begin<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) {
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.poll(&mut context).is_pending());
}

fn address(reply: &Reply) -> Option<String> {
    reply.answers.first().map(|record| record.data.to_string())
}

#[tokio::test]
async fn zones_decide_what_is_forwarded() {
    let upstream = FakeUpstream::good().await;
    let to = upstream.address;
    let server = Server::new(&format!("forward example.org {to} {{\nexcept a.example.org\n}}"));
    for (name, is_forwarded) in
        [("www.example.org.", true), ("www.example.net.", false), ("x.a.example.org.", false)]
    {
        let reply = server.ask(&by_udp(name)).await;
        assert_eq!(reply.plugin == "forward", is_forwarded, "{name}");
    }
    assert_eq!(upstream.asked(), 1);
}

#[tokio::test]
async fn other_classes_are_forwarded_and_transfers_refused() {
    let upstream = FakeUpstream::good().await;
    let server = Server::new(&format!("forward . {}", upstream.address));
    let mut chaos = query("version.bind.", RecordType::TXT);
    chaos.qclass = DNSClass::CH;
    assert_eq!(server.ask(&chaos).await.rcode, ResponseCode::NoError);
    let mut transfer = by_tcp("example.org.");
    transfer.qtype = RecordType::AXFR;
    let reply = server.ask(&transfer).await;
    assert_eq!(reply.rcode, ResponseCode::Refused);
    assert_eq!(reply.extended_error.unwrap().code, ExtendedErrorCode::Prohibited);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn policies_choose_the_upstream() {
    let (one, two) = (FakeUpstream::good().await, FakeUpstream::good().await);
    let ask = async |policy: &str| {
        let (was_one, was_two) = (one.asked(), two.asked());
        let (to_one, to_two) = (one.address, two.address);
        let server = Server::new(&format!("forward . {to_one} {to_two} {{\npolicy {policy}\n}}"));
        for _ in 0..40 {
            server.ask(&by_udp("a.example.")).await;
        }
        (one.asked() - was_one, two.asked() - was_two)
    };
    assert_eq!(ask("sequential").await, (40, 0));
    assert_eq!(ask("round_robin").await, (20, 20));
    let (first, second) = ask("random").await;
    // All on one side has the chance of 2⁻³⁹.
    assert!(first > 0 && second > 0, "{first} {second}");
}

#[tokio::test]
async fn failover_asks_the_next_upstream() {
    let bad = FakeUpstream::with_rcode(ResponseCode::ServFail).await;
    let good = FakeUpstream::good().await;
    let (to_bad, to_good) = (bad.address, good.address);
    let ask = async |upstreams: String, options: &str| {
        let text = format!("forward . {upstreams} {{\npolicy sequential\n{options}\n}}");
        Server::new(&text).explain(&by_udp("a.example.")).await
    };
    let (reply, _) = ask(format!("{to_bad} {to_good}"), "").await;
    assert_eq!(reply.rcode, ResponseCode::ServFail, "by default a reply is the answer");
    let (reply, _) = ask(format!("{to_bad} {to_good}"), "failover REFUSED").await;
    assert_eq!(reply.rcode, ResponseCode::ServFail);
    let (reply, notes) = ask(format!("{to_bad} {to_good}"), "failover REFUSED SERVFAIL").await;
    assert_eq!(reply.rcode, ResponseCode::NoError);
    assert!(notes[0].contains("SERVFAIL") && notes[1].contains("NOERROR"), "{notes:?}");
    let before = bad.asked();
    let (reply, _) = ask(format!("{to_bad} {to_bad}"), "failover SERVFAIL").await;
    assert_eq!((reply.rcode, reply.error), (ResponseCode::ServFail, None), "their own SERVFAIL");
    assert_eq!(bad.asked() - before, 2, "each once");
    let options = "failover SERVFAIL\nmax_connect_attempts 1";
    let (reply, _) = ask(format!("{to_bad} {to_good}"), options).await;
    assert_eq!(reply.rcode, ResponseCode::ServFail, "no attempt is left");
}

#[tokio::test]
async fn next_leads_to_the_next_forward() {
    let negative = FakeUpstream::with_rcode(ResponseCode::NXDomain).await;
    let nodata = FakeUpstream::with_rcode(ResponseCode::NoError).await;
    let good = FakeUpstream::good().await;
    let two = |first: &FakeUpstream, options: &str| {
        let (first, second) = (first.address, good.address);
        Server::new(&format!("forward . {first} {{\n{options}\n}}\nforward . {second}"))
    };
    let query = by_udp("a.example.");
    let ask = async |server: Server| address(&server.ask(&query).await);
    let answer = Some("192.0.2.1".to_owned());
    assert_eq!(ask(two(&negative, "")).await, None);
    assert_eq!(ask(two(&negative, "next SERVFAIL NXDOMAIN")).await, answer);
    assert_eq!(ask(two(&negative, "next_on_nodata")).await, None);
    assert_eq!(ask(two(&nodata, "next NXDOMAIN")).await, None);
    assert_eq!(ask(two(&nodata, "next_on_nodata")).await, answer);
    let alone = format!("forward . {} {{\nnext NXDOMAIN\n}}", negative.address);
    let reply = Server::new(&alone).ask(&query).await;
    assert_eq!(reply.rcode, ResponseCode::NXDomain, "there is no next one");
}

#[tokio::test]
async fn forwards_are_tried_in_textual_order() {
    let (first, second) = (FakeUpstream::good().await, FakeUpstream::good().await);
    let (to_first, to_second) = (first.address, second.address);
    let server = Server::new(&format!("forward example.org {to_first}\nforward . {to_second}"));
    server.ask(&by_udp("a.example.org.")).await;
    server.ask(&by_udp("a.example.net.")).await;
    server.ask(&by_udp("b.example.org.")).await;
    assert_eq!((first.asked(), second.asked()), (2, 1));
}

#[tokio::test]
async fn max_concurrent_refuses_what_is_too_much() {
    let (_socket, silent) = black_hole();
    let server = Server::new(&format!("forward . {silent} {{\nmax_concurrent 1\n}}"));
    let query = by_udp("a.example.");
    {
        let mut first = pin!(server.ask(&query));
        begin(first.as_mut());
        assert_eq!(server.metric("portolan_forward_in_flight", ""), 1.0);
        let reply = server.ask(&by_udp("b.example.")).await;
        assert_eq!(reply.rcode, ResponseCode::Refused);
        assert!(reply.extended_error.is_some());
    }
    assert_eq!(server.metric("portolan_forward_in_flight", ""), 0.0);
    assert_eq!(server.metric("coredns_forward_max_concurrent_rejects_total", ""), 1.0);
    assert_eq!(server.metric("portolan_forward_refused_total", "max_concurrent"), 1.0);
    begin(pin!(server.ask(&query)));
}

#[tokio::test]
async fn equal_queries_share_one_exchange() {
    let upstream = FakeUpstream::good().await;
    let server = Server::new(&format!("forward . {}", upstream.address));
    let (one, other) = (by_udp("a.example."), by_udp("A.Example."));
    let (mut first, mut second) = (pin!(server.explain(&one)), pin!(server.explain(&other)));
    begin(first.as_mut());
    begin(second.as_mut());
    let ((mut first, _), (second, notes)) = join(first, second).await;
    let exchange = first.exchange.take().unwrap();
    assert_eq!(exchange.upstream, upstream.address);
    assert_eq!(exchange.messages, ExchangedMessages::default(), "nobody reads messages");
    assert_eq!(first, second, "of which only the first tells of the exchange");
    assert_eq!(upstream.asked(), 1);
    assert!(notes[0].contains("is shared") && notes[1].contains("NOERROR"), "{notes:?}");
    server.ask(&one).await;
    assert_eq!(upstream.asked(), 2, "an answer is not a cache");
}

#[tokio::test]
async fn sockets_are_bounded() {
    let upstream = FakeUpstream::good().await;
    let text = format!("forward . {}", upstream.address);
    let server = Server::adjusted(&text, |forward| {
        forward.core.sockets.forget_permits(super::MAX_SOCKETS);
    });
    let reply = server.ask(&by_udp("a.example.")).await;
    assert_eq!(reply.rcode, ResponseCode::ServFail);
    assert_eq!(reply.extended_error.unwrap().text, "too many queries are being forwarded");
    assert_eq!(server.metric("portolan_forward_refused_total", "sockets"), 1.0);
    assert!(upstream.seen().is_empty());
}
