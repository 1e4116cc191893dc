//! What a receiver is told, read with a second decoder of protobuf.

use std::collections::BTreeMap;
use std::time::Duration;

use hickory_proto::rr::RecordType;
use prometheus::Registry;
use tokio::net::UnixListener;

use super::*;
use crate::corefile::{Directive, DiskFiles};
use crate::edge::dnstap::fake_receiver::Receiver;
use crate::plugin::PluginMetrics;
use crate::plugin::testing::{configure, query};
use crate::reply::{Exchange, ExchangedMessages, Transport};
use crate::{Protocol, Reply};

/// The fields of a protobuf message: a number or octets by field number.
type Fields = BTreeMap<u64, Field>;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Field {
    Number(u64),
    Octets(Vec<u8>),
}

fn varint(octets: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (first, rest) = octets.split_first().unwrap();
        *octets = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}

fn decode(mut octets: &[u8]) -> Fields {
    let mut fields = Fields::new();
    while !octets.is_empty() {
        let key = varint(&mut octets);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut octets)),
            2 => {
                let length = usize::try_from(varint(&mut octets)).unwrap();
                let (value, rest) = octets.split_at(length);
                octets = rest;
                Field::Octets(value.to_vec())
            }
            5 => {
                let (value, rest) = octets.split_first_chunk().unwrap();
                octets = rest;
                Field::Number(u32::from_le_bytes(*value).into())
            }
            other => panic!("wire type {other}"),
        };
        assert_eq!(fields.insert(key >> 3, field), None, "a field twice");
    }
    fields
}

fn text(text: &str) -> Field {
    Field::Octets(text.as_bytes().to_vec())
}

/// 1 s and 500 ns after 1970 began.
fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1, 500)
}

/// Returns what a receiver gets of a query: the outer and the inner message, for each frame.
async fn told(options: &str, query: &Query, sent: &Sent<'_>) -> Vec<(Fields, Fields)> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tap");
    let listener = UnixListener::bind(&path).unwrap();
    let text = format!("dnstap {} {options}", path.display());
    let parse = |all: &[&Directive]| DnstapConfig::parse(all[0], &DiskFiles);
    let config = configure(&text, parse).unwrap();
    let metrics = PluginMetrics::register(&Registry::new()).unwrap();
    let dropped = metrics.dnstap_dropped.with_label_values(&["s", "e"]);
    let tap = Tap::start(&config.endpoint, &config.role, dropped).unwrap();
    let plugin = Dnstap::new(&config, tap, clock).unwrap();
    plugin.sent(query, sent);
    drop(plugin);
    let mut receiver = Receiver::greet(listener.accept().await.unwrap().0).await;
    let mut frames = Vec::new();
    while let Some(payload) = receiver.payload().await {
        let outer = decode(&payload);
        let Some(Field::Octets(inner)) = outer.get(&14) else { panic!("no message: {outer:?}") };
        let inner = decode(inner);
        frames.push((outer, inner));
    }
    frames
}

const ELAPSED: Duration = Duration::from_nanos(400);

fn sent(reply: &Reply) -> Sent<'_> {
    Sent {
        reply: Some(reply),
        question: b"question",
        message: b"answer",
        elapsed: ELAPSED,
        ..Sent::default()
    }
}

fn numbers(fields: &Fields, tags: &[u64]) -> Vec<Option<u64>> {
    let number = |tag| match fields.get(tag) {
        Some(Field::Number(number)) => Some(*number),
        Some(Field::Octets(octets)) => panic!("field {tag} is {octets:?}"),
        None => None,
    };
    tags.iter().map(number).collect()
}

#[tokio::test]
async fn a_query_over_udp_and_its_reply() {
    let reply = Reply::default();
    let told = told("", &query("a.example.", RecordType::A), &sent(&reply)).await;
    let [(outer, asked), (_, answered)] = told.as_slice() else { panic!("{told:#?}") };
    assert_eq!(numbers(outer, &[15]), [Some(1)], "MESSAGE");
    assert_eq!(outer[&2], text(&format!("Portolan-{}", env!("CARGO_PKG_VERSION"))));
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    assert_eq!((&outer[&1], outer.get(&3)), (&text(&host), None));
    for (fields, kind) in [(asked, 5), (answered, 6)] {
        // Type, INET, UDP, ports.
        let expected = [Some(kind), Some(1), Some(1), Some(40_212), Some(53)];
        assert_eq!(numbers(fields, &[1, 2, 3, 6, 7]), expected);
        assert_eq!(fields[&4], Field::Octets(vec![10, 240, 0, 1]));
        assert_eq!(fields[&5], Field::Octets(vec![10, 96, 0, 10]));
        assert_eq!(numbers(fields, &[8, 9]), [Some(1), Some(100)], "the time of the query");
        assert_eq!((fields.get(&10), fields.get(&14)), (None, None), "not full");
    }
    assert_eq!(numbers(asked, &[12, 13]), [None, None]);
    assert_eq!(numbers(answered, &[12, 13]), [Some(1), Some(500)], "the time of the reply");
}

#[tokio::test]
async fn full_messages_over_tcp_and_ipv6() {
    let mut question = query("a.example.", RecordType::A);
    question.client = "[2001:db8::7]:1".parse().unwrap();
    question.protocol = Protocol::Tcp;
    let reply = Reply::default();
    let told = told("full", &question, &sent(&reply)).await;
    let [(_, asked), (_, answered)] = told.as_slice() else { panic!("{told:#?}") };
    assert_eq!(numbers(asked, &[2, 3]), [Some(2), Some(2)], "INET6, TCP");
    assert!(matches!(&asked[&4], Field::Octets(address) if address.len() == 16));
    assert_eq!((&asked[&10], asked.get(&14)), (&text("question"), None));
    assert_eq!((&answered[&14], answered.get(&10)), (&text("answer"), None));
}

#[tokio::test]
async fn texts_of_the_corefile() {
    let options = "{\nidentity ns1\nversion V2\nextra \"{name} {rcode} {/forward/upstream}\"\n}";
    let reply = Reply { upstream: Some("10.0.0.1:53".into()), ..Reply::default() };
    let told = told(options, &query("a.example.", RecordType::A), &sent(&reply)).await;
    let [(asked, _), (answered, _)] = told.as_slice() else { panic!("{told:#?}") };
    for outer in [asked, answered] {
        assert_eq!((&outer[&1], &outer[&2]), (&text("ns1"), &text("V2")));
    }
    assert_eq!(asked[&3], text("a.example. - -"), "the reply is not known when a query comes in");
    assert_eq!(answered[&3], text("a.example. NOERROR 10.0.0.1:53"));
}

#[tokio::test]
async fn a_dropped_query_has_no_reply() {
    let dropped = Sent { question: b"question", ..Sent::default() };
    let told = told("full", &query("a.example.", RecordType::A), &dropped).await;
    assert_eq!(told.len(), 1);
    assert_eq!(numbers(&told[0].1, &[1]), [Some(5)]);
}

fn forwarded(upstream: &str, transport: Transport) -> Reply {
    let exchange = Exchange {
        upstream: upstream.parse().unwrap(),
        transport,
        asked: SystemTime::UNIX_EPOCH + Duration::new(7, 8),
        answered: SystemTime::UNIX_EPOCH + Duration::new(9, 10),
        messages: ExchangedMessages { question: b"up".to_vec(), reply: b"down".to_vec() },
    };
    Reply { exchange: Some(exchange.into()), upstream: Some(upstream.into()), ..Reply::default() }
}

#[tokio::test]
async fn what_went_upstream_is_told_between() {
    let reply = forwarded("10.9.9.9:5353", Transport::Udp);
    let options = "full {\nextra \"{rcode} {/forward/upstream}\"\n}";
    let told = told(options, &query("a.example.", RecordType::A), &sent(&reply)).await;
    let kinds: Vec<_> = told.iter().flat_map(|(_, inner)| numbers(inner, &[1])).collect();
    assert_eq!(kinds, [Some(5), Some(7), Some(8), Some(6)]);
    for (_, fields) in &told[1..3] {
        // INET, UDP, ports, the time of the query.
        let expected = [1, 1, 40_212, 5353, 7, 8].map(Some);
        assert_eq!(numbers(fields, &[2, 3, 6, 7, 8, 9]), expected);
        assert_eq!(fields[&4], Field::Octets(vec![10, 240, 0, 1]));
        assert_eq!(fields[&5], Field::Octets(vec![10, 9, 9, 9]));
    }
    let ((outer_asked, asked), (outer_answered, answered)) = (&told[1], &told[2]);
    assert_eq!((&asked[&10], asked.get(&14), asked.get(&12)), (&text("up"), None, None));
    assert_eq!((&answered[&14], answered.get(&10)), (&text("down"), None));
    assert_eq!(numbers(answered, &[12, 13]), [Some(9), Some(10)], "the time of the reply");
    assert_eq!(outer_asked[&3], text("- -"), "the reply is not known when a query goes out");
    assert_eq!(outer_answered[&3], text("NOERROR 10.9.9.9:5353"));
}

#[tokio::test]
async fn transports_of_upstreams() {
    for (transport, number) in [(Transport::Tcp, 2), (Transport::Tls, 3), (Transport::Https, 4)] {
        let reply = forwarded("[2001:db8::1]:853", transport);
        let told = told("", &query("a.example.", RecordType::A), &sent(&reply)).await;
        for (_, fields) in &told[1..3] {
            assert_eq!(numbers(fields, &[2, 3]), [Some(2), Some(number)], "INET6, {transport:?}");
            assert_eq!((fields.get(&10), fields.get(&14)), (None, None), "not full");
        }
    }
}
