//! The cluster of the benches.

use std::net::IpAddr;
use std::sync::Arc;

use portolan_cluster::{
    Endpoint, EndpointSlice, Event, Labels, Object, ObjectKey, Service, ServiceAddress,
    ServiceType, Store,
};

/// A Service with one ClusterIP; each version has another.
pub(crate) fn service(n: u32, version: u32) -> Object {
    let [b, c, d] = [version.to_be_bytes()[3], (n >> 8).to_be_bytes()[3], n.to_be_bytes()[3]];
    Object::Service(Arc::new(Service {
        key: ObjectKey::new(format!("namespace-{}", n % 100), format!("service-{n}")),
        labels: Labels::default(),
        service_type: ServiceType::ClusterIp,
        address: ServiceAddress::ClusterIps([IpAddr::from([n.to_be_bytes()[1], b, c, d])].into()),
        ports: Default::default(),
        external_ips: Default::default(),
        load_balancer: Default::default(),
    }))
}

/// Its EndpointSlice with two endpoints; each version has others.
pub(crate) fn slice(n: u32, version: u32) -> Object {
    let [b, c, d] = [version.to_be_bytes()[3], (n >> 8).to_be_bytes()[3], n.to_be_bytes()[3]];
    let endpoint = |host| Endpoint {
        addresses: [IpAddr::from([host + n.to_be_bytes()[1], b, c, d])].into(),
        hostname: None,
        target_name: None,
        zone: None,
        ready: true,
        serving: true,
        terminating: false,
    };
    Object::EndpointSlice(Arc::new(EndpointSlice {
        key: ObjectKey::new(format!("namespace-{}", n % 100), format!("service-{n}-abcde")),
        service_name: Some(format!("service-{n}").into()),
        import: None,
        labels: Labels::default(),
        endpoints: [endpoint(10), endpoint(20)].into(),
        ports: Default::default(),
    }))
}

/// A store with so many of both.
pub(crate) fn filled(size: u32) -> Store {
    let mut store = Store::new();
    for n in 0..size {
        store.apply(Event::Upsert(service(n, 0)), 0);
        store.apply(Event::Upsert(slice(n, 0)), 0);
    }
    store
}
