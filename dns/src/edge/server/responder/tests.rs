//! Replies that no server block gives.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as Question};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RecordType};
use prometheus::{IntCounter, Registry};

use super::*;
use crate::engine::{Block, Context, Router};
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
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    let engine = Engine::new(vec![Block::new("Corefile:1", vec![Box::new(Panics)])], vec![router]);
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
        let Received::Question(question) = responder.receive(&message, arrival()) else {
            panic!("a question was not taken for one");
        };
        replies.push(Arc::clone(&responder).answer(ListenerId(0), question).await.unwrap());
    }
    assert_told(&replies[0], "a defect of the server; please report it");
    assert_eq!(read(&replies[1]), (ResponseCode::ServFail, Vec::new()));
    assert_eq!(responder.metrics().panics.get(), 2);
}

#[test]
fn too_many_questions_say_so() {
    let [with_edns, plain] = questions();
    let responder = responder();
    let reply = responder.overloaded(&with_edns, arrival()).unwrap();
    assert_told(&reply, "too many questions wait for an upstream");
    let reply = responder.overloaded(&plain, arrival()).unwrap();
    assert_eq!(read(&reply), (ResponseCode::ServFail, Vec::new()));
}
