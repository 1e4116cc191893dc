//! Cached answers that are sent again are those that the cache would give, down to the TTLs, until they expire.

use std::time::Duration;

use hickory_proto::op::Edns;
use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::SRV;
use tokio::time::{Instant, advance};

use super::*;
use crate::plugin::Setup;
use crate::plugin::cache::CacheConfig;
use crate::plugin::testing::{configure, record, with_site};

/// What the cache has the answers from.
#[derive(Debug)]
struct Source(Reply);

impl Plugin for Source {
    fn name(&self) -> &'static str {
        "source"
    }

    fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        Handling::reply(self.0.clone())
    }
}

fn engine_of(config: &str, reply: &Reply) -> Engine {
    let zones = [Name::root().into()];
    let config = configure(config, |found| CacheConfig::parse(found, &zones)).unwrap();
    let cache = with_site(|site| config.set_up(site)).unwrap();
    let plugins: Vec<Box<dyn Plugin>> = vec![cache, Box::new(Source(reply.clone()))];
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    Engine::new(vec![Block::new("Corefile:1", plugins)], vec![router])
}

fn arrival() -> Arrival {
    let client = "10.244.0.9:40000".parse().unwrap();
    Arrival { client, local: "10.96.0.10:53".parse().unwrap(), protocol: Protocol::Udp }
}

/// Asks as a listener does, at tokio's time.
fn ask(responder: &Arc<Responder>, message: &[u8]) -> (Vec<u8>, bool) {
    super::ask(responder, arrival(), message, Instant::now().into_std())
}

/// Asks the plugins.
fn ask_plugins(engine: &Engine, message: &[u8]) -> Vec<u8> {
    let mut query = wire::parse(message, arrival()).unwrap();
    let answered = engine.answer(ListenerId(0), &mut query, None).now_or_never().unwrap();
    wire::encode(&query, answered.reply.as_ref().unwrap()).message
}

/// A reply with records in two sections, of several lengths.
fn reply() -> Reply {
    let name: Name = "www.example.com.".parse().unwrap();
    let target: Name = "a.example.com.".parse().unwrap();
    let service = RData::SRV(SRV::new(0, 100, 80, target));
    let mut reply = Reply {
        answers: vec![hickory_proto::rr::Record::from_rdata(name, 60, service)],
        additionals: vec![
            record("a.example.com.", "192.0.2.1"),
            record("a.example.com.", "2001:db8::1"),
        ],
        ..Reply::default()
    };
    for record in reply.answers.iter_mut().chain(&mut reply.additionals) {
        record.ttl = 60;
    }
    reply
}

#[tokio::test(start_paused = true)]
async fn a_cached_answer_counts_down_as_the_cache_does() {
    for config in ["cache", "cache 20", "cache {\nkeepttl\n}"] {
        let (short, long) = (engine_of(config, &reply()), engine_of(config, &reply()));
        let short = responder(short);
        for edns in [None, Some(Edns::new())] {
            let mut message = Message::new(7, MessageType::Query, OpCode::Query);
            message
                .add_query(Question::query("www.example.com.".parse().unwrap(), RecordType::SRV));
            message.edns = edns;
            let message = message.to_vec().unwrap();
            let mut again = 0;
            // Three lives of the answer: 20 or 60 s.
            for step in 0..260 {
                let (reply, was_short) = ask(&short, &message);
                assert_eq!(reply, ask_plugins(&long, &message), "{config}, step {step}");
                again += usize::from(was_short);
                advance(Duration::from_millis(710)).await;
            }
            assert!(again > 200, "{config}: {again} of 260 were repeated");
        }
    }
}
