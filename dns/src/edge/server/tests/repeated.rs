//! Replies that are sent again are those that the plugins would give: random changes of a cluster, and every question
//! again and again.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use arc_swap::ArcSwap;
use cluster::{
    Cluster, Endpoint, EndpointPort, EndpointSlice, Event, Kind, KindSet, Labels, Namespace,
    Object, ObjectKey, Protocol as PortProtocol, Service, ServiceAddress, ServicePort, ServiceType,
    Stamps, Store, TargetPort,
};
use hickory_proto::op::Edns;
use hickory_proto::rr::Record;
use prometheus::TextEncoder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::direct::ReadAhead;
use crate::kubernetes::{PodMode, Zone, ZoneOptions};
use crate::plugin::Fallthrough;
use crate::plugin::kubernetes::{ClusterView, Kubernetes};
use crate::plugin::loadbalance::Loadbalance;
use crate::plugin::prometheus::{DnsMetrics, Prometheus};

const NAMES: [&str; 3] = ["web", "db", "api"];
const NAMESPACES: [&str; 2] = ["shop", "data"];
const QUESTIONS: [&str; 14] = [
    "web.shop.svc.cluster.local.",
    "WEB.shop.svc.Cluster.local.",
    "db.shop.svc.cluster.local.",
    "api.data.svc.cluster.local.",
    "a.web.shop.svc.cluster.local.",
    "_http._tcp.web.shop.svc.cluster.local.",
    "_http._tcp.db.data.svc.cluster.local.",
    "shop.svc.cluster.local.",
    "nobody.data.svc.cluster.local.",
    "www.example.com.shop.svc.cluster.local.",
    "10-0-0-1.shop.pod.cluster.local.",
    "ns.dns.cluster.local.",
    "1.0.0.10.in-addr.arpa.",
    "2.0.0.10.in-addr.arpa.",
];
const TYPES: [RecordType; 5] =
    [RecordType::A, RecordType::AAAA, RecordType::SRV, RecordType::PTR, RecordType::SOA];

#[derive(Debug)]
pub(super) struct Live {
    pub(super) stamps: Arc<Stamps>,
    pub(super) snapshot: ArcSwap<Cluster>,
}

impl ClusterView for Live {
    fn snapshot(&self) -> Arc<Cluster> {
        self.snapshot.load_full()
    }

    fn stamps(&self) -> Option<&Arc<Stamps>> {
        Some(&self.stamps)
    }
}

/// A cluster that changes under a responder.
struct World {
    live: Arc<Live>,
    store: Store,
    now: AtomicU64,
    responder: Arc<Responder>,
    /// What the responder counts.
    registry: Registry,
    /// Those of another server.
    plugins: Engine,
}

impl World {
    fn new() -> Self {
        let stamps = Arc::new(Stamps::default());
        let mut store = Store::with_stamps(Arc::clone(&stamps));
        for kind in Kind::ALL {
            store.apply(Event::ListStart(kind), 1);
            store.apply(Event::ListEnd(kind), 1);
        }
        let live = Arc::new(Live { stamps, snapshot: ArcSwap::default() });
        let registry = Registry::new();
        let responder = responder(engine_of(&live, &registry));
        let plugins = engine_of(&live, &Registry::new());
        let mut world = Self { live, store, now: AtomicU64::new(1), responder, registry, plugins };
        world.publish();
        assert_eq!(world.store.cluster().synced(), KindSet::of(&Kind::ALL));
        world
    }

    fn apply(&mut self, event: Event) {
        let now = self.now.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.store.apply(event, now);
        self.publish();
    }

    fn publish(&mut self) {
        self.live.snapshot.store(self.store.snapshot());
        self.store.count_stamps();
    }

    /// Asks as a listener does; says whether the reply was one that had been sent before.
    fn ask(&self, message: &[u8]) -> (Vec<u8>, bool) {
        ask(&self.responder, arrival(), message, Instant::now())
    }

    /// Asks together, as by a batch of datagrams, what has been asked alone before, so that all is known that can be.
    fn ask_together(&self, messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut ahead = vec![ReadAhead::default(); messages.len()];
        let mut replies = vec![Vec::new(); messages.len()];
        let places = messages.iter().map(Vec::as_slice).zip(&mut replies);
        let now = Instant::now();
        let mut together = self.responder.together(ListenerId(0), places, &mut ahead, now);
        let reply = |(number, (message, mut reply)): (usize, (&Vec<u8>, Vec<u8>))| {
            let received = together.receive(number, message, arrival(), &mut reply);
            reply_to(&self.responder, received, reply).0
        };
        messages.iter().zip(replies).enumerate().map(reply).collect()
    }

    /// Asks the plugins.
    fn ask_plugins(&self, message: &[u8]) -> Vec<u8> {
        let mut query = wire::parse(message, arrival()).unwrap();
        let answered = self.plugins.answer(ListenerId(0), &mut query, None).now_or_never().unwrap();
        wire::encode(&query, answered.reply.as_ref().unwrap()).message
    }
}

fn arrival() -> Arrival {
    let client = "10.244.0.9:40000".parse().unwrap();
    Arrival { client, local: "10.96.0.10:53".parse().unwrap(), protocol: Protocol::Udp }
}

fn engine_of(live: &Arc<Live>, registry: &Registry) -> Engine {
    engine_with(live, registry, vec![Box::new(Loadbalance::round_robin(Vec::new(), 7))])
}

/// An engine with these plugins between `prometheus` and `kubernetes`.
fn engine_with(live: &Arc<Live>, registry: &Registry, between: Vec<Box<dyn Plugin>>) -> Engine {
    let zones = ["cluster.local.", "in-addr.arpa."].map(|zone| zone.parse().unwrap()).to_vec();
    let options = ZoneOptions { pods: PodMode::Insecure, ..ZoneOptions::default() };
    let zone = Zone { zones, options, own_addresses: Vec::new() };
    let kubernetes = Kubernetes::new(zone, Fallthrough::default(), Arc::clone(live) as _);
    let metrics = DnsMetrics::register(registry).unwrap();
    let servers = [(ListenerId(0), "dns://:53".to_owned())];
    let mut plugins: Vec<Box<dyn Plugin>> =
        vec![Box::new(Prometheus::new(&metrics, &servers, "", &[Name::root().into()]))];
    plugins.extend(between);
    plugins.push(Box::new(kubernetes));
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    Engine::of_listeners(vec![Block::new("Corefile:1", plugins)], vec![(ListenerId(0), router)])
}

pub(super) fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

pub(super) fn key() -> impl Strategy<Value = ObjectKey> {
    (select(&NAMESPACES[..]), select(&NAMES[..]))
        .prop_map(|(namespace, name)| ObjectKey::new(namespace, name))
}

pub(super) fn service() -> impl Strategy<Value = Object> {
    let address = prop_oneof![
        Just(ServiceAddress::Headless),
        vec(0..4u8, 1..3)
            .prop_map(|ips| { ServiceAddress::ClusterIps(ips.into_iter().map(ip).collect()) }),
        Just(ServiceAddress::ExternalName("web.shop.svc.cluster.local".into())),
    ];
    (key(), address).prop_map(|(key, address)| Object::Service(Arc::new(service_of(key, address))))
}

pub(super) fn service_of(key: ObjectKey, address: ServiceAddress) -> Service {
    let port = ServicePort {
        name: "http".into(),
        protocol: PortProtocol::Tcp,
        port: 80,
        target_port: TargetPort::Number(8080),
        node_port: None,
    };
    Service {
        key,
        labels: Labels::default(),
        service_type: ServiceType::ClusterIp,
        address,
        ports: [port].into(),
        external_ips: Box::default(),
        load_balancer: Box::default(),
    }
}

fn slice() -> impl Strategy<Value = Object> {
    (key(), select(&NAMES[..]), vec(0..4u8, 0..4)).prop_map(|(key, service, ips)| {
        Object::EndpointSlice(Arc::new(slice_of(key, service, &ips)))
    })
}

fn slice_of(key: ObjectKey, service: &str, ips: &[u8]) -> EndpointSlice {
    let endpoint = |last: &u8| Endpoint {
        addresses: [ip(*last)].into(),
        hostname: (*last == 1).then(|| "a".into()),
        target_name: None,
        zone: None,
        ready: *last != 3,
        serving: true,
        terminating: false,
    };
    let port = EndpointPort { name: "http".into(), protocol: PortProtocol::Tcp, port: Some(8080) };
    EndpointSlice {
        key,
        service_name: Some(service.into()),
        import: None,
        labels: Labels::default(),
        endpoints: ips.iter().map(endpoint).collect(),
        ports: [port].into(),
    }
}

pub(super) fn namespace() -> impl Strategy<Value = Object> {
    select(&NAMESPACES[..]).prop_map(namespace_of)
}

pub(super) fn namespace_of(name: &str) -> Object {
    let namespace = Namespace { name: name.into(), labels: Labels::default(), audit: false };
    Object::Namespace(Arc::new(namespace))
}

fn event() -> impl Strategy<Value = Event> {
    let object = || prop_oneof![3 => service(), 2 => slice(), 2 => namespace()];
    prop_oneof![
        3 => object().prop_map(Event::Upsert),
        1 => object().prop_map(|object| Event::Delete(object.kind(), object.key())),
    ]
}

/// Every question, without EDNS and with it.
fn questions() -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for (name, qtype) in QUESTIONS.iter().flat_map(|name| TYPES.map(|qtype| (*name, qtype))) {
        for payload in [None, Some(1232)] {
            let mut message = Message::new(7, MessageType::Query, OpCode::Query);
            message.add_query(Question::query(name.parse().unwrap(), qtype));
            message.edns = payload.map(|payload| {
                let mut edns = Edns::new();
                edns.set_max_payload(payload);
                edns
            });
            messages.push(message.to_vec().unwrap());
        }
    }
    messages
}

/// Says whether two replies are the same but for the order of addresses.
pub(super) fn same(one: &[u8], other: &[u8]) -> Result<(), TestCaseError> {
    // Most are the same octet for octet, which is faster to see.
    if one != other {
        prop_assert_eq!(without_order(one), without_order(other));
    }
    Ok(())
}

/// Returns what of a reply does not depend on the order of addresses.
fn without_order(reply: &[u8]) -> (String, usize) {
    let mut message = Message::from_vec(reply).unwrap();
    let by_text = |record: &Record| record.to_string();
    message.answers.sort_by_cached_key(by_text);
    message.additionals.sort_by_cached_key(by_text);
    (format!("{message:?}"), reply.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_reply_that_is_sent_again_is_the_one_that_would_be_made(events in vec(event(), 1..30)) {
        let mut world = World::new();
        let questions = questions();
        let mut repeated = 0;
        for event in events {
            world.apply(event);
            let expected: Vec<_> = questions.iter().map(|it| world.ask_plugins(it)).collect();
            for (question, expected) in questions.iter().zip(&expected) {
                // The first learns at most, the second learns at least; and once more.
                for _ in 0..3 {
                    let (reply, again) = world.ask(question);
                    repeated += usize::from(again);
                    same(&reply, expected)?;
                }
            }
            for (together, expected) in questions.chunks(32).zip(expected.chunks(32)) {
                for (reply, expected) in world.ask_together(together).iter().zip(expected) {
                    same(reply, expected)?;
                }
            }
        }
        prop_assert!(repeated > questions.len() / 2, "{repeated} of {}", questions.len());
    }
}

/// A direct answer has both addresses of a dual-stack Service, in the order that `loadbalance` would give them.
#[test]
fn the_order_of_two_addresses_varies_where_loadbalance_is() {
    let mut world = World::new();
    let namespace = Namespace { name: "shop".into(), labels: Labels::default(), audit: false };
    world.apply(Event::Upsert(Object::Namespace(Arc::new(namespace))));
    let both = ServiceAddress::ClusterIps([ip(1), "fd00::1".parse().unwrap()].into());
    let service = service_of(ObjectKey::new("shop", "web"), both);
    world.apply(Event::Upsert(Object::Service(Arc::new(service))));
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Question::query(
        "web.shop.svc.cluster.local.".parse().unwrap(),
        RecordType::SRV,
    ));
    let message = message.to_vec().unwrap();
    let orders = |world: &World| {
        // What the plugins have to do is learnt from the first.
        world.ask(&message);
        let mut orders = BTreeMap::<_, usize>::new();
        for _ in 0..200 {
            let (reply, was_short) = world.ask(&message);
            assert!(was_short);
            let reply = Message::from_vec(&reply).unwrap();
            let texts = reply.additionals.iter().map(Record::to_string).collect::<Vec<_>>();
            *orders.entry(texts).or_default() += 1;
        }
        orders
    };
    let counts = orders(&world);
    assert_eq!(counts.len(), 2, "{counts:?}");
    // The seed is fixed, so this passes or fails for ever.
    assert!(counts.values().all(|count| (70..130).contains(count)), "{counts:?}");
    world.responder = responder(engine_with(&world.live, &Registry::new(), Vec::new()));
    assert_eq!(orders(&world).len(), 1, "nobody asks for another order");
}

/// Returns the sum of the samples of `coredns_dns_NAME` whose labels have this in them.
fn counted(world: &World, name: &str, label: &str) -> f64 {
    let text = TextEncoder::new().encode_to_string(&world.registry.gather()).unwrap();
    let lines = text.lines().filter(|line| line.starts_with(&format!("coredns_dns_{name}{{")));
    let samples = lines.filter(|line| line.contains(label)).filter_map(|l| l.rsplit(' ').next());
    samples.map(|sample| sample.parse::<f64>().unwrap()).sum()
}

#[test]
fn every_reply_is_counted_once_with_its_sizes() {
    let mut world = World::new();
    let namespace = Namespace { name: "shop".into(), labels: Labels::default(), audit: false };
    world.apply(Event::Upsert(Object::Namespace(Arc::new(namespace))));
    let address = ServiceAddress::ClusterIps([ip(1)].into());
    let service = service_of(ObjectKey::new("shop", "web"), address);
    world.apply(Event::Upsert(Object::Service(Arc::new(service))));
    let questions = questions();
    let (mut number, mut sizes, mut errors) = (0.0, [0, 0], 0.0);
    let mut note = |question: &[u8], reply: &[u8]| {
        number += 1.0;
        sizes = [sizes[0] + question.len(), sizes[1] + reply.len()];
        let is_error = Message::from_vec(reply).unwrap().response_code == ResponseCode::NXDomain;
        errors += f64::from(u8::from(is_error));
    };
    // By the plugins, by itself, with others of its kind and with others.
    let same: Vec<_> = std::iter::repeat_n(questions[0].clone(), 21).collect();
    for question in &questions {
        (0..3).for_each(|_| note(question, &world.ask(question).0));
    }
    for together in questions.chunks(32).chain([&same[..]]) {
        for (question, reply) in together.iter().zip(world.ask_together(together)) {
            note(question, &reply);
        }
    }
    for (name, label, expected) in [
        ("requests_total", "", number),
        ("responses_total", "", number),
        ("responses_total", "rcode=\"NXDOMAIN\"", errors),
        ("request_duration_seconds_count", "", number),
        ("request_size_bytes_count", "", number),
        ("request_size_bytes_sum", "", sizes[0] as f64),
        ("response_size_bytes_sum", "", sizes[1] as f64),
    ] {
        assert_eq!(counted(&world, name, label), expected, "{name} {label}");
    }
    assert!(errors > 0.0 && errors < number);
}

#[test]
fn the_short_ways_allocate_nothing() {
    let mut world = World::new();
    let namespace = Namespace { name: "shop".into(), labels: Labels::default(), audit: false };
    world.apply(Event::Upsert(Object::Namespace(Arc::new(namespace))));
    for (name, address) in [
        ("web", ServiceAddress::ClusterIps([ip(1), "fd00::1".parse().unwrap()].into())),
        ("db", ServiceAddress::Headless),
    ] {
        let service = service_of(ObjectKey::new("shop", name), address);
        world.apply(Event::Upsert(Object::Service(Arc::new(service))));
    }
    let slice = slice_of(ObjectKey::new("shop", "db-1"), "db", &[0, 1, 2]);
    world.apply(Event::Upsert(Object::EndpointSlice(Arc::new(slice))));
    let direct = [
        ("web.shop.svc.cluster.local.", RecordType::A),
        ("web.shop.svc.cluster.local.", RecordType::AAAA),
        ("_http._tcp.web.shop.svc.cluster.local.", RecordType::SRV),
        ("www.example.com.shop.svc.cluster.local.", RecordType::A),
        ("1.0.0.10.in-addr.arpa.", RecordType::PTR),
    ];
    let repeated = ("db.shop.svc.cluster.local.", RecordType::A);
    let mut reply = Vec::with_capacity(512);
    let mut messages = Vec::new();
    for (name, qtype) in direct.into_iter().chain([repeated]) {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.add_query(Question::query(name.parse().unwrap(), qtype));
        let message = message.to_vec().unwrap();
        messages.push(message.clone());
        // What the plugins have to do is learnt, and metrics are made.
        for _ in 0..3 {
            world.ask(&message);
        }
        let mut received = None;
        let start = Instant::now();
        let allocated = allocation_counter::measure(|| {
            let receive = &world.responder;
            received = Some(receive.receive(ListenerId(0), &message, arrival(), start, &mut reply));
        });
        assert!(matches!(received, Some(Received::Written)), "{name} {qtype}");
        assert_eq!(allocated.count_total, 0, "{name} {qtype}");
    }
    let mut ahead = vec![ReadAhead::default(); messages.len()];
    let mut replies: Vec<_> = messages.iter().map(|_| Vec::with_capacity(512)).collect();
    let allocated = allocation_counter::measure(|| {
        let places = messages.iter().map(Vec::as_slice).zip(&mut replies);
        let now = Instant::now();
        let mut together = world.responder.together(ListenerId(0), places, &mut ahead, now);
        for (number, (message, reply)) in messages.iter().zip(&mut replies).enumerate() {
            let received = together.receive(number, message, arrival(), reply);
            assert!(matches!(received, Received::Written));
        }
    });
    assert_eq!(allocated.count_total, 0, "together");
}
