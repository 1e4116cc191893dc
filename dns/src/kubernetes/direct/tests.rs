//! Direct answers are those of [`answer`], octet for octet.

use std::sync::Arc;

use cluster::{
    Event, Kind, KindSet, Labels, Namespace, Object, ObjectKey, Protocol as PortProtocol,
    ServiceType, Store, TargetPort,
};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as AskedFor};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::kubernetes::{Question, ZoneOptions, answer};
use crate::plugin::kubernetes::reply_of;
use crate::wire::{self, Arrival};
use crate::{Protocol, Reply};

const PROTOCOLS: [PortProtocol; 3] = [PortProtocol::Tcp, PortProtocol::Udp, PortProtocol::Sctp];

const LABELS: [&str; 19] = [
    "web",
    "db",
    "shop",
    "data",
    "svc",
    "pod",
    "dns",
    "ns",
    "hostmaster",
    "_http",
    "http",
    "_tcp",
    "_udp",
    "_",
    "10-0-0-1",
    "a.b",
    "x",
    "\u{fc}",
    "_dns",
];

const APEXES: [&str; 5] = ["cluster.local", "home.arpa", "in-addr.arpa", "ip6.arpa", "example.org"];

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (1..4u8).prop_map(|last| IpAddr::from([10, 0, 0, last])),
        (1..4u16).prop_map(|last| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last])),
    ]
}

fn service_address() -> impl Strategy<Value = ServiceAddress> {
    prop_oneof![
        6 => vec(address(), 1..3).prop_map(|ips| ServiceAddress::ClusterIps(ips.into())),
        1 => Just(ServiceAddress::Headless),
        1 => Just(ServiceAddress::Pending),
        1 => Just(ServiceAddress::ExternalName("web.shop.svc.cluster.local".into())),
    ]
}

fn port() -> impl Strategy<Value = ServicePort> {
    let name = select(&["http", "", "HTTPS", "dns"][..]);
    (name, select(&PROTOCOLS[..]), 80..83u16).prop_map(|(name, protocol, port)| ServicePort {
        name: name.into(),
        protocol,
        port,
        target_port: TargetPort::Number(port),
        node_port: None,
    })
}

fn service() -> impl Strategy<Value = Object> {
    let key = (select(&["shop", "data"][..]), select(&["web", "db", "a.b"][..]));
    (key, service_address(), vec(port(), 0..4)).prop_map(|((namespace, name), address, ports)| {
        Object::Service(Arc::new(Service {
            key: ObjectKey::new(namespace, name),
            labels: Labels::default(),
            service_type: ServiceType::ClusterIp,
            address,
            ports: ports.into(),
            external_ips: Box::default(),
            load_balancer: Box::default(),
        }))
    })
}

fn namespace() -> impl Strategy<Value = Object> {
    select(&["shop", "data"][..]).prop_map(|name| {
        Object::Namespace(Arc::new(Namespace {
            name: name.into(),
            labels: Labels::default(),
            audit: false,
        }))
    })
}

prop_compose! {
    fn snapshot()(
        objects in vec(prop_oneof![2 => service(), 1 => namespace()], 0..8),
        is_synced in prop_oneof![9 => Just(true), 1 => Just(false)],
        now in select(vec![7, u64::from(u32::MAX) + 9]),
    ) -> Cluster {
        let mut store = Store::new();
        for object in objects {
            store.apply(Event::Upsert(object), now);
        }
        for kind in Kind::ALL.into_iter().filter(|_| is_synced) {
            let known = store.cluster().objects();
            store.apply(Event::ListStart(kind), now);
            for object in known.into_iter().filter(|object| object.kind() == kind) {
                store.apply(Event::Upsert(object), now);
            }
            store.apply(Event::ListEnd(kind), now);
        }
        assert!(!is_synced || store.cluster().synced() == KindSet::of(&Kind::ALL));
        store.cluster().clone()
    }
}

prop_compose! {
    fn zone()(
        zones in select(vec![
            vec!["cluster.local.", "in-addr.arpa.", "ip6.arpa."],
            vec!["in-addr.arpa.", "cluster.local."],
            vec!["cluster.local.", "shop.svc.cluster.local."],
            vec!["home.arpa.", "in-addr.arpa."],
            vec!["10.in-addr.arpa."],
            vec!["."],
        ]),
        pods in select(&[PodMode::Disabled, PodMode::Insecure, PodMode::Verified][..]),
        ttl in select(&[0, 5, 3600][..]),
        namespaces in option::of(Just(["shop".to_owned()].into_iter().collect())),
        (strict, ignore_empty_service, zonal) in (any::<u8>(), any::<u8>(), any::<u8>()),
    ) -> Zone {
        let options = ZoneOptions {
            pods,
            ttl,
            namespaces,
            strict: strict < 20,
            ignore_empty_service: ignore_empty_service < 20,
            zonal: zonal < 20,
            ..ZoneOptions::default()
        };
        let zones = zones.into_iter().map(|zone| zone.parse().unwrap()).collect();
        Zone { zones, options, own_addresses: Vec::new() }
    }
}

/// A name as a client may spell it.
fn name() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let usual = select(&["web.shop.svc", "_http._tcp.web.shop.svc", "db.data.svc", "shop.svc"][..]);
    let usual = usual.prop_map(|name| name.split('.').map(str::to_owned).collect());
    let others = vec(select(&LABELS[..]).prop_map(str::to_owned), 0..8);
    let reverse = select(&["1.0.0.10", "2.0.0.10", "01.0.0.10", "3.0.0.0.10", "256.0.0.10"][..]);
    let reverse = reverse.prop_map(|name| name.split('.').map(str::to_owned).collect());
    let forward = (prop_oneof![usual, others], select(&APEXES[..]));
    let spelt = prop_oneof![forward, (reverse, Just("in-addr.arpa"))];
    (spelt, any::<u8>()).prop_map(|((labels, apex), upper): ((Vec<String>, _), _)| {
        let labels = labels.into_iter().chain(apex.split('.').map(str::to_owned));
        labels
            .enumerate()
            .map(|(at, label)| match upper & (1 << (at % 8)) {
                // Half of the names have no letter in upper case.
                bit if bit != 0 && upper < 128 => label.to_ascii_uppercase().into_bytes(),
                _ => label.into_bytes(),
            })
            .collect()
    })
}

prop_compose! {
    fn message()(
        labels in name(),
        qtype in select(&[1u16, 1, 28, 28, 33, 33, 12, 12, 16, 65, 255][..]),
        (id, flags, qclass) in (any::<u16>(), select(&[0x0100u16, 0x0130, 0, 0x0010, 0x0180][..]),
            prop_oneof![9 => Just(1u16), 1 => Just(3)]),
        edns in option::of((select(&[0u16, 512, 1232, 65_535][..]), any::<bool>(), 0..8u8)),
    ) -> Vec<u8> {
        let mut message = Vec::new();
        let additionals = u16::from(edns.is_some());
        for word in [id, flags, 1, 0, 0, additionals] {
            message.extend(word.to_be_bytes());
        }
        for label in labels {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend(label);
        }
        message.push(0);
        message.extend(qtype.to_be_bytes());
        message.extend(qclass.to_be_bytes());
        if let Some((payload, dnssec_ok, odd)) = edns {
            message.extend([0, 0, 41]);
            message.extend(payload.to_be_bytes());
            // Now and then another version, or an option (NSID, empty).
            let version = u8::from(odd == 0);
            message.extend([0, version, if dnssec_ok { 0x80 } else { 0 }, 0]);
            message.extend(if odd == 1 { &[0, 4, 0, 3, 0, 0][..] } else { &[0, 0] });
        }
        message
    }
}

/// Answers as [`Zones`](crate::direct) does.
fn directly(cluster: &Cluster, zone: &Zone, falls: bool, message: &[u8]) -> Option<Vec<u8>> {
    let zones = DirectZone::all(zone, |_| falls);
    let mut question = PlainQuestion::default();
    question.read(message)?;
    let is_in = |own: &&DirectZone| {
        let apex = octets_of(own.apex());
        question.name().ends_with(&apex) && question.labels_below(own.labels) < 40
    };
    let (number, own) =
        zones.iter().enumerate().filter(|(_, own)| is_in(own)).max_by_key(|(_, own)| own.labels)?;
    let (mut reply, mut written) = (vec![0; 7], None);
    let writer = Writer::new(&mut reply, &question, message, own.labels)?;
    let mut drafts = [Draft::new(number, &question, writer, &mut written)];
    DirectZone::answer(&zones, cluster, zone, &mut drafts);
    drafts.into_iter().for_each(Draft::finish);
    written.map(|_| reply)
}

/// Answers by way of records; none where another plugin is asked.
fn by_records(cluster: &Cluster, zone: &Zone, falls: bool, message: &[u8]) -> Option<Vec<u8>> {
    let client = "10.244.0.9:40000".parse().unwrap();
    let arrival = Arrival { client, local: client, protocol: Protocol::Udp };
    let query = wire::parse(message, arrival).ok()?;
    let apex = zone.matching(&query.lower)?;
    let question = Question { name: &query.name, lower: &query.lower, qtype: query.qtype };
    let answer = answer(cluster, zone, apex, question);
    if falls && !answer.exists() || answer.chase.is_some() {
        return None;
    }
    Some(wire::encode(&query, &Reply { plugin: "kubernetes", ..reply_of(answer) }).message)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn octets_are_those_of_records(
        cluster in snapshot(),
        zone in zone(),
        falls in any::<bool>(),
        messages in vec(message(), 20),
    ) {
        for message in messages {
            if let Some(reply) = directly(&cluster, &zone, falls, &message) {
                let expected = by_records(&cluster, &zone, falls, &message);
                prop_assert_eq!(Some(reply), expected, "{:02x?}", message);
            }
        }
    }
}

/// A Service with an address of each family.
fn one_service() -> Cluster {
    let mut store = Store::new();
    let port = ServicePort {
        name: "http".into(),
        protocol: PortProtocol::Tcp,
        port: 80,
        target_port: TargetPort::Number(8080),
        node_port: None,
    };
    let service = Service {
        key: ObjectKey::new("shop", "web"),
        labels: Labels::default(),
        service_type: ServiceType::ClusterIp,
        address: ServiceAddress::ClusterIps(
            [IpAddr::from([10, 0, 0, 1]), "fd00::1".parse().unwrap()].into(),
        ),
        ports: [port].into(),
        external_ips: Box::default(),
        load_balancer: Box::default(),
    };
    let namespace = Namespace { name: "shop".into(), labels: Labels::default(), audit: false };
    for kind in Kind::ALL {
        store.apply(Event::ListStart(kind), 1);
        match kind {
            Kind::Namespace => {
                store.apply(Event::Upsert(Object::Namespace(Arc::new(namespace.clone()))), 1);
            }
            Kind::Service => {
                store.apply(Event::Upsert(Object::Service(Arc::new(service.clone()))), 1);
            }
            _ => {}
        }
        store.apply(Event::ListEnd(kind), 1);
    }
    store.cluster().clone()
}

/// What this is for is answered directly: were it not, nothing but time would show it.
#[test]
fn the_usual_questions_are_answered_directly() {
    let cluster = one_service();
    let zones = ["cluster.local.", "in-addr.arpa.", "ip6.arpa."];
    let zones = zones.map(|zone| zone.parse().unwrap()).to_vec();
    let options = ZoneOptions { pods: PodMode::Insecure, ttl: 30, ..ZoneOptions::default() };
    let zone = Zone { zones, options, own_addresses: Vec::new() };
    let usual = [
        ("web.shop.svc.cluster.local.", RecordType::A),
        ("WeB.shop.svc.cluster.LOCAL.", RecordType::A),
        ("web.shop.svc.cluster.local.", RecordType::AAAA),
        ("web.shop.svc.cluster.local.", RecordType::SRV),
        ("_http._tcp.web.shop.svc.cluster.local.", RecordType::SRV),
        ("_grpc._tcp.web.shop.svc.cluster.local.", RecordType::SRV),
        ("nobody.shop.svc.cluster.local.", RecordType::A),
        ("web.nowhere.svc.cluster.local.", RecordType::AAAA),
        ("www.example.com.shop.svc.cluster.local.", RecordType::A),
        ("www.example.com.svc.cluster.local.", RecordType::A),
        ("www.example.com.cluster.local.", RecordType::AAAA),
        ("a.b.c.d.example.com.shop.svc.cluster.local.", RecordType::A),
        ("1.0.0.10.in-addr.arpa.", RecordType::PTR),
    ];
    for (name, qtype) in usual {
        for edns in [None, Some(Edns::new())] {
            let mut message = Message::new(7, MessageType::Query, OpCode::Query);
            message.add_query(AskedFor::query(name.parse().unwrap(), qtype));
            message.edns = edns;
            let message = message.to_vec().unwrap();
            let reply = directly(&cluster, &zone, false, &message);
            assert_eq!(reply, by_records(&cluster, &zone, false, &message), "{name} {qtype}");
            assert!(reply.is_some(), "{name} {qtype}");
        }
    }
}
