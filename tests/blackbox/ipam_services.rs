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

/// A Service that changes keeps what it needs and loses the rest, as with an API server that gives addresses itself.
#[test]
fn what_a_service_does_not_need_any_more_goes() {
    let Some(stage) = Stage::without_service_addresses() else { return };
    let cluster = NodeCluster::new(stage);
    put(&cluster, "a", json!({"ports": [{"port": 80}], "ipFamilyPolicy": "RequireDualStack"}));
    let local = json!({
        "ports": [{"port": 80}],
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
    });
    put(&cluster, "balancer", local);
    let _controller = cluster.controller(&flags(&[BOTH]));
    let of = |name: &str| services(&cluster)[name].clone();
    let both = cluster.until("both addresses", || ips(&of("a")), |ips| ips.len() == 2);
    let check = cluster.until(
        "a port for health checks",
        || of("balancer")["healthCheckNodePort"].as_u64(),
        Option::is_some,
    );
    let spec = of("balancer");
    let node_port = spec["ports"][0]["nodePort"].as_u64();
    assert!(node_port.is_some() && node_port != check, "{spec}");
    assert!((30_086..=32_767).contains(&check.unwrap()), "{spec}");

    let mut single = of("a");
    single["ipFamilyPolicy"] = json!("SingleStack");
    put(&cluster, "a", single);
    cluster.until("one address", || ips(&of("a")), |ips| *ips == both[..1]);
    assert_eq!(of("a")["ipFamilies"], json!(["IPv4"]));
    each_address_has_one_owner(&cluster);

    let mut everywhere = of("balancer");
    everywhere["externalTrafficPolicy"] = json!("Cluster");
    put(&cluster, "balancer", everywhere);
    let spec = cluster.until(
        "no port for health checks",
        || of("balancer"),
        |spec| spec["healthCheckNodePort"].is_null(),
    );
    assert_eq!(spec["ports"][0]["nodePort"].as_u64(), node_port);
    let mut inside = of("balancer");
    inside["type"] = json!("ClusterIP");
    put(&cluster, "balancer", inside);
    cluster.until(
        "no node port",
        || of("balancer")["ports"][0].clone(),
        |port| port["nodePort"].is_null() && port["port"] == 80,
    );
}

/// A ServiceCIDR that is deleted stays while addresses of it are given, and then for as long as others may not know.
#[test]
fn a_range_is_not_gone_before_its_addresses() {
    let Some(stage) = Stage::without_service_addresses() else { return };
    let cluster = NodeCluster::new(stage);
    let _controller = cluster.controller(&flags(&["--service-cidrs=10.96.0.0/30"]));
    let range = || {
        let ranges = cluster.list("/apis/networking.k8s.io/v1/servicecidrs");
        ranges.into_iter().find(|range| range["metadata"]["name"] == "more")
    };
    let condition = || range().map(|range| range["status"]["conditions"][0].clone());
    let is = |condition: &Option<Value>, status: &str| {
        condition.as_ref().is_some_and(|condition| condition["status"] == status)
    };
    cluster.stage.put(json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "more"},
        "spec": {"cidrs": ["10.97.0.0/24"]},
    }));
    cluster.until("a range that is ready", condition, |found| is(found, "True"));
    let kept = range().unwrap()["metadata"]["finalizers"].clone();
    assert_eq!(kept, json!(["networking.k8s.io/service-cidr-finalizer"]));
    for name in ["a", "b", "c"] {
        put(&cluster, name, json!({"ports": [{"port": 80}]}));
    }
    let all = || services(&cluster);
    let all = cluster.until("addresses", all, |all| all.values().all(|spec| ips(spec).len() == 1));
    let is_more = |spec: &Value| ips(spec)[0].starts_with("10.97.0.");
    assert!(all.values().any(is_more), "{all:?}");

    cluster.stage.wait(cluster.stage.cluster.delete("ServiceCIDR", "", "more")).unwrap();
    let kept = cluster.until("why it stays", condition, |found| is(found, "False")).unwrap();
    assert_eq!(kept["reason"], "Terminating");
    for (name, _) in all.iter().filter(|(_, spec)| is_more(spec)) {
        cluster.stage.delete("Service", name);
    }
    each_address_has_one_owner(&cluster);
    cluster.until("it is gone", range, Option::is_none);
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
