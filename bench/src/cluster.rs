//! The cluster that every server serves: as Kubernetes objects, and as static zones with the same records.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

/// Services of a namespace.
const SERVICES_PER_NAMESPACE: u32 = 100;

/// Endpoints of each Service.
pub(crate) const ENDPOINTS: u32 = 2;

/// Names outside of the cluster, as many as a cache keeps.
pub(crate) const OUTSIDE: u32 = 5_000;

/// The head of the static zones.
const ZONE_HEAD: &str = "$TTL 30\n\
    @ SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5\n\
    @ NS ns.dns.cluster.local.\n";

/// The same for names outside of the cluster: what has none of a type is kept longer than a measurement takes, so that
/// not all of it is asked for anew at one moment of it.
const OUTSIDE_HEAD: &str = "$TTL 3600\n\
    @ SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 3600\n\
    @ NS ns.dns.cluster.local.\n";

/// A cluster of this many dual-stack Services with two endpoints each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cluster {
    pub(crate) services: u32,
}

/// One Service of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service(u32);

impl Service {
    /// Returns `SERVICE.NAMESPACE.svc.cluster.local`.
    pub(crate) fn host(self) -> String {
        format!("{}.{}.svc.cluster.local", self.name(), self.namespace())
    }

    fn name(self) -> String {
        format!("service-{}", self.0)
    }

    pub(crate) fn namespace(self) -> String {
        namespace(self.0 / SERVICES_PER_NAMESPACE)
    }

    /// Returns the ClusterIP in 10.96.0.0/12, which has room for a million.
    fn v4(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 96, 1, 0)) + self.0)
    }

    fn v6(self) -> Ipv6Addr {
        Ipv6Addr::from(
            u128::from(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0)) + u128::from(self.0) + 1,
        )
    }

    /// Returns the reverse name of the IPv4 ClusterIP.
    pub(crate) fn reverse(self) -> String {
        let [a, b, c, d] = self.v4().octets();
        format!("{d}.{c}.{b}.{a}.in-addr.arpa")
    }

    /// Returns a name outside of the cluster; several Services share one.
    pub(crate) fn outside(self) -> String {
        outside(self.0 % OUTSIDE)
    }

    fn endpoint(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 128, 0, 1)) + self.0 * ENDPOINTS + number)
    }

    fn objects(self) -> [Value; 2] {
        let (name, namespace) = (self.name(), self.namespace());
        let endpoints: Vec<_> = (0..ENDPOINTS)
            .map(|i| json!({"addresses": [self.endpoint(i)], "conditions": {"ready": true}}))
            .collect();
        [
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {
                    "type": "ClusterIP", "clusterIP": self.v4(), "clusterIPs": [self.v4(), self.v6()],
                    "ipFamilies": ["IPv4", "IPv6"], "selector": {"app": name},
                    "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
                },
            }),
            json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": {
                    "name": format!("{name}-1"), "namespace": namespace,
                    "labels": {"kubernetes.io/service-name": name},
                },
                "endpoints": endpoints,
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            }),
        ]
    }
}

impl Cluster {
    pub(crate) fn services(self) -> impl Iterator<Item = Service> {
        (0..self.services).map(Service)
    }

    /// Returns the number of namespaces, at least one.
    pub(crate) fn namespaces(self) -> u32 {
        self.services.div_ceil(SERVICES_PER_NAMESPACE).max(1)
    }

    /// Returns the objects for an API server: those of the Services, what [`changing_slice`] belongs to, and the pod
    /// that the client is.
    pub(crate) fn objects(self) -> impl Iterator<Item = Value> {
        let namespaces = (0..self.namespaces()).map(|number| {
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace(number)}})
        });
        let more = [changing_service(), changing_slice(0), client()];
        namespaces.chain(self.services().flat_map(Service::objects)).chain(more)
    }

    /// Returns `cluster.local` as a zone file.
    pub(crate) fn forward_zone(self) -> String {
        let mut zone = String::from(ZONE_HEAD);
        zone += "ns.dns A 10.96.0.10\n";
        for service in self.services() {
            let host = service.host();
            let _ = writeln!(zone, "{host}. A {}\n{host}. AAAA {}", service.v4(), service.v6());
            let _ = writeln!(zone, "_http._tcp.{host}. SRV 0 100 80 {host}.");
        }
        zone
    }

    /// Returns `in-addr.arpa` as a zone file.
    pub(crate) fn reverse_zone(self) -> String {
        let records = self.services().map(|s| format!("{}. PTR {}.\n", s.reverse(), s.host()));
        std::iter::once(String::from(ZONE_HEAD)).chain(records).collect()
    }
}

/// A headless Service whose endpoint changes in the course of a measurement.
pub(crate) const CHANGING: &str = "changing.namespace-0.svc.cluster.local";

fn changing_service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "changing", "namespace": namespace(0)},
        "spec": {
            "type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"], "ipFamilies": ["IPv4"],
            "selector": {"app": "changing"},
        },
    })
}

/// Returns the EndpointSlice of [`CHANGING`] in one of its versions, which has [`changing_address`] alone.
pub(crate) fn changing_slice(version: u16) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": "changing-1", "namespace": namespace(0), "labels": {"kubernetes.io/service-name": "changing"},
        },
        "endpoints": [{"addresses": [changing_address(version)], "conditions": {"ready": true}}],
        "ports": [],
    })
}

/// Returns the address of [`CHANGING`] in a version.
pub(crate) fn changing_address(version: u16) -> Ipv4Addr {
    let [high, low] = version.to_be_bytes();
    Ipv4Addr::new(10, 200, high, low)
}

/// The pod with the client's address, which `autopath` looks for.
fn client() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client", "namespace": namespace(0)},
        "spec": {"containers": []},
        "status": {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]},
    })
}

/// Returns `example.com` as a zone file, for an upstream.
pub(crate) fn outside_zone() -> String {
    let records = (0..OUTSIDE).map(|i| {
        format!(
            "{}. 3600 A {}\n",
            outside(i),
            Ipv4Addr::from(u32::from(Ipv4Addr::new(192, 0, 2, 0)) + i % 256)
        )
    });
    std::iter::once(String::from(OUTSIDE_HEAD)).chain(records).collect()
}

/// Returns a name of `example.com`.
pub(crate) fn outside(number: u32) -> String {
    format!("www-{number}.example.com")
}

/// Returns the name of a namespace.
pub(crate) fn namespace(number: u32) -> String {
    format!("namespace-{number}")
}

#[cfg(test)]
mod tests {
    use super::{Cluster, changing_address, changing_slice};

    #[test]
    fn the_zones_and_the_objects_have_the_same_services() {
        let cluster = Cluster { services: 250 };
        let (objects, zone): (Vec<_>, _) = (cluster.objects().collect(), cluster.forward_zone());
        let count = |kind| objects.iter().filter(|object| object["kind"] == kind).count();
        assert_eq!((count("Service"), count("EndpointSlice")), (251, 251));
        assert_eq!((count("Namespace"), count("Pod")), (3, 1));
        assert!(objects.iter().any(|object| object["spec"]["clusterIP"] == "10.96.1.249"));
        assert!(zone.contains("\nservice-249.namespace-2.svc.cluster.local. A 10.96.1.249\n"));
        assert!(cluster.reverse_zone().contains("\n249.1.96.10.in-addr.arpa. PTR service-249."));
    }

    #[test]
    fn every_version_of_the_slice_has_another_address() {
        let slice = changing_slice(258);
        assert_eq!(slice["endpoints"][0]["addresses"][0], "10.200.1.2");
        assert_ne!(changing_address(258), changing_address(259));
    }
}
