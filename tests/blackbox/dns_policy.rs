//! The four policies end to end: pods with the `resolv.conf` that `portolan resolv-conf` prints, on a node where
//! Portolan is the cluster's DNS and Knot DNS the resolver outside, asked by `dig +search` and `getent`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use portolan_tests::fixture;
use portolan_tests::knot::Knot;
use portolan_tests::namespace::{cover, inside_with_mounts, run};
use portolan_tests::pod::{Network, Pod};
use portolan_tests::server::{Server, binary};
use tempfile::TempPath;

/// Where the kubelet's configuration says that the cluster's DNS is.
const CLUSTER_DNS: &str = "10.96.0.10";

/// Its other address, which only one Pod knows.
const CLUSTER_DNS_V6: &str = "fd00:96::a";

/// The resolver of the node.
const UPSTREAM: &str = "192.0.2.53";

/// The node's own file.
const NODE_FILE: &str =
    "# by hand\nsearch corp.example.\nnameserver 192.0.2.53\noptions timeout:3\n";

/// What a Pod with the node's resolver gets.
const HOST_RESOLV_CONF: &str = "search corp.example\nnameserver 192.0.2.53\noptions timeout:3\n";

/// Names of the cluster in full, with their addresses: a Service, one of another namespace, a Pod, a Pod's hostname, and
/// an ExternalName outside and one inside of the cluster.
const FULL_CLUSTER_NAMES: [(&str, &str); 6] = [
    ("web.alpha.svc.cluster.local", "10.97.0.12"),
    ("web.beta.svc.cluster.local", "10.97.0.19"),
    ("10-244-1-3.alpha.pod.cluster.local", "10.244.1.3"),
    ("db-0.hl.alpha.svc.cluster.local", "10.244.1.6"),
    ("ext.alpha.svc.cluster.local", "192.0.2.80"),
    ("ext-in.alpha.svc.cluster.local.", "10.97.0.12"),
];

/// The same as a Pod of `alpha` may write them.
const SHORT_NAMES: [(&str, &str); 8] = [
    ("web", "10.97.0.12"),
    ("web.alpha", "10.97.0.12"),
    ("web.alpha.svc", "10.97.0.12"),
    ("web.beta", "10.97.0.19"),
    ("10-244-1-3.alpha.pod", "10.244.1.3"),
    ("db-0.hl", "10.244.1.6"),
    ("ext", "192.0.2.80"),
    ("ext-in", "10.97.0.12"),
];

/// Names outside.
const OUTSIDE: [(&str, &str); 3] = [
    ("www.example.com", "192.0.2.80"),
    ("example.com.", "192.0.2.80"),
    ("intranet.corp.example", "192.0.2.90"),
];

/// The node, with what runs on it.
struct Node {
    _upstream: Knot,
    _cluster_dns: Server,
    _file: TempPath,
}

impl Node {
    fn start() -> Self {
        for address in [CLUSTER_DNS, UPSTREAM] {
            run("ip", &["addr", "add", &format!("{address}/32"), "dev", "lo"]);
        }
        run("ip", &["addr", "add", &format!("{CLUSTER_DNS_V6}/128"), "dev", "lo", "nodad"]);
        let file = cover("/etc/resolv.conf", NODE_FILE);
        let address: SocketAddr = format!("{UPSTREAM}:53").parse().unwrap();
        let upstream = Knot::start(&fixture("dns-policy/upstream.zone"), address);
        // As kubeadm has it; the server's own Pod has the policy Default, so that it asks the node's resolver.
        let corefile = format!(
            ".:53 {{
    bind {CLUSTER_DNS} {CLUSTER_DNS_V6}
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        manifests {}
        pods verified
        fallthrough in-addr.arpa ip6.arpa
    }}
    forward . /etc/resolv.conf
    cache 30
}}
",
            fixture("dns-policy").display()
        );
        Self { _upstream: upstream, _cluster_dns: Server::start(&corefile), _file: file }
    }

    /// Starts a Pod of the fixture with the file that it gets, which has to be this one.
    fn pod(&self, name: &str, network: Network, expected: &str) -> Pod {
        let output = Command::new(binary())
            .args(["resolv-conf", "--pod", name, "--manifests"])
            .arg(fixture("dns-policy"))
            .arg("--kubelet-config")
            .arg(fixture("dns-policy/kubelet.yaml"))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {errors}");
        assert!(!errors.contains("warning"), "{name}: {errors}");
        let file = String::from_utf8(output.stdout).unwrap();
        assert_eq!(file, expected, "{name}");
        Pod::start(network, &file)
    }
}

/// Returns the network of the pod with this number.
fn own(number: u8) -> Network {
    Network::Own(Ipv4Addr::new(10, 244, 9, number))
}

/// Both resolvers find the names with their addresses, and nothing else.
fn assert_found(pod: &Pod, names: &[(&str, &str)]) {
    for (name, address) in names {
        let reply = pod.dig(name);
        assert_eq!(reply.status, "NOERROR", "{}", reply.text);
        let last = reply.answer.last().unwrap_or_else(|| panic!("{}", reply.text));
        assert_eq!(last.rsplit(' ').next(), Some(*address), "{}", reply.text);
        for database in ["hosts", "ahosts"] {
            let found = pod.getent(&format!("{database} {name}")).unwrap_or_default();
            let first = found.split_whitespace().next();
            assert_eq!(first, Some(*address), "getent {database} {name}: {found}");
        }
    }
}

/// Neither resolver finds the names: they do not exist, which is not the same as a failure to ask.
fn assert_not_found(pod: &Pod, names: &[&str]) {
    for name in names {
        let reply = pod.dig(name);
        assert_eq!(reply.status, "NXDOMAIN", "{}", reply.text);
        for database in ["hosts", "ahosts"] {
            assert_eq!(pod.getent(&format!("{database} {name}")), None, "{name}");
        }
    }
}

fn names<'a>(pairs: &[(&'a str, &str)]) -> Vec<&'a str> {
    pairs.iter().map(|(name, _)| *name).collect()
}

/// Addresses are found backwards.
fn assert_reverse(pod: &Pod, address: &str, name: &str) {
    let reply = pod.dig(&format!("-x {address}"));
    let record = reply.answer.first().unwrap_or_else(|| panic!("{}", reply.text));
    assert_eq!(record.rsplit(' ').next(), Some(format!("{name}.").as_str()), "{}", reply.text);
    let found = pod.getent(&format!("hosts {address}")).unwrap_or_default();
    assert_eq!(found.split_whitespace().collect::<Vec<_>>(), [address, name]);
}

fn assert_no_reverse(pod: &Pod, address: &str) {
    let reply = pod.dig(&format!("-x {address}"));
    assert_eq!(reply.status, "NXDOMAIN", "{}", reply.text);
    assert_eq!(pod.getent(&format!("hosts {address}")), None, "{address}");
}

/// The Pod sees the whole cluster and the world: what a Pod of `alpha` with the cluster's DNS finds.
fn assert_whole_cluster(pod: &Pod) {
    assert_found(pod, &FULL_CLUSTER_NAMES);
    assert_found(pod, &SHORT_NAMES);
    assert_found(pod, &OUTSIDE);
    // The search list of the host is behind that of the cluster.
    assert_found(pod, &[("intranet", "192.0.2.90")]);
    assert_not_found(pod, &["nosuch", "web.nosuch", "nosuch.example.com"]);
    // A Service of another namespace by its name alone.
    assert_found(pod, &[("only.gamma", "10.97.2.1")]);
    assert_not_found(pod, &["only"]);
    // No Pod has this address, or none in this namespace.
    assert_not_found(pod, &["10-244-1-99.alpha.pod", "10-244-1-3.beta.pod"]);
    assert_reverse(pod, "10.97.0.12", "web.alpha.svc.cluster.local");
    assert_reverse(pod, "10.244.1.6", "db-0.hl.alpha.svc.cluster.local");
    assert_reverse(pod, "192.0.2.90", "intranet.corp.example");
    assert_no_reverse(pod, "10.97.0.200");
}

/// The Pod sees what the node sees, and nothing of the cluster.
fn assert_host_only(pod: &Pod) {
    assert_found(pod, &OUTSIDE);
    assert_found(pod, &[("intranet", "192.0.2.90")]);
    assert_not_found(pod, &names(&FULL_CLUSTER_NAMES));
    assert_not_found(pod, &names(&SHORT_NAMES));
    assert_reverse(pod, "192.0.2.90", "intranet.corp.example");
    assert_no_reverse(pod, "10.97.0.12");
    assert_no_reverse(pod, "10.244.1.6");
}

fn cluster_resolv_conf(searches: &str, options: &str) -> String {
    let mut file = format!("search {searches}\nnameserver {CLUSTER_DNS}\n");
    let _ = writeln!(file, "options {options}");
    file
}

fn of_alpha() -> String {
    let searches = "alpha.svc.cluster.local svc.cluster.local cluster.local corp.example";
    cluster_resolv_conf(searches, "ndots:5")
}

#[test]
fn cluster_first_sees_the_cluster_and_the_world() {
    inside_with_mounts("cluster_first_sees_the_cluster_and_the_world", || {
        let node = Node::start();
        let pod = node.pod("alpha/first", own(1), &of_alpha());
        assert_whole_cluster(&pod);

        // A short name is one of the Pod's own namespace, until `dnsConfig` adds another one.
        let searches = "beta.svc.cluster.local svc.cluster.local cluster.local corp.example \
                        gamma.svc.cluster.local";
        let expected = cluster_resolv_conf(searches, "ndots:2 edns0");
        let pod = node.pod("beta/first", own(2), &expected);
        assert_found(&pod, &[("web", "10.97.0.19"), ("web.alpha", "10.97.0.12")]);
        assert_found(&pod, &[("only", "10.97.2.1"), ("ext", "192.0.2.80")]);
        // With `ndots:2`, a name with two dots is asked as it is at first: the search list costs it nothing.
        let asked = pod.run("dig +search +showsearch www.example.com");
        let asked = String::from_utf8_lossy(&asked.stdout).matches("->>HEADER<<-").count();
        assert_eq!(asked, 1);
    });
}

#[test]
fn default_sees_what_the_node_sees() {
    inside_with_mounts("default_sees_what_the_node_sees", || {
        let node = Node::start();
        let pod = node.pod("alpha/default", own(1), HOST_RESOLV_CONF);
        assert_host_only(&pod);
    });
}

#[test]
fn cluster_first_on_the_host_network_is_default() {
    inside_with_mounts("cluster_first_on_the_host_network_is_default", || {
        let node = Node::start();
        let pod = node.pod("alpha/on-host", Network::OfNode, HOST_RESOLV_CONF);
        assert_host_only(&pod);
    });
}

#[test]
fn cluster_first_with_host_net_sees_the_cluster_on_the_host_network() {
    inside_with_mounts("cluster_first_with_host_net_sees_the_cluster_on_the_host_network", || {
        let node = Node::start();
        let pod = node.pod("alpha/on-host-with-cluster", Network::OfNode, &of_alpha());
        assert_whole_cluster(&pod);
    });
}

#[test]
fn none_is_what_dns_config_says() {
    inside_with_mounts("none_is_what_dns_config_says", || {
        let node = Node::start();
        let pod = node.pod("alpha/none", own(1), "nameserver 10.96.0.10\n");
        assert_found(&pod, &FULL_CLUSTER_NAMES);
        assert_found(&pod, &OUTSIDE);
        assert_not_found(&pod, &names(&SHORT_NAMES));
        assert_not_found(&pod, &["intranet"]);
        assert_reverse(&pod, "10.97.0.12", "web.alpha.svc.cluster.local");

        let searches = "svc.cluster.local _tcp.corp.example.";
        let expected = cluster_resolv_conf(searches, "ndots:2");
        let pod = node.pod("alpha/none-with-searches", own(2), &expected);
        assert_found(&pod, &[("web.alpha", "10.97.0.12"), ("web.beta", "10.97.0.19")]);
        assert_found(&pod, &FULL_CLUSTER_NAMES);
        assert_not_found(&pod, &["web", "hl", "ext", "web.alpha.svc", "intranet"]);

        // Over IPv6, and with the root as the only search domain, which adds nothing to a name.
        let expected = format!("search .\nnameserver {CLUSTER_DNS_V6}\n");
        let pod = node.pod("alpha/none-over-ipv6", own(3), &expected);
        assert_found(&pod, &FULL_CLUSTER_NAMES);
        assert_found(&pod, &OUTSIDE);
        assert_not_found(&pod, &names(&SHORT_NAMES));
        let six = pod.getent("ahostsv6 six.hl6.alpha.svc.cluster.local").unwrap();
        assert!(six.starts_with("fd00:10:244::1:4d "), "{six}");
    });
}
