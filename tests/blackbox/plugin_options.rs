//! Options of plugins that only show in the whole server: what they change as a client or an operator sees it.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use portolan_tests::client::http_get;
use portolan_tests::dig::{dig, dig_in_vain};
use portolan_tests::namespace::inside;
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
    let slow = synced("apiserver_qps 1\napiserver_burst 1");
    assert!(slow >= Duration::from_secs(2), "the second and third wait a second each: {slow:?}");
    let some = synced("apiserver_qps 1\napiserver_burst 2");
    assert!((1000..1900).contains(&some.as_millis()), "the third waits a second: {some:?}");
    let burst = synced("apiserver_qps 1");
    assert!(burst < Duration::from_secs(1), "ten go at once: {burst:?}");
}

#[test]
fn runtime_metrics_are_there_when_asked_for() {
    for option in ["", "runtime_metrics"] {
        let mut server = Server::start(&format!(
            ".:0 {{\nprometheus 127.0.0.1:0 {{\n{option}\n}}\nwhoami\n}}\n"
        ));
        let (_, metrics) = http_get(server.endpoint("/metrics"), "/metrics");
        let is_there = metrics.contains("\nportolan_runtime_workers ");
        assert_eq!(is_there, !option.is_empty(), "{metrics}");
    }
}

#[test]
fn bind_takes_interfaces_without_what_except_names() {
    inside("bind_takes_interfaces_without_what_except_names", || {
        let server = Server::start(".:5300 {\nbind lo {\nexcept ::1\n}\nwhoami\n}\n");
        assert_eq!(dig(server.address(), "a.example").status, "NOERROR");
        let excepted = SocketAddr::new(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 5300);
        assert!(dig_in_vain(excepted, "a.example").contains("refused"));
    });
}

#[test]
fn loadbalance_weighs_by_its_file_and_prefers_networks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weights");
    let weights = |first: u8| format!("a.example\n10.0.0.{first} 255\n");
    let serve = |options: &str| {
        Server::start(&format!(
            ".:0 {{
                loadbalance {options}
                hosts {}/none {{
                    10.0.0.1 a.example
                    10.0.0.2 a.example
                }}
            }}",
            directory.path().display()
        ))
    };
    // Of 20 answers the other address is first in one of 256 each.
    let mostly = |server: &Server| {
        let first = |_| dig(server.address(), "a.example").answer[0].clone();
        let firsts: Vec<String> = (0..20).map(first).collect();
        [1, 2].map(|last| {
            let address = format!(" 10.0.0.{last}");
            firsts.iter().filter(|first| first.ends_with(&address)).count() > 14
        })
    };
    fs::write(&path, weights(1)).unwrap();
    let server = serve(&format!("weighted {} {{\nreload 20ms\n}}", path.display()));
    assert_eq!(mostly(&server), [true, false]);
    fs::write(&path, weights(2)).unwrap();
    until("the other weights", || mostly(&server), |seen| *seen == [false, true]);
    for preferred in [1, 2] {
        let server = serve(&format!("round_robin {{\nprefer 10.0.0.{preferred}/32\n}}"));
        assert_eq!(mostly(&server), [preferred == 1, preferred == 2]);
    }
}

#[test]
fn metadata_is_for_its_zones() {
    let mut server = Server::start(
        ".:0 {
            view inner
            metadata a.example
            log . \"{name} came by <{/view/name}>\"
            whoami
        }",
    );
    for (name, line) in [("x.a.example.", "<inner>"), ("x.b.example.", "<->")] {
        dig(server.address(), name);
        let seen = server.wait_for_line(name);
        assert!(seen.ends_with(&format!("{name} came by {line}")), "{seen}");
    }
}
