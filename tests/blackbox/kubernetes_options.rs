//! Options of `kubernetes` and `k8s_external`: what they change as a client or the API server sees it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portolan_tests::dig::dig;
use portolan_tests::server::{Server, write};
use portolan_tests::stage::{Look, Stage, until};
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
    // Each wait is a second; the API server and this machine add what they like.
    let slow = synced("apiserver_qps 1\napiserver_burst 1");
    assert!(slow >= Duration::from_secs(2), "the second and third wait: {slow:?}");
    let some = synced("apiserver_qps 1\napiserver_burst 2");
    assert!(some >= Duration::from_secs(1) && some < slow, "the third waits: {some:?}, {slow:?}");
    let burst = synced("apiserver_qps 1");
    assert!(burst < slow, "ten go at once: {burst:?}, {slow:?}");
}

/// An API server that answers nothing and counts requests.
struct Silent {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Silent {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let count = Arc::clone(&count);
                std::thread::spawn(move || {
                    let lines = BufReader::new(connection.unwrap()).lines();
                    for line in lines.map_while(Result::ok) {
                        if line.starts_with("GET ") {
                            count.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }

    /// Starts a server that asks this one.
    fn ask(&self, option: &str) -> Server {
        Server::launch(&format!(
            ".:0 {{\nkubernetes cluster.local {{\nendpoint http://{}\n{option}\n}}\n}}\n",
            self.address
        ))
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

#[test]
fn no_more_requests_are_under_way_than_the_option_says() {
    let limited = [1, 2].map(|most| {
        let api = Silent::start();
        let server = api.ask(&format!("apiserver_max_inflight {most}"));
        (most, api, server)
    });
    for (most, api, _) in &limited {
        until("as many as allowed", || api.requests(), |requests| requests >= most);
    }
    // Services, EndpointSlices and Namespaces are listed at once; by then the others would have been, too.
    let free = Silent::start();
    let _server = free.ask("");
    until("a request for each kind", || free.requests(), |requests| *requests >= 3);
    for (most, api, _) in &limited {
        assert_eq!(api.requests(), *most);
    }
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
