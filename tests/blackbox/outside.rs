//! Names beyond the Services of one cluster: those of a set of clusters, and those outside of any.

use portolan_tests::dig::dig;
use portolan_tests::server::{Server, write};
use portolan_tests::stage::{Look, Stage, metric, readiness, until};
use serde_json::json;
use test_apiserver::{Extent, Flavour};

/// A server with a zone of a set of clusters and one of external names.
fn corefile(stage: &Stage) -> String {
    let corefile =
        Stage::corefile(&stage.access(Flavour::Token), "multicluster clusterset.local", None);
    corefile
        .replace("kubernetes cluster.local", "kubernetes cluster.local clusterset.local")
        .replace("    errors\n", "    errors\n    k8s_external example.org 2.0.192.in-addr.arpa\n")
}

fn import(stage: &Stage, name: &str) {
    stage.put(json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1",
        "kind": "ServiceImport",
        "metadata": {"name": name, "namespace": stage.namespace()},
        "spec": {"type": "ClusterSetIP", "ips": ["10.110.0.1"], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    }));
}

#[test]
fn services_of_a_set_of_clusters_come_from_the_api() {
    let stage = Stage::new();
    import(&stage, "shared");
    let server = Server::start(&corefile(&stage));
    let mut look = Look::at(&server);
    let name = |name: &str| stage.name(name).replace("cluster.local", "clusterset.local");
    look.until_a(&name("shared"), "NOERROR A 10.110.0.1");
    assert_eq!(look.a(&name("later")), "NXDOMAIN");
    import(&stage, "later");
    look.until_a(&name("later"), "NOERROR A 10.110.0.1");
    assert_eq!(look.a(&stage.name("later")), "NXDOMAIN");
}

#[test]
fn a_cluster_without_imports_serves_its_other_zones() {
    let Some(stage) = Stage::in_process("no real cluster loses a resource on demand") else {
        return;
    };
    let address = stage.service("web", json!({}));
    stage.faults().limit_to("serviceimports");
    stage.faults().answer(404, Extent::UntilOff);
    let mut server = Server::start(&corefile(&stage));
    server.wait_for_line("CustomResourceDefinition serviceimports.multicluster.x-k8s.io");
    until("ready", || readiness(&mut server), |reply| *reply == (200, "OK".to_owned()));
    let mut look = Look::at(&server);
    look.until_a(&stage.name("web"), &format!("NOERROR A {address}"));
    assert_eq!(look.a(&stage.name("nobody")), "NXDOMAIN");
    let shared = stage.name("shared").replace("cluster.local", "clusterset.local");
    assert_eq!(look.a(&shared), "SERVFAIL");
    assert!(metric(&mut server, "portolan_snapshot_age_seconds", "") < 31.0);
    import(&stage, "shared");
    stage.faults().clear();
    look.until_a(&shared, "NOERROR A 10.110.0.1");
}

#[test]
fn external_addresses_come_from_the_api() {
    let stage = Stage::new();
    let server = Server::start(&corefile(&stage));
    let mut look = Look::at(&server);
    let name = format!("web.{}.example.org.", stage.namespace());
    assert_eq!(look.a(&name), "NXDOMAIN");
    stage.service("web", json!({"externalIPs": ["192.0.2.7"]}));
    look.until_a(&name, "NOERROR A 192.0.2.7");
    look.until("7.2.0.192.in-addr.arpa.", "PTR", &format!("NOERROR PTR {name}"));
}

#[test]
fn load_balancers_come_from_manifests() {
    let directory = tempfile::tempdir().unwrap();
    let service = |name: &str, ingress: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec: {{type: LoadBalancer, clusterIP: 10.0.0.1, ports: [{{name: http, port: 80}}]}}\n\
             status: {{loadBalancer: {{ingress: [{ingress}]}}}}\n---\n"
        )
    };
    let text =
        service("ip", "{ip: 192.0.2.9}") + &service("name", "{hostname: ip.shop.example.org}");
    write(&directory.path().join("a.yaml"), &text);
    let server = Server::start(&format!(
        ".:0 {{\n    k8s_external example.org\n    kubernetes cluster.local {{\n        manifests {}\n    }}\n}}\n",
        directory.path().display()
    ));
    let address = server.address();
    assert_eq!(dig(address, "ip.shop.example.org").answer_data(), ["192.0.2.9"]);
    // The name of a load balancer is looked up through the server itself.
    assert_eq!(
        dig(address, "name.shop.example.org").answer_data(),
        ["192.0.2.9", "ip.shop.example.org."]
    );
    assert_eq!(dig(address, "_http._tcp.ip.shop.example.org SRV").status, "NOERROR");
    assert_eq!(dig(address, "nobody.shop.example.org").status, "NXDOMAIN");
}
