//! `portolan ipam-controller --service-addresses`, where the API server gives Services nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;

use portolan_tests::ipam_controller::{Controller, NodeCluster, SOON};
use portolan_tests::stage::Stage;
use serde_json::{Value, json};
use test_apiserver::{Cut, WriteFault};

/// The flags of a role that is only about Services.
fn flags(more: &[&'static str]) -> Vec<&'static str> {
    let own = ["--allocate-node-cidrs=false", "--service-addresses"];
    [&SOON[..], &own, more].concat()
}

const BOTH: &str = "--service-cidrs=10.96.0.0/20,fd00:10:96::/112";

fn put(cluster: &NodeCluster, name: &str, spec: Value) {
    let namespace = cluster.stage.namespace();
    cluster.stage.put(json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }));
}

fn services(cluster: &NodeCluster) -> BTreeMap<String, Value> {
    let path = format!("/api/v1/namespaces/{}/services", cluster.stage.namespace());
    let named = |service: Value| {
        (service["metadata"]["name"].as_str().unwrap().to_owned(), service["spec"].clone())
    };
    cluster.list(&path).into_iter().map(named).collect()
}

fn ips(spec: &Value) -> Vec<String> {
    let ips = spec["clusterIPs"].as_array().into_iter().flatten();
    ips.map(|ip| ip.as_str().unwrap().to_owned()).collect()
}

/// The addresses that IPAddress objects give, with the Service of each.
fn objects(cluster: &NodeCluster) -> BTreeMap<String, String> {
    let list = cluster.list("/apis/networking.k8s.io/v1/ipaddresses");
    let named = |address: &Value| {
        let name = address["metadata"]["name"].as_str().unwrap().to_owned();
        (name, address["spec"]["parentRef"]["name"].as_str().unwrap().to_owned())
    };
    list.iter().map(named).collect()
}

/// Checks that each address has one Service, and its object says so.
fn each_address_has_one_owner(cluster: &NodeCluster) {
    let mut owners = BTreeMap::new();
    for (name, spec) in services(cluster) {
        for ip in ips(&spec).into_iter().filter(|ip| ip != "None") {
            assert_eq!(owners.insert(ip.clone(), name.clone()), None, "{ip} of {name}");
        }
    }
    cluster.until("an object for each address", || objects(cluster), |objects| *objects == owners);
}

fn problems(controller: &mut Controller, reason: &str) -> f64 {
    controller.metric("portolan_ipam_problems_total", reason)
}

/// While writes fail and answers are lost, and over a change of the leader.
#[test]
fn every_service_gets_its_addresses_in_a_storm() {
    let Some(stage) = Stage::without_service_addresses() else { return };
    let cluster = NodeCluster::new(stage);
    for number in 0..80 {
        let spec = match number % 4 {
            0 => json!({"ports": [{"port": 80}], "ipFamilyPolicy": "RequireDualStack"}),
            1 => {
                json!({"ports": [{"port": 53, "protocol": "UDP", "name": "u"}, {"port": 53, "name": "t"}, {"port": 80, "name": "w"}], "type": "NodePort"})
            }
            2 => json!({"ports": [{"port": 80}], "clusterIP": "None"}),
            _ => json!({"ports": [{"port": 80}]}),
        };
        put(&cluster, &format!("s{number}"), spec);
    }
    let faults = cluster.stage.faults();
    faults.duplicate_events(true);
    for (every, fault) in [
        (9, WriteFault::Refused(500)),
        (13, WriteFault::AnswerLost),
        (17, WriteFault::Refused(409)),
    ] {
        faults.fail_writes(every, fault);
    }
    let slow: Vec<&str> = flags(&[BOTH])
        .into_iter()
        .map(|flag| if flag.starts_with("--writes") { "--writes-per-second=200" } else { flag })
        .collect();
    let mut first = cluster.controller(&slow);
    first.leads();
    let mut second = cluster.controller(&slow);
    cluster.until("some addresses", || objects(&cluster).len(), |count| *count > 20);
    first.server.signal("KILL");
    first.server.wait();
    second.leads();
    cluster.stage.faults().cut_watches(Cut::Reset);
    let wanted = |name: &str| match name[1..].parse::<u32>().unwrap() % 4 {
        0 => 2,
        // Headless.
        2 => 0,
        _ => 1,
    };
    let all = cluster.until(
        "addresses of every Service",
        || services(&cluster),
        |all| all.iter().all(|(name, spec)| ips(spec).len() == wanted(name)),
    );
    cluster.stage.faults().clear();
    each_address_has_one_owner(&cluster);
    let mut ports = BTreeMap::new();
    for (name, spec) in all.iter().filter(|(_, spec)| spec["type"] == "NodePort") {
        let given: Vec<u64> = spec["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| port["nodePort"].as_u64().unwrap())
            .collect();
        assert!(given[0] == given[1] && given[0] != given[2], "{name}: {given:?}");
        for port in [given[0], given[2]] {
            assert!((30_086..=32_767).contains(&port), "of the upper band");
            assert_eq!(ports.insert(port, name.clone()), None, "{port} of {name}");
        }
    }
    let range = cluster.list("/apis/networking.k8s.io/v1/servicecidrs");
    assert_eq!(range[0]["spec"]["cidrs"], json!(["10.96.0.0/20", "fd00:10:96::/112"]));
    cluster.until(
        "a ServiceCIDR that is ready",
        || cluster.list("/apis/networking.k8s.io/v1/servicecidrs")[0]["status"].clone(),
        |status| status["conditions"][0]["status"] == "True",
    );
    // What is gone leaves its address, and what comes gets one.
    cluster.stage.delete("Service", "s0");
    put(&cluster, "late", json!({"ports": [{"port": 80}]}));
    cluster.until("the last one", || ips(&services(&cluster)["late"]), |ips| ips.len() == 1);
    each_address_has_one_owner(&cluster);
}

/// What is wrong is told, and taken from nobody.
#[test]
fn what_is_wrong_with_services_is_told() {
    let Some(stage) = Stage::without_service_addresses() else { return };
    let cluster = NodeCluster::new(stage);
    let namespace = cluster.stage.namespace().to_owned();
    let plain = || json!({"ports": [{"port": 80}]});
    let with = |ip: &str| json!({"ports": [{"port": 80}], "clusterIP": ip, "clusterIPs": [ip]});
    put(&cluster, "outside", with("10.99.0.1"));
    put(&cluster, "unclaimed", with("10.96.0.1"));
    let mut controller = cluster.controller(&flags(&["--service-cidrs=10.96.0.0/30"]));
    put(&cluster, "last", plain());
    cluster.until(
        "the last address",
        || ips(&services(&cluster)["last"]),
        |ips| ips == &["10.96.0.2"],
    );
    put(&cluster, "none", plain());
    put(&cluster, "both", json!({"ports": [{"port": 80}], "ipFamilyPolicy": "RequireDualStack"}));
    let event = |name: &str, reason: &str| {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        let is_it =
            |event: &Value| event["regarding"]["name"] == *name && event["reason"] == *reason;
        let look = || {
            let events = cluster.list(&path);
            events.iter().find(|event| is_it(event)).map(|event| event["note"].to_string())
        };
        cluster.until(&format!("{reason} of {name}"), look, Option::is_some).unwrap()
    };
    assert!(event("outside", "ClusterIPOutOfRange").contains("add a ServiceCIDR with it"));
    assert!(event("unclaimed", "ClusterIPNotAllocated").contains("it gets one"));
    assert!(event("none", "ClusterIPNotAvailable").contains("add a ServiceCIDR"));
    assert!(event("both", "ClusterIPNotAvailable").contains("no range of IPv6"));
    assert!(problems(&mut controller, "ClusterIPNotAvailable") >= 2.0);
    cluster.until(
        "the gauge",
        || controller.metric("portolan_ipam_services_without_addresses", ""),
        |value| *value >= 2.0,
    );
    assert_eq!(ips(&services(&cluster)["outside"]), ["10.99.0.1"]);
    // Another range: what waited gets its address.
    cluster.stage.put(json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "more"},
        "spec": {"cidrs": ["10.97.0.0/24"]},
    }));
    cluster.until("an address", || ips(&services(&cluster)["none"]), |ips| ips.len() == 1);
    // The primary address may not change.
    put(&cluster, "unclaimed", with("10.96.0.9"));
    assert!(event("unclaimed", "ClusterIPChanged").contains("write 10.96.0.1 again"));
}

/// It does nothing that its account is not given, and a dry run nothing at all.
#[test]
fn it_asks_for_what_its_rules_allow() {
    let Some(stage) = Stage::without_service_addresses() else { return };
    let cluster = NodeCluster::new(stage);
    put(&cluster, "a", json!({"ports": [{"port": 80}], "type": "NodePort"}));
    let output = cluster.command(&flags(&[BOTH, "--dry-run"])).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("ServiceCIDR kubernetes: 10.96.0.0/20, fd00:10:96::/112; there is none"),
        "{text}"
    );
    assert!(output.status.success());
    assert_eq!(cluster.writes("servicecidrs") + cluster.writes("services"), 0);
    let mut controller = cluster.controller(&flags(&[BOTH]));
    cluster.until("an address", || ips(&services(&cluster)["a"]), |ips| ips.len() == 1);
    // Now that the range is there, a Service without addresses shows what it would get.
    controller.server.signal("TERM");
    assert!(controller.server.wait().success());
    put(&cluster, "b", json!({"ports": [{"port": 80}]}));
    let output = cluster.command(&flags(&[BOTH, "--dry-run"])).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let service = format!("created for Service {}/b", cluster.stage.namespace());
    assert!(text.contains(&service), "{text}");
    let mut controller = cluster.controller(&flags(&[BOTH]));
    cluster.until("an address", || ips(&services(&cluster)["b"]), |ips| ips.len() == 1);
    cluster.stage.delete("Service", "a");
    each_address_has_one_owner(&cluster);
    controller.server.signal("TERM");
    assert!(controller.server.wait().success());
    let more = cluster.asked_beyond_its_rules();
    assert!(more.is_empty(), "not allowed: {more:?}");
}
