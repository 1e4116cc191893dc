//! Replies that no server block gives.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as Question};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RecordType};
use prometheus::{IntCounter, Registry, TextEncoder};

use super::*;
use crate::engine::{Block, Context, Router};
use crate::plugin::cookie::CookieConfig;
use crate::plugin::prometheus::{DnsMetrics, Prometheus};
use crate::plugin::{Handling, Plugin};

/// Has a defect.
#[derive(Debug)]
struct Panics;

impl Plugin for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }

    fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        panic!("on purpose")
    }
}

fn responder() -> Arc<Responder> {
    with_plugins(vec![Box::new(Panics)])
}

fn with_plugins(plugins: Vec<Box<dyn Plugin>>) -> Arc<Responder> {
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    let engine = Engine::new(vec![Block::new("Corefile:1", plugins)], vec![router]);
    with_engine(engine)
}

fn with_engine(engine: Engine) -> Arc<Responder> {
    let panics = IntCounter::new("panics", "Panics.").unwrap();
    let metrics = ServerMetrics::register(&Registry::new(), panics).unwrap();
    Arc::new(Responder::new(engine, metrics, Box::new(|_, _, _| ())))
}

fn arrival() -> Arrival {
    let address = SocketAddr::from(([127, 0, 0, 1], 53));
    Arrival { client: address, local: address, protocol: Protocol::Udp }
}

/// Returns a question with a client cookie, and without EDNS.
fn questions() -> [Vec<u8>; 2] {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Question::query("a.example.".parse().unwrap(), RecordType::A));
    let plain = message.to_vec().unwrap();
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(10, vec![9; 8]));
    message.set_edns(edns);
    [message.to_vec().unwrap(), plain]
}

/// Returns the rcode and the options of a reply.
fn read(reply: &[u8]) -> (ResponseCode, Vec<(u16, Vec<u8>)>) {
    let message = Message::from_vec(reply).unwrap();
    assert_eq!(message.metadata.id, 7);
    let options = message.edns.map(|edns| edns.options().options.clone()).unwrap_or_default();
    let octets = |option: &EdnsOption| option.try_into().unwrap();
    let options = options.iter().map(|(code, data)| ((*code).into(), octets(data))).collect();
    (message.metadata.response_code, options)
}

fn assert_told(reply: &[u8], text: &str) {
    let (rcode, options) = read(reply);
    assert_eq!(rcode, ResponseCode::ServFail);
    let [(10, cookie), (15, error)] = options.as_slice() else { panic!("{options:?}") };
    assert_eq!((cookie.len(), &cookie[..8]), (24, &[9; 8][..]));
    assert_eq!((&error[..2], &error[2..]), (&[0, 0][..], text.as_bytes()));
}

#[tokio::test]
async fn a_defect_says_so() {
    let responder = responder();
    let mut replies = Vec::new();
    for message in questions() {
        let received =
            responder.receive(ListenerId(0), &message, arrival(), Instant::now(), &mut Vec::new());
        let Received::Question(question) = received else {
            panic!("a question was not taken for one");
        };
        replies.push(Arc::clone(&responder).answer(ListenerId(0), question).await.unwrap());
    }
    assert_told(&replies[0], "a defect of the server; please report it");
    assert_eq!(read(&replies[1]), (ResponseCode::ServFail, Vec::new()));
    assert_eq!(responder.metrics().panics.get(), 2);
}

fn overloaded(responder: &Responder, message: &[u8]) -> Option<Vec<u8>> {
    responder.overloaded(ListenerId(0), message, arrival(), Instant::now())
}

#[test]
fn too_many_questions_say_so() {
    let [with_edns, plain] = questions();
    let responder = responder();
    let reply = overloaded(&responder, &with_edns).unwrap();
    assert_told(&reply, "too many questions wait for an upstream");
    let reply = overloaded(&responder, &plain).unwrap();
    assert_eq!(read(&reply), (ResponseCode::ServFail, Vec::new()));
}

#[test]
fn too_many_questions_are_counted_as_those_of_their_zone() {
    let registry = Registry::new();
    let metrics = DnsMetrics::register(&registry).unwrap();
    let servers = [(ListenerId(0), "dns://:53".to_owned())];
    let counts = Prometheus::new(&metrics, &servers, "", &[Name::root().into()]);
    let responder = with_plugins(vec![Box::new(counts), Box::new(Panics)]);
    overloaded(&responder, &questions()[0]).unwrap();
    let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in [
        "coredns_dns_responses_total{plugin=\"\",rcode=\"SERVFAIL\",server=\"dns://:53\",view=\"\",\
         zone=\".\"} 1",
        "coredns_dns_requests_total{family=\"1\",proto=\"udp\",server=\"dns://:53\",type=\"A\",view=\"\",\
         zone=\".\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
}

/// Returns the reply to a message that no server block gets to see.
fn early(responder: &Responder, message: &[u8], protocol: Protocol) -> Vec<u8> {
    let arrival = Arrival { protocol, ..arrival() };
    let Received::Reply(Some(reply)) =
        responder.receive(ListenerId(0), message, arrival, Instant::now(), &mut Vec::new())
    else {
        panic!("a message reached a server block, or had no reply");
    };
    reply
}

/// A server that requires its cookies.
fn requiring_cookies() -> Arc<Responder> {
    let cookie = CookieConfig { is_required: true, ..CookieConfig::default() };
    let mut block = Block::new("Corefile:1", Vec::new());
    block.cookie = Some(Arc::new(cookie));
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    with_engine(Engine::new(vec![block], vec![router]))
}

/// The octets by which a server cookie (RFC 9018 §4) and the code of an Extended DNS Error (RFC 8914 §2) make a reply
/// longer.
const MOST_MORE: usize = 16 + 6;

#[test]
fn what_no_ratelimit_counts_is_hardly_longer_than_what_came() {
    let [asked, plain] = questions();
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut message = asked.clone();
        change(&mut message);
        message
    };
    let bad_version = changed(&|message| {
        let mut read = Message::from_vec(message).unwrap();
        read.edns.as_mut().unwrap().set_version(1);
        *message = read.to_vec().unwrap();
    });
    let notify = changed(&|message| message[2] |= 4 << 3);
    let responder = requiring_cookies();
    for (message, rcode, code, text) in [
        (&asked, 23, 0, COOKIE_REQUIRED),
        (&bad_version, 16, 21, "EDNS version 0 is served"),
        (&notify, 4, 21, "only the opcode QUERY is served"),
    ] {
        let reply = early(&responder, message, Protocol::Udp);
        let (found, options) = read(&reply);
        assert_eq!(u16::from(found), rcode);
        let [(10, _), (15, error)] = options.as_slice() else { panic!("{rcode}: {options:?}") };
        assert_eq!(error, &[0, code], "{rcode}: the code alone");
        let most = message.len() + MOST_MORE;
        assert!(reply.len() <= most, "{rcode}: {} for {}", reply.len(), message.len());
        if rcode == 23 {
            // A cookie is required over UDP alone.
            continue;
        }
        // Who has shown that the address is its own gets the text.
        let (_, options) = read(&early(&responder, message, Protocol::Tcp));
        let [(10, _), (15, error)] = options.as_slice() else { panic!("{rcode}: {options:?}") };
        assert_eq!(&error[2..], text.as_bytes(), "{rcode}");
    }
    let mut notify = plain;
    notify[2] |= 4 << 3;
    assert_eq!(early(&responder, &notify, Protocol::Udp).len(), 12, "a header, without EDNS");
}
