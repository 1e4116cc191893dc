//! Random small clusters, and names that are in them, nearly so, or not at all.

use cluster::{Object, Phase};
use hickory_proto::rr::{Name, RecordType};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::fixture::{
    World, cluster_ip, external, headless, import, imported, ips, namespace, pod, slice,
};
use super::oracle::POD_LABELS;
use crate::kubernetes::{PodMode, ZoneOptions};

/// Types with rules of their own, and some without.
pub(super) const TYPES: [RecordType; 14] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::CNAME,
    RecordType::TXT,
    RecordType::PTR,
    RecordType::NS,
    RecordType::SOA,
    RecordType::MX,
    RecordType::HTTPS,
    RecordType::ANY,
    RecordType::AXFR,
    RecordType::IXFR,
    RecordType::Unknown(65_280),
];

const NAMESPACES: [&str; 4] = ["alpha", "beta", "svc", "gone"];
const SERVICES: [&str; 5] = ["web", "db", "svc", "dns", "10-0-0-1"];
const ADDRESSES: [&str; 5] = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "2001:db8::"];
const PORTS: [&str; 7] = [
    ":tcp:80",
    "http:tcp:80",
    "http:tcp:81",
    "http:udp:80",
    "dns:udp:53",
    "dns:tcp:53",
    "x:sctp:9",
];
const HOSTS: [&str; 6] = ["", "", "", "web-0=", "db-0=", "10-0-0-2="];
const PODS: [&str; 5] = ["", "", "@web-0", "@pod-a", "@node.example"];
const TARGETS: [&str; 14] = [
    "example.org",
    "Example.org.",
    "web.alpha.svc.cluster.local",
    "DB.alpha.svc.cluster.local.",
    "svc.svc.svc.cluster.local",
    "web.beta.svc.cluster.local",
    "_http._tcp.web.alpha.svc.cluster.local",
    "web-0.db.beta.svc.cluster.local",
    "10-0-0-1.alpha.pod.cluster.local",
    "x.fd00--1.alpha.pod.cluster.local",
    "ns.dns.cluster.local",
    "alpha.svc.cluster.local",
    "10.0.0.1",
    "a..b",
];
const LABELS: [&str; 35] = [
    "web",
    "db",
    "svc",
    "pod",
    "dns",
    "ns",
    "alpha",
    "beta",
    "gone",
    "_http",
    "http",
    "_tcp",
    "tcp",
    "_",
    "__tcp",
    "_dns",
    "_udp",
    "_sctp",
    "_x",
    "web-0",
    "pod-a",
    "node.example",
    "10-0-0-1-9",
    "blah",
    "*",
    "dns-version",
    "_zone",
    "pin",
    "prefer",
    "eu-1a",
    "east",
    "10",
    "0",
    "1",
    "255",
];

fn notation(parts: impl Strategy<Value = Vec<String>>) -> impl Strategy<Value = String> {
    parts.prop_map(|parts| parts.join(" "))
}

fn ports(also: &'static [&'static str]) -> impl Strategy<Value = String> {
    let all: Vec<String> = PORTS.iter().chain(also).map(|port| (*port).to_owned()).collect();
    notation(vec(select(all), 0..3))
}

fn addresses(count: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    notation(vec(select(&ADDRESSES[..]).prop_map(str::to_owned), count))
}

fn key(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    (select(&NAMESPACES[..]), select(names))
        .prop_map(|(namespace, name)| format!("{namespace}/{name}"))
}

fn service() -> impl Strategy<Value = Object> {
    let key = || key(&SERVICES);
    prop_oneof![
        4 => (key(), addresses(0..3), ports(&[])).prop_map(|(key, ips, ports)| cluster_ip(&key, &ips, &ports)),
        4 => (key(), ports(&[])).prop_map(|(key, ports)| headless(&key, &ports)),
        3 => (key(), select(&TARGETS[..])).prop_map(|(key, target)| external(&key, target)),
    ]
}

fn endpoint() -> impl Strategy<Value = String> {
    let ready = prop_oneof![3 => Just(""), 1 => Just("!")];
    let addresses = vec(select(&ADDRESSES[..]), 1..3);
    let zone = select(&["", "", "%eu-1a", "%corp.example"][..]);
    (ready, select(&HOSTS[..]), addresses, select(&PODS[..]), zone).prop_map(
        |(ready, host, ips, pod, zone)| format!("{ready}{host}{}{pod}{zone}", ips.join(",")),
    )
}

fn endpoint_slice() -> impl Strategy<Value = Object> {
    let service = select(&["web", "web", "db", "svc", "dns", "10-0-0-1", "missing", ""][..]);
    (key(&["s1", "s2", "s3", "s4"]), service, notation(vec(endpoint(), 0..4)), ports(&["any:tcp:"]))
        .prop_map(|(key, service, endpoints, ports)| slice(&key, service, &endpoints, &ports))
}

fn a_service_import() -> impl Strategy<Value = Object> {
    (key(&SERVICES), addresses(0..3), ports(&[]))
        .prop_map(|(key, ips, ports)| import(&key, &ips, &ports))
}

fn an_imported_slice() -> impl Strategy<Value = Object> {
    let import = (select(&["web", "db", "svc"][..]), select(&["east", "west"][..]));
    (key(&["i1", "i2", "i3"]), import, notation(vec(endpoint(), 0..4)), ports(&["any:tcp:"]))
        .prop_map(|(key, import, endpoints, ports)| imported(&key, import, &endpoints, &ports))
}

fn a_pod() -> impl Strategy<Value = Object> {
    let phase = select(&[Phase::Running, Phase::Running, Phase::Pending, Phase::Failed][..]);
    (key(&["p1", "p2", "p3", "p4"]), addresses(0..3), phase, prop::bool::weighted(0.2))
        .prop_map(|(key, ips, phase, terminating)| pod(&key, &ips, phase, terminating))
}

/// Objects of a cluster; an object that comes twice has changed in between.
pub(super) fn objects() -> impl Strategy<Value = Vec<Object>> {
    let namespaces = proptest::sample::subsequence(&NAMESPACES[..3], 1..=3)
        .prop_map(|names| names.into_iter().map(namespace).collect::<Vec<_>>());
    let imports = (vec(a_service_import(), 0..5), vec(an_imported_slice(), 0..5));
    (namespaces, vec(service(), 0..9), vec(endpoint_slice(), 0..9), vec(a_pod(), 0..9), imports)
        .prop_map(|(mut objects, services, slices, pods, (imports, imported))| {
            objects.extend(services);
            objects.extend(slices);
            objects.extend(pods);
            objects.extend(imports);
            objects.extend(imported);
            objects
        })
}

fn options() -> impl Strategy<Value = ZoneOptions> {
    let pods = select(&[PodMode::Disabled, PodMode::Insecure, PodMode::Verified][..]);
    let namespaces = proptest::option::weighted(0.3, vec(select(&NAMESPACES[..]), 0..3));
    let rarely = || prop::bool::weighted(0.3);
    let strict = any::<bool>();
    let flags = (any::<bool>(), any::<bool>());
    (pods, 0u32..=3600, any::<bool>(), rarely(), rarely(), namespaces, strict, flags).prop_map(
        |(
            pods,
            ttl,
            endpoint_pod_names,
            no_endpoints,
            ignore_empty_service,
            namespaces,
            strict,
            (zonal, clusterset),
        )| ZoneOptions {
            pods,
            ttl,
            endpoint_pod_names,
            no_endpoints,
            ignore_empty_service,
            namespaces: namespaces.map(|names| names.into_iter().map(str::to_owned).collect()),
            strict,
            zonal: zonal && !no_endpoints,
            multicluster: clusterset.then(|| "k8s.test.".parse().unwrap()).into_iter().collect(),
        },
    )
}

/// A block without a cluster.
pub(super) fn block()
-> impl Strategy<Value = (Vec<&'static str>, Vec<std::net::IpAddr>, ZoneOptions)> {
    let zones = select(vec![
        vec!["cluster.local.", "in-addr.arpa.", "ip6.arpa."],
        vec!["in-addr.arpa.", "cluster.local."],
        vec!["cluster.local.", "k8s.test.", "ip6.arpa.", "0.10.in-addr.arpa."],
        vec!["in-addr.arpa.", "ip6.arpa."],
        vec!["local.", "cluster.local."],
    ]);
    let own =
        select(&["10.9.9.9 fd99::9", "10.0.0.1", "10.0.0.2 2001:db8::", ""][..]).prop_map(ips);
    (zones, own, options())
}

/// Builds the cluster that a list of objects is, each applied in turn.
pub(super) fn world(
    objects: impl IntoIterator<Item = Object>,
    block: (Vec<&'static str>, Vec<std::net::IpAddr>, ZoneOptions),
) -> World {
    let (zones, own_addresses, options) = block;
    let mut world = World::empty().serving(&zones).with(|o| *o = options);
    world.remove(cluster::Kind::Namespace, &cluster::ObjectKey::cluster_scoped("testns"));
    world.zone.own_addresses = own_addresses;
    for object in objects {
        world.put(object);
    }
    world
}

/// Labels in front of a zone: of the cluster's own words and of any bytes.
pub(super) fn labels() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let words: Vec<Vec<u8>> = LABELS
        .into_iter()
        .chain(POD_LABELS.map(|(label, ..)| label))
        .chain(SERVICES)
        .map(|label| label.as_bytes().to_vec())
        .collect();
    let label = prop_oneof![20 => select(words), 1 => vec(any::<u8>(), 1..12)];
    vec(label, 0..8)
}

/// Changes some letters of a name to upper case.
pub(super) fn in_mixed_case(name: &Name, bits: u64) -> Name {
    let mut labels: Vec<Vec<u8>> = name.iter().map(<[u8]>::to_vec).collect();
    for (at, byte) in labels.iter_mut().flatten().enumerate() {
        if bits >> (at % 64) & 1 == 1 {
            byte.make_ascii_uppercase();
        }
    }
    named(&labels).expect("the name was one before")
}

/// Returns the name of these labels, if it is not too long.
pub(super) fn named(labels: &[Vec<u8>]) -> Option<Name> {
    let mut name = Name::from_labels(labels.iter().map(Vec::as_slice)).ok()?;
    name.set_fqdn(true);
    Some(name)
}
