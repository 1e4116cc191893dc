//! The cluster that the benches ask about.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use cluster::{
    Cluster, Event, Kind, Labels, Namespace, Object, ObjectKey, Protocol, Service, ServiceAddress,
    ServicePort, ServiceType, Store, TargetPort,
};
use portolan_dns::kubernetes::{Zone, ZoneOptions};

/// Namespaces of the cluster.
const NAMESPACES: u32 = 100;

/// Returns a cluster of this many dual-stack Services with a port, completely listed.
pub(crate) fn snapshot(services: u32) -> Arc<Cluster> {
    let mut store = Store::new();
    for kind in [Kind::Namespace, Kind::Service, Kind::EndpointSlice] {
        store.apply(Event::ListStart(kind), 0);
        match kind {
            Kind::Namespace => (0..NAMESPACES).for_each(|n| add(&mut store, namespace(n))),
            Kind::Service => (0..services).for_each(|n| add(&mut store, service(n))),
            _ => {}
        }
        store.apply(Event::ListEnd(kind), 0);
    }
    store.snapshot()
}

/// Returns the names of the Services, neighbours of the data apart.
pub(crate) fn names(services: u32) -> impl Iterator<Item = String> {
    (0..services).map(move |i| {
        let n = i.wrapping_mul(2_654_435_761) % services;
        format!("service-{n}.namespace-{}.svc.cluster.local.", n % NAMESPACES)
    })
}

/// Returns what kubeadm's Corefile serves.
pub(crate) fn zone() -> Zone {
    let zones = ["cluster.local.", "in-addr.arpa."].map(|zone| zone.parse().expect("a name"));
    let options = ZoneOptions { ttl: 30, ..ZoneOptions::default() };
    Zone { zones: zones.into(), options, own_addresses: Vec::new() }
}

fn add(store: &mut Store, object: Object) {
    store.apply(Event::Upsert(object), 0);
}

fn namespace(n: u32) -> Object {
    let namespace = Namespace {
        name: format!("namespace-{n}").into(),
        labels: Labels::default(),
        audit: false,
    };
    Object::Namespace(Arc::new(namespace))
}

fn service(n: u32) -> Object {
    let v4 = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 96, 1, 0)) + n);
    let v6 = Ipv6Addr::from(
        u128::from(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 1)) + u128::from(n),
    );
    let port = ServicePort {
        name: "http".into(),
        protocol: Protocol::Tcp,
        port: 80,
        target_port: TargetPort::Number(8080),
        node_port: None,
    };
    Object::Service(Arc::new(Service {
        key: ObjectKey::new(format!("namespace-{}", n % NAMESPACES), format!("service-{n}")),
        labels: Labels::default(),
        service_type: ServiceType::ClusterIp,
        address: ServiceAddress::ClusterIps([IpAddr::from(v4), IpAddr::from(v6)].into()),
        ports: [port].into(),
        external_ips: Box::default(),
        load_balancer: Box::default(),
    }))
}
