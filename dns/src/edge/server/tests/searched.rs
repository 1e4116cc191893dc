//! Answers of searches that are sent again are those that each client would get, whatever becomes of pods and Services.

use std::collections::BTreeSet;
use std::hash::RandomState;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use cluster::{Event, Kind, Labels, Object, Phase, Pod, Stamps, Store};
use hickory_proto::rr::LowerName;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::repeated::{Live, ip, key, namespace, same, service};
use super::*;
use crate::kubernetes::{PodMode, Zone, ZoneOptions, search_class, search_path};
use crate::plugin::autopath::{Autopath, SearchPath, SearchPaths};
use crate::plugin::kubernetes::Kubernetes;
use crate::plugin::testing::record;
use crate::plugin::{Fallthrough, PluginMetrics};
use crate::{Lasting, Repetition};

const CLIENTS: [u8; 3] = [1, 2, 3];

const QUESTIONS: [&str; 9] = [
    "web.shop.svc.cluster.local.",
    "web.data.svc.cluster.local.",
    "web.data.shop.svc.cluster.local.",
    "web.shop.svc.data.svc.cluster.local.",
    "www.example.com.shop.svc.cluster.local.",
    "www.example.com.data.svc.cluster.local.",
    "nobody.example.com.shop.svc.cluster.local.",
    "shop.svc.cluster.local.",
    "www.example.com.",
];

/// Knows the search lists of the pods of a cluster.
struct Paths {
    live: Arc<Live>,
    zone: Zone,
    hasher: RandomState,
}

impl SearchPaths for Paths {
    fn search_path(&self, client: IpAddr, name: &LowerName) -> SearchPath {
        let cluster = self.live.snapshot.load_full();
        let apex = self.zone.matching(name);
        let list = apex.and_then(|apex| search_path(&cluster, &self.zone, apex, name, client, &[]));
        let class = search_class(&cluster, &self.zone, client, &self.hasher);
        SearchPath { list, class }
    }

    fn class(&self, client: IpAddr) -> u64 {
        search_class(&self.live.snapshot.load_full(), &self.zone, client, &self.hasher)
    }
}

/// Knows names outside of the cluster, and keeps them.
#[derive(Debug)]
struct Outside;

impl Plugin for Outside {
    fn name(&self) -> &'static str {
        "outside"
    }

    fn query<'a>(&'a self, query: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
        let lasting = Some(Box::new(Lasting::Until(Instant::now() + Duration::from_secs(3600))));
        let is_here = query.lower.to_string() == "www.example.com.";
        let answers = if is_here { vec![record("www.example.com.", "192.0.2.1")] } else { vec![] };
        let rcode = if is_here { ResponseCode::NoError } else { ResponseCode::NXDomain };
        Handling::reply(Reply { answers, lasting, ..Reply::new(rcode) })
    }

    fn repetition(&self, _: ListenerId, _: &Query, _: &Reply) -> Repetition {
        Repetition::Nothing
    }
}

struct World {
    live: Arc<Live>,
    store: Store,
    now: u64,
    responder: Arc<Responder>,
    plugins: Engine,
    metrics: PluginMetrics,
}

fn engine_of(live: &Arc<Live>, metrics: &PluginMetrics) -> Engine {
    let options = ZoneOptions { pods: PodMode::Verified, ..ZoneOptions::default() };
    let zones = vec!["cluster.local.".parse().unwrap()];
    let zone = Zone { zones: zones.clone(), options, own_addresses: Vec::new() };
    let paths = Paths { live: Arc::clone(live), zone: zone.clone(), hasher: RandomState::new() };
    let kubernetes = Kubernetes::new(zone, Fallthrough::default(), Arc::clone(live) as _);
    let plugins: Vec<Box<dyn Plugin>> = vec![
        Box::new(Autopath::by_client(zones, Arc::new(paths), "dns://:53", metrics)),
        Box::new(kubernetes),
        Box::new(Outside),
    ];
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    Engine::new(vec![Block::new("Corefile:1", plugins)], vec![router])
}

fn arrival(client: u8) -> Arrival {
    let client = SocketAddr::new(ip(client), 40000);
    Arrival { client, local: "10.96.0.10:53".parse().unwrap(), protocol: Protocol::Udp }
}

impl World {
    fn new() -> Self {
        let stamps = Arc::new(Stamps::default());
        let mut store = Store::with_stamps(Arc::clone(&stamps));
        for kind in Kind::ALL {
            store.apply(Event::ListStart(kind), 1);
            store.apply(Event::ListEnd(kind), 1);
        }
        let live = Arc::new(Live { stamps, snapshot: ArcSwap::from(store.snapshot()) });
        let metrics = PluginMetrics::register(&Registry::new()).unwrap();
        let unmeasured = PluginMetrics::register(&Registry::new()).unwrap();
        let responder = responder(engine_of(&live, &metrics));
        let plugins = engine_of(&live, &unmeasured);
        Self { live, store, now: 1, responder, plugins, metrics }
    }

    fn apply(&mut self, event: Event) {
        self.now += 1;
        self.store.apply(event, self.now);
        self.live.snapshot.store(self.store.snapshot());
        self.store.count_stamps();
    }

    fn ask(&self, client: u8, message: &[u8]) -> (Vec<u8>, bool) {
        ask(&self.responder, arrival(client), message, Instant::now())
    }

    fn ask_plugins(&self, client: u8, message: &[u8]) -> Vec<u8> {
        let mut query = wire::parse(message, arrival(client)).unwrap();
        let answered = self.plugins.answer(ListenerId(0), &mut query, None).now_or_never().unwrap();
        wire::encode(&query, answered.reply.as_ref().unwrap()).message
    }

    fn successes(&self) -> u64 {
        self.metrics.autopath_success.with_label_values(&["dns://:53"]).get()
    }
}

fn pod() -> impl Strategy<Value = Object> {
    (key(), vec(select(&CLIENTS[..]), 0..2)).prop_map(|(key, ips)| {
        Object::Pod(Arc::new(Pod {
            key,
            labels: Labels::default(),
            node_name: None,
            ips: ips.into_iter().map(ip).collect(),
            phase: Phase::Running,
            host_network: false,
            terminating: false,
            started: 0,
            ports: Box::default(),
        }))
    })
}

fn event() -> impl Strategy<Value = Event> {
    let object = || prop_oneof![3 => pod(), 2 => service(), 1 => namespace()];
    prop_oneof![
        3 => object().prop_map(Event::Upsert),
        1 => object().prop_map(|object| Event::Delete(object.kind(), object.key())),
    ]
}

fn message(name: &str) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Question::query(name.parse().unwrap(), RecordType::A));
    message.to_vec().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_client_gets_the_answer_of_its_own_search(events in vec(event(), 1..30)) {
        let mut world = World::new();
        let questions = QUESTIONS.map(message);
        let mut repeated = BTreeSet::new();
        for event in events {
            world.apply(event);
            for (number, question) in questions.iter().enumerate() {
                // By turns, so that what is kept for one is there when the next one asks.
                for client in CLIENTS.into_iter().cycle().take(3 * CLIENTS.len()) {
                    let (reply, again) = world.ask(client, question);
                    let expected = world.ask_plugins(client, question);
                    same(&reply, &expected)?;
                    if again {
                        repeated.insert(number);
                    }
                }
            }
        }
        // All but aliases.
        prop_assert!(repeated.len() >= QUESTIONS.len() - 2, "{repeated:?}");
    }
}

#[test]
fn a_search_that_is_repeated_counts_as_one() {
    let mut world = World::new();
    let pod = |namespace: &str| {
        let key = cluster::ObjectKey::new(namespace, "client");
        Event::Upsert(Object::Pod(Arc::new(Pod {
            key,
            labels: Labels::default(),
            node_name: None,
            ips: [ip(1)].into(),
            phase: Phase::Running,
            host_network: false,
            terminating: false,
            started: 0,
            ports: Box::default(),
        })))
    };
    world.apply(pod("shop"));
    let question = message("www.example.com.shop.svc.cluster.local.");
    let found = |reply: &[u8]| Message::from_vec(reply).unwrap().answers.len();
    for count in 1..=5 {
        let (reply, again) = world.ask(1, &question);
        // The second one shows that it is worth keeping.
        assert_eq!((found(&reply), again, world.successes()), (2, count > 2, count));
    }
    assert_eq!(found(&world.ask(2, &question).0), 0, "it is no known pod");
    world.apply(Event::Delete(Kind::Pod, cluster::ObjectKey::new("shop", "client")));
    world.apply(pod("data"));
    assert_eq!(found(&world.ask(1, &question).0), 0, "it has another search list");
    assert_eq!(world.successes(), 5);
}
