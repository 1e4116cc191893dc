//! What is known of the client and of the name: metadata and search paths.

use std::net::IpAddr;

use cluster::{Object, Phase};
use hickory_proto::rr::LowerName;

use super::fixture::{World, namespace, pod};
use crate::kubernetes::{PodMode, host_domains, metadata, search_path};

fn world() -> World {
    let labelled = match pod("podns/web", "10.240.0.1 fd00::1", Phase::Running, false) {
        Object::Pod(pod) => {
            let labels = [("app.kubernetes.io/name", "web"), ("bar", "baz")].into_iter().collect();
            Object::Pod(std::sync::Arc::new(cluster::Pod { labels, ..(*pod).clone() }))
        }
        other => other,
    };
    World::empty()
        .add(namespace("podns"))
        .add(labelled)
        .add(pod("podns/done", "10.240.0.2", Phase::Running, true))
        .add(pod("a/on-the-node", "192.0.2.1", Phase::Running, false))
        .add(pod("b/on-the-node", "192.0.2.1", Phase::Running, false))
        .serving(&["cluster.local.", "clusterset.local.", "in-addr.arpa."])
        .with(|options| {
            options.pods = PodMode::Verified;
            options.multicluster = vec!["clusterset.local.".parse().unwrap()];
        })
}

fn ask(world: &World, name: &str, client: &str, label: &str) -> Option<String> {
    let (name, client): (LowerName, IpAddr) = (name.parse().unwrap(), client.parse().unwrap());
    metadata(&world.cluster(), &world.zone, &name, client, &format!("kubernetes/{label}"))
}

const LABELS: [&str; 9] = [
    "endpoint",
    "kind",
    "namespace",
    "port-name",
    "protocol",
    "service",
    "cluster",
    "zone",
    "parse-error",
];

/// Writes the labels of a name that are there as `label=value`.
fn labels(world: &World, name: &str) -> String {
    let value =
        |label: &&str| ask(world, name, "203.0.113.9", label).map(|v| format!("{label}={v}"));
    LABELS.iter().filter_map(value).collect::<Vec<_>>().join(" ")
}

#[test]
fn names_are_taken_apart_whether_or_not_they_exist() {
    let cases = [
        ("110 parse error", "foo.bar.notapod.cluster.local.", "parse-error=invalid query name"),
        (
            "110 pod",
            "10-240-0-1.podns.pod.cluster.local.",
            "endpoint= kind=pod namespace=podns port-name= protocol= service=10-240-0-1",
        ),
        (
            "110 Service",
            "s.ns.svc.cluster.local.",
            "endpoint= kind=svc namespace=ns port-name= protocol= service=s",
        ),
        (
            "110 port",
            "_http._tcp.s.ns.svc.cluster.local.",
            "endpoint= kind=svc namespace=ns port-name=http protocol=tcp service=s",
        ),
        (
            "110 endpoint",
            "ep.s.ns.svc.cluster.local.",
            "endpoint=ep kind=svc namespace=ns port-name= protocol= service=s",
        ),
        (
            "110 cluster",
            "ep.c1.s.ns.svc.clusterset.local.",
            "endpoint=ep kind=svc namespace=ns port-name= protocol= service=s cluster=c1",
        ),
        ("apex", "svc.cluster.local.", "endpoint= kind= namespace= port-name= protocol= service="),
        ("too long", "a.b.c.s.ns.svc.cluster.local.", "parse-error=invalid query name"),
        ("reverse", "4.3.2.1.in-addr.arpa.", "parse-error=invalid query name"),
        ("110 another zone", "example.com.", ""),
    ];
    let world = world();
    for (case, name, expected) in cases {
        assert_eq!(labels(&world, name), expected, "{case}");
    }
    let zonal = world.with(|options| options.zonal = true);
    assert_eq!(
        labels(&zonal, "corp.example.pin._zone.s.ns.svc.cluster.local."),
        "endpoint= kind=svc namespace=ns port-name= protocol= service=s zone=corp.example"
    );
    assert!(labels(&zonal, "s.ns.svc.cluster.local.").ends_with(" zone="));
}

#[test]
fn the_client_is_the_pod_with_its_address() {
    let cases = [
        ("110 namespace", "example.com.", "10.240.0.1", "client-namespace", Some("podns")),
        ("110 pod", "example.com.", "10.240.0.1", "client-pod-name", Some("web")),
        ("mapped", "example.com.", "::ffff:10.240.0.1", "client-pod-name", Some("web")),
        ("the other family", "example.com.", "fd00::1", "client-pod-name", Some("web")),
        ("110 label", "example.com.", "10.240.0.1", "client-label/bar", Some("baz")),
        (
            "110 label",
            "example.com.",
            "10.240.0.1",
            "client-label/app.kubernetes.io/name",
            Some("web"),
        ),
        ("no such label", "example.com.", "10.240.0.1", "client-label/foo", None),
        ("nobody", "example.com.", "10.240.0.9", "client-namespace", None),
        ("terminating", "example.com.", "10.240.0.2", "client-namespace", None),
        ("host network", "example.com.", "192.0.2.1", "client-namespace", Some("a")),
        ("host network", "x.b.svc.cluster.local.", "192.0.2.1", "client-namespace", Some("b")),
    ];
    let world = world();
    for (case, name, client, label, expected) in cases {
        assert_eq!(ask(&world, name, client, label).as_deref(), expected, "{case} {name} {client}");
    }
    let insecure = world.with(|options| options.pods = PodMode::Insecure);
    assert_eq!(ask(&insecure, "example.com.", "10.240.0.1", "client-namespace"), None);
}

#[test]
fn the_search_path_is_that_of_the_pod() {
    let world = world();
    let path = |name: &str, client: &str| {
        let apex = "cluster.local.".parse().unwrap();
        let (name, client) = (name.parse().unwrap(), client.parse().unwrap());
        let host = ["corp.example.", "kube-system.svc.cluster.local.", "Cluster.local.", "lab."];
        let host = host_domains(&world.zone, host.map(|name| name.parse().unwrap()).to_vec());
        let path = search_path(&world.cluster(), &world.zone, &apex, &name, client, &host)?;
        Some(path.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    };
    let of = |namespace: &str| {
        let own = format!("{namespace}.svc.cluster.local. svc.cluster.local. cluster.local.");
        // Those of the host are without its own namespace.
        Some(own + " corp.example. lab.")
    };
    assert_eq!(path("x.podns.svc.cluster.local.", "10.240.0.1"), of("podns"));
    assert_eq!(path("x.podns.svc.cluster.local.", "fd00::1"), of("podns"));
    assert_eq!(path("x.b.svc.cluster.local.", "192.0.2.1"), of("b"));
    assert_eq!(path("x.b.svc.cluster.local.", "10.240.0.9"), None);
}
