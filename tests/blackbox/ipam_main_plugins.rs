//! `portolan-ipam` as the IPAM plugin of Debian's `bridge` and `ptp`, on a node of namespaces.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::path::Path;

use portolan_tests::cni::{Node, held, names};
use portolan_tests::namespace::{inside_with_mounts, run};
use serde_json::{Value, json};

/// The versions that the plugins of Debian 12 (1.1.1) speak.
const VERSIONS: [&str; 6] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"];

/// The networks of a family: subnet and gateway.
const V4: (&str, &str) = ("10.99.0.0/24", "10.99.0.1");
const V6: (&str, &str) = ("fd00:99::/64", "fd00:99::1");

fn config(plugin: &str, version: &str, networks: &[(&str, &str)]) -> Value {
    let ranges: Vec<Value> = (networks.iter())
        .map(|(subnet, gateway)| json!([{"subnet": subnet, "gateway": gateway}]))
        .collect();
    let routes: Vec<Value> = (networks.iter())
        .map(|(subnet, _)| if subnet.contains(':') { "::/0" } else { "0.0.0.0/0" })
        .map(|destination| json!({"dst": destination}))
        .collect();
    json!({
        "cniVersion": version,
        "name": "net",
        "type": plugin,
        "bridge": "cni-test",
        "isGateway": true,
        "ipam": {"type": "portolan-ipam", "ranges": ranges, "routes": routes},
    })
}

/// Returns the addresses of a result of any version, without their prefix lengths.
fn addresses(result: &Value) -> Vec<String> {
    let old = ["ip4", "ip6"].map(|family| result[family]["ip"].clone());
    let listed = result["ips"].as_array().into_iter().flatten();
    let all = old.into_iter().chain(listed.map(|ip| ip["address"].clone()));
    let texts = all.filter_map(|address| address.as_str().map(str::to_owned));
    texts.map(|address| address.split('/').next().unwrap().to_owned()).collect()
}

/// Attaches two containers to each other at every version, checks and pings them, and detaches them.
fn attach(plugin: &str, networks: &[(&str, &str)]) {
    let node = Node::new();
    for version in VERSIONS {
        let config = config(plugin, version, networks);
        let containers = ["one", "two"].map(|name| {
            let id = format!("{name}-{}", version.replace('.', "-"));
            let netns = node.netns(&id);
            let added = node.call(plugin, "ADD", &id, &netns).run(&config);
            let result = added.ok();
            assert_eq!(result["cniVersion"], version, "{result}");
            assert_eq!(addresses(&result).len(), networks.len(), "{version}: {result}");
            (id, netns, result)
        });
        let others = addresses(&containers[1].2);
        for (_, gateway) in networks {
            node.within(&containers[0].1, &format!("ping -c 1 -W 10 {gateway}"));
        }
        for address in &others {
            node.within(&containers[0].1, &format!("ping -c 1 -W 10 {address}"));
        }
        for (id, netns, result) in &containers {
            let mut config = config.clone();
            config["prevResult"] = result.clone();
            if version >= "0.4.0" {
                node.call(plugin, "CHECK", id, netns).run(&config).ok();
            }
            // Twice, and the second time without anything to be found.
            node.call(plugin, "DEL", id, netns).run(&config).ok();
            run("ip", &["netns", "delete", id]);
            node.call(plugin, "DEL", id, "").run(&config).ok();
        }
    }
    assert_eq!(held(), [] as [String; 0]);
}

/// A node is switched to portolan-ipam and back while containers run.
#[test]
fn a_running_node_changes_from_host_local_and_back() {
    inside_with_mounts("a_running_node_changes_from_host_local_and_back", || {
        let node = Node::new();
        let config = |ipam: &str| {
            let mut config = config("bridge", "1.0.0", &[V4, V6]);
            config["ipam"]["type"] = json!(ipam);
            config["ipam"]["keepHostLocal"] = json!(true);
            config
        };
        let call = |ipam: &str, verb: &str, id: &str| {
            node.call("bridge", verb, id, &format!("/run/netns/{id}")).run(&config(ipam)).ok()
        };
        for id in ["a", "b", "c", "d"] {
            node.netns(id);
        }
        assert_eq!(addresses(&call("host-local", "ADD", "a")), ["10.99.0.2", "fd00:99::2"]);
        assert_eq!(addresses(&call("host-local", "ADD", "b")), ["10.99.0.3", "fd00:99::3"]);
        // What host-local gave out stays with whom it was given to.
        assert_eq!(addresses(&call("portolan-ipam", "ADD", "c")), ["10.99.0.4", "fd00:99::4"]);
        node.within("/run/netns/c", "ping -c 1 -W 10 10.99.0.2");
        call("portolan-ipam", "DEL", "a");
        assert_eq!(held(), ["10.99.0.3", "10.99.0.4", "fd00:99::3", "fd00:99::4"]);
        // And back: host-local goes on behind the last one, and frees what portolan-ipam gave out.
        assert_eq!(addresses(&call("host-local", "ADD", "d")), ["10.99.0.5", "fd00:99::5"]);
        for id in ["b", "c", "d"] {
            call("host-local", "DEL", id);
        }
        let left = names(Path::new("/var/lib/cni/networks/net"));
        let own = ["last_reserved_ip.0", "last_reserved_ip.1", "lock"];
        assert_eq!(left, own, "no lease is left");
    });
}

#[test]
fn bridge_ipv4() {
    inside_with_mounts("bridge_ipv4", || attach("bridge", &[V4]));
}

#[test]
fn bridge_ipv6() {
    inside_with_mounts("bridge_ipv6", || attach("bridge", &[V6]));
}

#[test]
fn bridge_dual_stack() {
    inside_with_mounts("bridge_dual_stack", || attach("bridge", &[V4, V6]));
}

#[test]
fn ptp_ipv4() {
    inside_with_mounts("ptp_ipv4", || attach("ptp", &[V4]));
}

#[test]
fn ptp_ipv6() {
    inside_with_mounts("ptp_ipv6", || attach("ptp", &[V6]));
}

#[test]
fn ptp_dual_stack() {
    inside_with_mounts("ptp_dual_stack", || attach("ptp", &[V4, V6]));
}
