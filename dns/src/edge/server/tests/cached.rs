//! Cached answers that are sent again are those that the cache would give, down to the TTLs, until they expire.

use std::time::Duration;

use arc_swap::ArcSwap;
use cluster::{Event, Kind, ObjectKey, ServiceAddress, Stamps, Store};
use hickory_proto::op::Edns;
use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::{SOA, SRV};
use tokio::time::{Instant, advance};

use super::repeated::{Live, ip, namespace_of, service_of};
use super::*;
use crate::kubernetes::{Zone, ZoneOptions};
use crate::plugin::cache::CacheConfig;
use crate::plugin::kubernetes::Kubernetes;
use crate::plugin::testing::{configure, record, with_site};
use crate::plugin::{Fallthrough, Setup};

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
    engine_with(config, vec![Box::new(Source(reply.clone()))])
}

/// An engine with these plugins behind `cache`.
fn engine_with(config: &str, behind: Vec<Box<dyn Plugin>>) -> Engine {
    let zones = [Name::root().into()];
    let config = configure(config, |found| CacheConfig::parse(found, &zones)).unwrap();
    let cache = with_site(|site| config.set_up(site)).unwrap();
    let plugins = [cache].into_iter().chain(behind).collect();
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    Engine::new(vec![Block::new("Corefile:1", plugins)], vec![router])
}

fn message(name: &str, qtype: RecordType, edns: Option<Edns>) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Question::query(name.parse().unwrap(), qtype));
    message.edns = edns;
    message.to_vec().unwrap()
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
            let message = message("www.example.com.", RecordType::SRV, edns);
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

/// A denial of everything below the root.
fn denial() -> Reply {
    let soa = RData::SOA(SOA::new(Name::root(), Name::root(), 1, 1, 1, 1, 60));
    let authorities = vec![hickory_proto::rr::Record::from_rdata(Name::root(), 60, soa)];
    Reply { authorities, ..Reply::new(ResponseCode::NXDomain) }
}

#[tokio::test(start_paused = true)]
async fn a_cached_denial_does_not_hide_a_name_that_the_cluster_gets() {
    let stamps = Arc::new(Stamps::default());
    let mut store = Store::with_stamps(Arc::clone(&stamps));
    for kind in Kind::ALL {
        store.apply(Event::ListStart(kind), 1);
        store.apply(Event::ListEnd(kind), 1);
    }
    store.apply(Event::Upsert(namespace_of("shop")), 2);
    let live = Arc::new(Live { stamps, snapshot: ArcSwap::from(store.snapshot()) });
    let zones = ["cluster.local.", "in-addr.arpa."].map(|zone| zone.parse().unwrap()).to_vec();
    let zone = Zone { zones, options: ZoneOptions::default(), own_addresses: Vec::new() };
    let kubernetes = Kubernetes::new(
        zone,
        Fallthrough::Zones(vec![Name::root().into()]),
        Arc::clone(&live) as _,
    );
    let engine = engine_with("cache", vec![Box::new(kubernetes), Box::new(Source(denial()))]);
    let responder = responder(engine);

    let reverse = message("1.0.0.10.in-addr.arpa.", RecordType::PTR, None);
    let outside = message("nowhere.example.", RecordType::A, None);
    let mut denials = Vec::new();
    for _ in 0..4 {
        denials.push(ask(&responder, &reverse));
        denials.push(ask(&responder, &outside));
    }
    let rcode = |reply: &[u8]| Message::from_vec(reply).unwrap().response_code;
    assert!(denials.iter().all(|(reply, _)| rcode(reply) == ResponseCode::NXDomain));
    let was_short = |at: usize| denials[at].1;
    assert!(was_short(7) && !was_short(6), "only what cannot come to be in the cluster");

    let address = ServiceAddress::ClusterIps([ip(1)].into());
    let service = service_of(ObjectKey::new("shop", "web"), address);
    store.apply(Event::Upsert(cluster::Object::Service(Arc::new(service))), 3);
    live.snapshot.store(store.snapshot());
    store.count_stamps();
    let (reply, _) = ask(&responder, &reverse);
    assert_eq!(Message::from_vec(&reply).unwrap().answers.len(), 1, "the PTR of the Service");
}
