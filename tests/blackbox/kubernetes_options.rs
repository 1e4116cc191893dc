//! Options of `kubernetes` and `k8s_external`: what they change as a client or the API server sees it.

use std::time::{Duration, Instant};

use portolan_tests::dig::dig;
use portolan_tests::server::{Server, write};
use portolan_tests::stage::{Look, Stage};
use test_apiserver::Flavour;

/// Two Services in two namespaces with labels: `web.shop` and `db.shop` of team a, `web.back` of team b.
const CLUSTER: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: Namespace
metadata: {name: back, labels: {team: b}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {clusterIP: 10.96.0.2, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: back, labels: {app: web}}
spec: {clusterIP: 10.96.0.3, ports: [{port: 80}]}
";

#[test]
fn kubernetes_serves_what_selectors_choose() {
    let directory = tempfile::tempdir().unwrap();
    let manifests = directory.path().join("cluster.yaml");
    write(&manifests, CLUSTER);
    for (option, web, db, other) in [
        ("", "NOERROR", "NOERROR", "NOERROR"),
        ("namespaces shop", "NOERROR", "NOERROR", "NXDOMAIN"),
        ("namespace_labels team=a", "NOERROR", "NOERROR", "NXDOMAIN"),
        ("namespace_labels team in (b, c)", "NXDOMAIN", "NXDOMAIN", "NOERROR"),
        ("labels app=web", "NOERROR", "NXDOMAIN", "NOERROR"),
    ] {
        let server = Server::start(&format!(
            ".:0 {{\nkubernetes cluster.local {{\nmanifests {}\n{option}\n}}\n}}\n",
            manifests.display()
        ));
        let seen = ["web.shop", "db.shop", "web.back"]
            .map(|name| dig(server.address(), &format!("{name}.svc.cluster.local")).status);
        assert_eq!(seen, [web, db, other], "{option}");
    }
}

/// The server needs a request for each of three kinds before it is ready.
#[test]
fn the_api_server_is_asked_as_fast_as_the_options_say() {
    let reason = "a real API server may take its time";
    let Some(stage) = Stage::in_process(reason) else { return };
    let synced = |options: &str| {
        let start = Instant::now();
        let options = format!("startup_timeout 30s\n{options}");
        let corefile = Stage::corefile(&stage.access(Flavour::Token), &options, None);
        let server = Server::start(&corefile);
        assert!(Look::at(&server).a("nobody.default.svc.cluster.local.").starts_with("NXDOMAIN"));
        start.elapsed()
    };
    let slow = synced("apiserver_qps 1\napiserver_burst 1");
    assert!(slow >= Duration::from_secs(2), "the second and third wait a second each: {slow:?}");
    let some = synced("apiserver_qps 1\napiserver_burst 2");
    assert!((1000..1900).contains(&some.as_millis()), "the third waits a second: {some:?}");
    let burst = synced("apiserver_qps 1");
    assert!(burst < Duration::from_secs(1), "ten go at once: {burst:?}");
}

/// A headless Service with an endpoint of a pod, one without endpoints, and one of a set of clusters.
const NAMESPACE: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, ports: [{name: sql, port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-a, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: sql, port: 5432, protocol: TCP}]
endpoints:
- addresses: [10.1.0.1]
  zone: west
  targetRef: {kind: Pod, name: db-0, namespace: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: {name: web, namespace: shop}
spec: {type: ClusterSetIP, ips: [10.96.0.50], ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: shop}
status: {phase: Running, podIP: 10.1.0.1, podIPs: [{ip: 10.1.0.1}]}
";

#[test]
fn kubernetes_answers_as_its_options_say() {
    let directory = tempfile::tempdir().unwrap();
    let manifests = directory.path().join("cluster.yaml");
    write(&manifests, NAMESPACE);
    let pod_name = "db-0.db.shop.svc.cluster.local";
    let headless = "db.shop.svc.cluster.local";
    let service = "web.shop.svc.cluster.local";
    let (pod, nobody) = ("10-1-0-1.shop.pod.cluster.local", "10-1-0-7.shop.pod.cluster.local");
    let zone = "west.pin._zone.db.shop.svc.cluster.local";
    let protocol = "_tcp.db.shop.svc.cluster.local";
    let imported = "web.shop.svc.clusterset.local";
    let external = "db.shop.example.org";
    for (options, beside, cases) in [
        (
            "",
            "",
            vec![
                (pod_name, "NXDOMAIN"),
                (headless, "NOERROR 5 10.1.0.1"),
                (service, "NOERROR 5 10.96.0.1"),
                (pod, "NXDOMAIN"),
                (nobody, "NXDOMAIN"),
                (zone, "NXDOMAIN"),
                (protocol, "NXDOMAIN"),
                (imported, "NOERROR 5 10.96.0.1"),
                (external, "NXDOMAIN"),
            ],
        ),
        ("endpoint_pod_names", "", vec![(pod_name, "NOERROR 5 10.1.0.1")]),
        ("noendpoints", "", vec![(headless, "NXDOMAIN"), (service, "NOERROR 5 10.96.0.1")]),
        ("ignore empty_service", "", vec![(service, "NXDOMAIN")]),
        ("pods insecure", "", vec![(pod, "NOERROR 5 10.1.0.1"), (nobody, "NOERROR 5 10.1.0.7")]),
        ("pods verified", "", vec![(pod, "NOERROR 5 10.1.0.1"), (nobody, "NXDOMAIN")]),
        ("zonal", "", vec![(zone, "NOERROR 5 10.1.0.1")]),
        ("strict", "", vec![(protocol, "NOERROR")]),
        ("ttl 77", "", vec![(service, "NOERROR 77 10.96.0.1")]),
        ("multicluster clusterset.local", "", vec![(imported, "NOERROR 5 10.96.0.50")]),
        ("", "headless", vec![(external, "NOERROR 5 10.1.0.1")]),
        ("", "headless\nttl 9", vec![(external, "NOERROR 9 10.1.0.1")]),
    ] {
        let server = Server::start(&format!(
            ".:0 {{\nkubernetes cluster.local clusterset.local {{\nmanifests {}\n{options}\n}}\n\
             k8s_external example.org {{\n{beside}\n}}\n}}\n",
            manifests.display()
        ));
        for (name, expected) in cases {
            let reply = dig(server.address(), name);
            // Owner, TTL, class, type and address.
            let records = reply.answer.iter().map(|record| {
                let words: Vec<&str> = record.split(' ').collect();
                format!(" {} {}", words[1], words[4])
            });
            let seen = reply.status.clone() + &records.collect::<String>();
            assert_eq!(seen, expected, "{options} {beside}: {name}");
        }
    }
}
