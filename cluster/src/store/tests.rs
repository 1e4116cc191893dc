//! The store against the obvious model: a sorted map of objects, every index a scan of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::{
    Endpoint, EndpointSlice, Import, KeyRef, KindSet, Labels, MOST_TOGETHER, Namespace, Phase, Pod,
    Service, ServiceAddress, ServiceKey, ServiceType, ShortText, Text,
};

/// The obvious model.
#[derive(Default)]
struct Plain {
    objects: BTreeMap<(Kind, ObjectKey), Object>,
    synced: KindSet,
    lists: BTreeMap<Kind, Vec<ObjectKey>>,
}

impl Plain {
    fn apply(&mut self, event: Event) {
        match event {
            Event::Upsert(object) => {
                let (kind, key) = (object.kind(), object.key());
                if let Some(seen) = self.lists.get_mut(&kind) {
                    seen.push(key.clone());
                }
                self.objects.insert((kind, key), object);
            }
            Event::Delete(kind, key) => {
                if let Some(seen) = self.lists.get_mut(&kind) {
                    seen.retain(|other| *other != key);
                }
                self.objects.remove(&(kind, key));
            }
            Event::Keep(kind, key) => {
                if let Some(seen) = self.lists.get_mut(&kind) {
                    seen.push(key);
                }
            }
            Event::ListStart(kind) => {
                self.lists.insert(kind, Vec::new());
            }
            Event::ListEnd(kind) => {
                if let Some(seen) = self.lists.remove(&kind) {
                    self.objects.retain(|(k, key), _| *k != kind || seen.contains(key));
                    self.synced = self.synced.with(kind);
                }
            }
        }
    }

    fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.objects.values().filter_map(|object| match object {
            Object::Service(service) => Some(service),
            _ => None,
        })
    }

    fn slices(&self) -> impl Iterator<Item = &Arc<EndpointSlice>> {
        self.objects.values().filter_map(|object| match object {
            Object::EndpointSlice(slice) => Some(slice),
            _ => None,
        })
    }

    fn pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.objects.values().filter_map(|object| match object {
            Object::Pod(pod) => Some(pod),
            _ => None,
        })
    }
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn ip(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, n])
}

fn key() -> impl Strategy<Value = ObjectKey> {
    (prop::sample::select(&NAMES[..2]), prop::sample::select(&NAMES[..]))
        .prop_map(|(namespace, name)| ObjectKey::new(namespace, name))
}

fn service() -> impl Strategy<Value = Object> {
    let kind = prop::sample::select(&[Kind::Service, Kind::Service, Kind::ServiceImport][..]);
    let ips = || prop::collection::vec(0..4u8, 0..3);
    (key(), kind, ips(), ips()).prop_map(|(key, kind, ips, external)| {
        let service = Arc::new(Service {
            key,
            labels: Labels::default(),
            service_type: ServiceType::ClusterIp,
            address: ServiceAddress::ClusterIps(ips.into_iter().map(ip).collect()),
            ports: Arc::default(),
            external_ips: external.into_iter().map(ip).collect(),
            load_balancer: Box::default(),
        });
        match kind {
            Kind::ServiceImport => Object::ServiceImport(service),
            _ => Object::Service(service),
        }
    })
}

fn slice() -> impl Strategy<Value = Object> {
    let service = prop::option::of(prop::sample::select(&NAMES[..]));
    let import = prop::option::of(prop::sample::select(&NAMES[..]));
    (key(), service, import, prop::collection::vec((0..4u8, 0..4u8), 0..4)).prop_map(
        |(key, service, import, ips)| {
            let endpoint = |(n, m)| Endpoint {
                addresses: [ip(n), ip(m)].into(),
                hostname: None,
                target_name: None,
                zone: None,
                ready: true,
                serving: true,
                terminating: false,
            };
            Object::EndpointSlice(Arc::new(EndpointSlice {
                key,
                service_name: service.map(ShortText::from),
                import: import
                    .map(|name| Import { service_name: name.into(), cluster: "c".into() })
                    .map(Box::new),
                labels: Labels::default(),
                endpoints: ips.into_iter().map(endpoint).collect(),
                ports: Arc::default(),
            }))
        },
    )
}

fn pod() -> impl Strategy<Value = Object> {
    (key(), prop::collection::vec(0..4u8, 0..3)).prop_map(|(key, ips)| {
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

fn namespace() -> impl Strategy<Value = Object> {
    prop::sample::select(&NAMES[..]).prop_map(|name| {
        Object::Namespace(Arc::new(Namespace {
            name: name.into(),
            labels: Labels::default(),
            audit: false,
        }))
    })
}

fn event() -> impl Strategy<Value = Event> {
    let kind = || {
        prop::sample::select(vec![
            Kind::Namespace,
            Kind::Service,
            Kind::ServiceImport,
            Kind::EndpointSlice,
            Kind::Pod,
        ])
    };
    let object = || prop_oneof![service(), slice(), pod(), namespace()];
    prop_oneof![
        6 => object().prop_map(Event::Upsert),
        2 => object().prop_map(|object| Event::Delete(object.kind(), object.key())),
        1 => object().prop_map(|object| Event::Keep(object.kind(), object.key())),
        1 => kind().prop_map(Event::ListStart),
        1 => kind().prop_map(Event::ListEnd),
    ]
}

fn check(store: &Store, plain: &Plain) {
    let cluster = store.cluster();
    assert_eq!(cluster.objects(), plain.objects.values().cloned().collect::<Vec<_>>());
    assert_eq!(cluster.synced(), plain.synced);
    for n in 0..4 {
        let services = plain.services().filter(|s| s.cluster_ips().contains(&ip(n)));
        assert_eq!(cluster.services_by_cluster_ip(ip(n)), services.cloned().collect::<Vec<_>>());
        let services = plain.services().filter(|s| s.external_ips.contains(&ip(n)));
        assert_eq!(cluster.services_by_external_ip(ip(n)), services.cloned().collect::<Vec<_>>());
        let pods = plain.pods().filter(|pod| pod.ips.contains(&ip(n)));
        assert_eq!(cluster.pods_by_ip(ip(n)), pods.cloned().collect::<Vec<_>>());
        let has =
            |s: &&Arc<EndpointSlice>| s.endpoints.iter().any(|e| e.addresses.contains(&ip(n)));
        let slices = plain.slices().filter(has);
        assert_eq!(cluster.slices_by_address(ip(n)), slices.cloned().collect::<Vec<_>>());
    }
    for (namespace, name) in [("a", "a"), ("a", "b"), ("b", "c")] {
        let of = |s: &&Arc<EndpointSlice>| {
            &*s.key.namespace == namespace && s.service_name.as_deref() == Some(name)
        };
        let slices = plain.slices().filter(of);
        assert_eq!(cluster.slices_of(namespace, name), slices.cloned().collect::<Vec<_>>());
        let service = plain.services().find(|s| s.key == ObjectKey::new(namespace, name));
        assert_eq!(cluster.service(namespace, name), service);
    }
}

/// Looks up together what can be there, as [`check`] does one by one.
fn check_found(cluster: &Cluster, plain: &Plain) {
    let names =
        NAMES.into_iter().flat_map(|namespace| NAMES.map(|name| KeyRef { namespace, name }));
    let keys = names.map(ServiceKey::Name).chain((0..4).map(|n| ServiceKey::ClusterIp(ip(n))));
    let keys: Vec<_> = [None].into_iter().chain(keys.map(Some)).collect();
    let has_namespace = |name: &str| {
        plain.objects.contains_key(&(Kind::Namespace, ObjectKey::cluster_scoped(name)))
    };
    let of_key = |key: &Option<ServiceKey<'_>>| match (*key)? {
        ServiceKey::Name(key) => plain
            .services()
            .find(|service| service.key.borrowed() == key && has_namespace(key.namespace)),
        ServiceKey::ClusterIp(ip) => {
            plain.services().find(|service| service.cluster_ips().contains(&ip))
        }
    };
    for keys in keys.chunks(MOST_TOGETHER) {
        let found: Vec<_> = cluster.find_services(keys.iter().copied()).into_iter().collect();
        let expected: Vec<_> =
            keys.iter().map(|key| of_key(key).map(|service| &**service)).collect();
        assert_eq!(found, expected, "{keys:?}");
    }
}

/// Returns each part that there can be and what there is to be seen of it.
fn parts_of(cluster: &Cluster) -> Vec<(Part, String)> {
    let synced = format!("{:?}", cluster.synced());
    let mut parts = Vec::new();
    for namespace in NAMES {
        let seen = format!("{synced} {:?}", cluster.namespace(namespace));
        parts.push((Part::namespace(namespace), seen));
        for name in NAMES {
            let slices =
                (cluster.slices_of(namespace, name), cluster.slices_of_import(namespace, name));
            let services = (cluster.service(namespace, name), cluster.import(namespace, name));
            parts.push((
                Part::service(namespace, name),
                format!("{synced} {services:?} {slices:?}"),
            ));
        }
    }
    for ip in (0..4).map(ip) {
        let services = (cluster.services_by_cluster_ip(ip), cluster.services_by_external_ip(ip));
        let others = (cluster.slices_by_address(ip), cluster.pods_by_ip(ip));
        parts.push((Part::address(ip), format!("{synced} {services:?} {others:?}")));
    }
    parts
}

proptest! {
    #[test]
    fn the_store_agrees_with_the_obvious_model(events in prop::collection::vec(event(), 0..60)) {
        let (mut store, mut plain) = (Store::new(), Plain::default());
        for (at, event) in events.into_iter().enumerate() {
            let before = store.cluster().clone();
            let told = store.apply(event.clone(), at as u64);
            plain.apply(event);
            check(&store, &plain);
            check_found(store.cluster(), &plain);
            prop_assert_eq!(told, before != *store.cluster(), "apply says whether something changed");
            prop_assert_eq!(told, before.revision() != store.cluster().revision());
        }
    }

    #[test]
    fn what_has_changed_has_other_stamps(events in prop::collection::vec(event(), 1..60)) {
        let stamps = Arc::new(Stamps::default());
        let mut store = Store::with_stamps(Arc::clone(&stamps));
        for chunk in events.chunks(3) {
            let before = parts_of(&store.snapshot());
            let grounds: Vec<_> = before.iter().map(|(part, _)| stamps.note([*part; 2])).collect();
            for event in chunk {
                store.apply(event.clone(), 1);
            }
            let after = parts_of(&store.snapshot());
            store.count_stamps();
            for ((before, after), grounds) in before.iter().zip(&after).zip(grounds) {
                prop_assert!(before == after || !grounds.hold(), "{before:?} is {after:?}");
            }
        }
    }

    #[test]
    fn snapshots_do_not_change_under_their_readers(events in prop::collection::vec(event(), 1..40)) {
        let (mut store, mut plain) = (Store::new(), Plain::default());
        let (head, tail) = events.split_at(events.len() / 2);
        for event in head {
            store.apply(event.clone(), 0);
            plain.apply(event.clone());
        }
        let frozen = store.snapshot();
        for event in tail {
            store.apply(event.clone(), 1);
        }
        let objects: Vec<Object> = plain.objects.values().cloned().collect();
        prop_assert_eq!(frozen.objects(), objects);
    }
}

#[test]
fn a_list_takes_away_only_what_it_did_not_name() {
    let mut store = Store::new();
    let namespace = |name: &str| {
        Object::Namespace(Arc::new(Namespace {
            name: name.into(),
            labels: Labels::default(),
            audit: false,
        }))
    };
    store.apply(Event::Upsert(namespace("kept")), 1);
    store.apply(Event::Upsert(namespace("gone")), 2);
    store.apply(Event::ListStart(Kind::Namespace), 3);
    store.apply(Event::Upsert(namespace("kept")), 3);
    assert!(store.cluster().namespace("gone").is_some(), "no gap while a list is under way");
    assert!(!store.cluster().synced().contains(Kind::Namespace));
    assert!(store.apply(Event::ListEnd(Kind::Namespace), 4));
    assert!(store.cluster().namespace("gone").is_none());
    assert!(store.cluster().namespace("kept").is_some());
    assert_eq!(store.cluster().changed_at(), 4);
    assert!(store.cluster().synced().contains(Kind::Namespace));
}

/// What comes after its Namespace has the same string for its name.
#[test]
fn objects_share_the_name_of_their_namespace() {
    let mut store = Store::new();
    let name: Text = "shop".into();
    let namespace = Namespace { name: Text::clone(&name), labels: Labels::default(), audit: false };
    store.apply(Event::Upsert(Object::Namespace(Arc::new(namespace))), 1);
    let key = ObjectKey::new("shop", "web");
    let service = Service {
        key: key.clone(),
        labels: Labels::default(),
        service_type: ServiceType::ClusterIp,
        address: ServiceAddress::Headless,
        ports: [].into(),
        external_ips: Box::default(),
        load_balancer: Box::default(),
    };
    let slice = EndpointSlice {
        key: ObjectKey::new("shop", "api-1"),
        service_name: Some("api".into()),
        import: None,
        labels: Labels::default(),
        endpoints: [].into(),
        ports: [].into(),
    };
    store.apply(Event::Upsert(Object::Service(Arc::new(service))), 2);
    store.apply(Event::Upsert(Object::EndpointSlice(Arc::new(slice))), 3);
    let cluster = store.cluster();
    let service = cluster.service("shop", "web").unwrap();
    let [slice] = cluster.slices_of("shop", "api") else { panic!("one slice") };
    for own in [&service.key.namespace, &slice.key.namespace] {
        assert!(Arc::ptr_eq(own, &name), "{own}");
    }
}
