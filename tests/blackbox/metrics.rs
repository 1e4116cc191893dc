//! The metrics that dashboards and alerts of CoreDNS read, compared with `fixtures/metrics/coredns.txt`, and those of
//! Portolan's own that say what limits do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};

use portolan_tests::certificates::Certificates;
use portolan_tests::client::{UdpClient, http_get, query};
use portolan_tests::dig::dig;
use portolan_tests::fixture;
use portolan_tests::namespace::inside;
use portolan_tests::quic_client::{self, Version};
use portolan_tests::server::{PATIENCE, Server, write};
use portolan_tests::stage::{Stage, metric, ready, until};
use portolan_tests::upstream::Upstream;
use serde_json::json;
use test_apiserver::Flavour;

/// A family of metrics, without its values.
#[derive(Clone, PartialEq, Default, Debug)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
    /// Upper bounds, without the infinite one.
    buckets: Vec<f64>,
}

type Families = BTreeMap<String, Family>;

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|word| *word != "-")
}

/// Reads the fixture.
fn of_coredns() -> Families {
    let text = std::fs::read_to_string(fixture("metrics/coredns.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let family = |line: &str| {
        let mut columns = line.split_whitespace();
        let (name, kind) = (columns.next().unwrap(), columns.next().unwrap());
        let labels = words(columns.next().unwrap()).map(str::to_owned).collect();
        let buckets = columns.next().into_iter().flat_map(words);
        let buckets = buckets.map(|bound| bound.parse().unwrap()).collect();
        (name.to_owned(), Family { kind: kind.to_owned(), labels, buckets })
    };
    lines.map(family).collect()
}

/// Reads the text format of Prometheus.
fn shown(text: &str) -> Families {
    let mut families = Families::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            families.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let name = base.filter(|base| families.contains_key(*base)).unwrap_or(name);
            let family = families.get_mut(name).unwrap();
            for (label, value) in labels(line) {
                match value.parse() {
                    _ if label != "le" => _ = family.labels.insert(label),
                    Ok(bound) if !family.buckets.contains(&bound) && f64::is_finite(bound) => {
                        family.buckets.push(bound);
                    }
                    _ => {}
                }
            }
        }
    }
    families
}

/// Returns the labels of a sample; no value in these tests has `",` in it.
fn labels(line: &str) -> Vec<(String, String)> {
    let Some((_, rest)) = line.split_once('{') else { return Vec::new() };
    let rest = rest.rsplit_once("\"}").unwrap().0;
    let pair = |text: &str| {
        let (label, value) = text.split_once("=\"").unwrap();
        (label.to_owned(), value.to_owned())
    };
    rest.split("\",").map(pair).collect()
}

/// A pod at the address of the client, for `autopath`.
const POD: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: alpha}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: alpha}
status: {phase: Running, podIP: 127.0.0.1, podIPs: [{ip: 127.0.0.1}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: alpha}
spec: {clusterIP: 10.97.0.12, ports: [{port: 80}]}
";

/// `access` is the line of a `kubernetes` block that reads an API server.
fn corefile(upstream: SocketAddr, directory: &str, access: &str) -> String {
    format!(
        "\
.:5300 {{
    errors
    local
    health 127.0.0.1:8080
    prometheus 127.0.0.1:9153
    acl blocked.example {{
        block type MX
        filter type TXT
        drop type SRV
    }}
    template ANY ANY template.example {{
        match ^broken
        answer \"{{{{ index .Group \\\"x\\\" \\\"y\\\" }}}}\"
        fallthrough
    }}
    template ANY ANY template.example {{
        match ^no
        answer \"{{{{ .Name }}}} 5 IN A {{{{ .Type }}}}\"
        fallthrough
    }}
    template ANY ANY template.example {{
        answer \"{{{{ .Name }}}} 5 IN A 192.0.2.7\"
    }}
    hosts {{
        192.0.2.8 host.example
        fallthrough
    }}
    autopath @kubernetes
    cache 30 {{
        serve_stale
    }}
    dns64 {{
        allow_ipv4
    }}
    kubernetes cluster.local {{
        pods verified
        manifests {directory}/pod.yaml
    }}
    forward dead.example 127.0.0.9 {{
        health_check 100ms
    }}
    forward . {upstream} {{
        force_tcp
    }}
}}
api.local:5300 {{
    kubernetes api.local {{
        {access}
    }}
}}
"
    )
}

/// A server block for the transports that count their responses.
fn encrypted(certificates: &Certificates) -> String {
    let tls = certificates.line();
    format!("https://.:5301 https3://.:5302 quic://.:5303 {{\n    {tls}\n    whoami\n}}\n")
}

/// Asks once over each transport of [`encrypted`].
fn ask_encrypted(certificates: &Certificates) {
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(dig(at(5301), "a.example +https").status, "NOERROR");
    for (port, version) in [(5302, Version::Http3), (5303, Version::Quic)] {
        let question = query(0, "a.example.", "A", 1232);
        let authority = certificates.path("ca.pem");
        quic_client::ask(at(port), &authority, "dns.test", version, question).unwrap();
    }
}

#[test]
fn families_are_those_of_coredns() {
    inside("families_are_those_of_coredns", || {
        let upstream = Upstream::start(&fixture("dns-cases/upstream.zone")).address;
        let directory = tempfile::tempdir().unwrap();
        write(&directory.path().join("pod.yaml"), POD);
        let stage = Stage::local();
        stage.headless("db");
        let access = stage.access(Flavour::Token);
        let certificates = Certificates::new();
        let text = corefile(upstream, &directory.path().display().to_string(), &access);
        let server = Server::start(&(text + &encrypted(&certificates)));
        stage.wait(stage.faults().wait_for_open_watches(3));
        stage.put(json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "db",
                "namespace": stage.namespace(),
                "labels": {"kubernetes.io/service-name": "db"},
                "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z"},
            },
            "addressType": "IPv4",
            "endpoints": [ready("10.23.0.1")],
        }));
        ask_encrypted(&certificates);
        let mut client = UdpClient::new(server.address());
        for (name, qtype) in [
            ("web.alpha.svc.cluster.local.", "A"),
            ("example.com.alpha.svc.cluster.local.", "A"),
            ("example.com.", "A"),
            ("example.com.", "A"),
            ("example.com.", "AAAA"),
            ("db.example.net.", "AAAA"),
            ("host.example.", "A"),
            ("localhost.", "A"),
            ("x.template.example.", "A"),
            ("no.template.example.", "A"),
            ("broken.template.example.", "A"),
            ("x.blocked.example.", "MX"),
            ("x.blocked.example.", "TXT"),
            ("x.dead.example.", "A"),
        ] {
            client.ask(name, qtype, 1232);
        }
        let mut wants_dnssec = query(6, "example.com.", "A", 1232);
        wants_dnssec.edns.as_mut().unwrap().set_dnssec_ok(true);
        client.exchange(&wants_dnssec.to_vec().unwrap());
        client.send(&query(7, "x.blocked.example.", "SRV", 1232).to_vec().unwrap());
        let failures = "coredns_forward_healthcheck_failures_total{";
        let metrics = || http_get("127.0.0.1:9153".parse().unwrap(), "/metrics").1;
        let programming = "coredns_kubernetes_dns_programming_duration_seconds_count{";
        until("a failed probe, a drop and a change", metrics, |text| {
            let dropped = "coredns_acl_dropped_requests_total{";
            [failures, programming, dropped].iter().all(|name| text.contains(name))
        });
        let text = metrics();
        let shown: Families =
            shown(&text).into_iter().filter(|(name, _)| name.starts_with("coredns_")).collect();
        let expected = of_coredns();
        let differing: Vec<_> =
            expected.iter().filter(|(name, family)| shown.get(*name) != Some(family)).collect();
        assert!(differing.is_empty(), "expected {differing:#?} in {shown:#?}");
        let names = |families: &Families| families.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&shown), names(&expected), "no family that CoreDNS has not");
        // What alerts compare.
        for sample in [
            "coredns_dns_requests_total{family=\"1\",proto=\"udp\",server=\"dns://:5300\",type=\"A\",view=\"\",zone=\".\"}",
            "coredns_dns_responses_total{plugin=\"kubernetes\",rcode=\"NOERROR\",server=\"dns://:5300\",view=\"\",zone=\".\"}",
            "coredns_dns_responses_total{plugin=\"forward\",rcode=\"SERVFAIL\",server=\"dns://:5300\",view=\"\",zone=\".\"}",
            "coredns_cache_entries{server=\"dns://:5300\",type=\"denial\",view=\"\",zones=\".\"}",
            "coredns_plugin_enabled{name=\"autopath\",server=\"dns://:5300\",view=\"\",zone=\".\"} 1",
        ] {
            assert!(text.contains(sample), "{sample} in {text}");
        }
    });
}

/// An upstream that takes queries and is silent, and a server of it.
fn silent() -> (UdpSocket, Server) {
    let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    upstream.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = upstream.local_addr().unwrap();
    let server = Server::start(&format!(
        ".:5300 {{\n    forward . {address} {{\n        max_concurrent 2\n        max_fails 0\n    }}\n}}\n"
    ));
    (upstream, server)
}

#[test]
fn forwards_under_way_are_counted_and_so_are_those_that_are_too_many() {
    inside("forwards_under_way_are_counted_and_so_are_those_that_are_too_many", || {
        let (upstream, mut server) = silent();
        let mut client = UdpClient::new(server.address());
        let under_way = |server: &mut Server| metric(server, "portolan_forward_in_flight", "");
        assert_eq!(under_way(&mut server), 0.0);
        for id in [1, 2] {
            client.send(&query(id, &format!("n{id}.example."), "A", 0).to_vec().unwrap());
            upstream.recv(&mut [0; 512]).unwrap();
        }
        assert_eq!(under_way(&mut server), 2.0);
        let refused = client.ask("n3.example.", "A", 0);
        assert_eq!(portolan_tests::records::rcode(&refused), "REFUSED");
        assert_eq!(metric(&mut server, "coredns_forward_max_concurrent_rejects_total", ""), 1.0);
        let reason = "reason=\"max_concurrent\"";
        assert_eq!(metric(&mut server, "portolan_forward_refused_total", reason), 1.0);
        until("none", || under_way(&mut server), |number| *number < 0.5);
    });
}

#[test]
fn the_memory_of_a_cache_grows_with_what_it_keeps() {
    let upstream = Upstream::start(&fixture("dns-cases/upstream.zone")).address;
    let mut server =
        Server::start(&format!(".:0 {{\n    cache 30\n    forward . {upstream}\n}}\n"));
    let mut client = UdpClient::new(server.address());
    let octets = |server: &mut Server, kind: &str| metric(server, "portolan_cache_bytes", kind);
    let mut before = (0.0, 0.0);
    for number in 0..10 {
        client.ask("example.com.", ["A", "MX", "TXT"][number % 3], 1232);
        client.ask(&format!("n{number}.nowhere.test."), "A", 1232);
        let after = (octets(&mut server, "\"success\""), octets(&mut server, "\"denial\""));
        assert!(after.1 >= before.1 + 100.0, "{number}: {before:?} {after:?}");
        assert!((number < 3) == (after.0 > before.0), "{number}: {before:?} {after:?}");
        before = after;
    }
}

#[test]
fn queries_outside_every_block_count_at_their_listener() {
    inside("queries_outside_every_block_count_at_their_listener", || {
        let endpoint = "prometheus 127.0.0.1:9153\n";
        let corefile = |ports: [u16; 2]| {
            let block = |port| format!("example.org:{port} {{\nwhoami\n{endpoint}}}\n");
            ports.map(block).concat()
        };
        let mut server = Server::start(&corefile([5300, 5301]));
        let ask = |port: u16, times: usize| {
            let mut client = UdpClient::new(SocketAddr::from(([127, 0, 0, 1], port)));
            for _ in 0..times {
                client.ask("outside.example.net", "A", 0);
            }
        };
        let assert_counted = |server: &mut Server, expected: &[(u16, f64)]| {
            for (port, count) in expected {
                let labels =
                    format!("server=\"dns://:{port}\",type=\"A\",view=\"\",zone=\"dropped\"");
                let counted = metric(server, "coredns_dns_requests_total", &labels);
                assert!((counted - count).abs() < 0.1, "{port}: {counted}, not {count}");
            }
        };
        ask(5300, 1);
        ask(5301, 2);
        assert_counted(&mut server, &[(5300, 1.0), (5301, 2.0)]);
        write(&server.directory.path().join("Corefile"), &corefile([5301, 5302]));
        server.signal("USR1");
        server.wait_for_line("Reloading complete");
        ask(5301, 1);
        ask(5302, 4);
        assert_counted(&mut server, &[(5300, 1.0), (5301, 3.0), (5302, 4.0)]);
    });
}

#[test]
fn queries_of_a_block_count_at_the_listener_where_they_came() {
    inside("queries_of_a_block_count_at_the_listener_where_they_came", || {
        let corefile =
            "example.org:5300 example.org:5301 {\nwhoami\nprometheus 127.0.0.1:9153\n}\n";
        let mut server = Server::start(corefile);
        for (port, times) in [(5300, 1_u16), (5301, 3)] {
            let mut client = UdpClient::new(SocketAddr::from(([127, 0, 0, 1], port)));
            for _ in 0..times {
                client.ask("a.example.org", "A", 0);
            }
            let labels =
                format!("server=\"dns://:{port}\",type=\"A\",view=\"\",zone=\"example.org.\"");
            let counted = metric(&mut server, "coredns_dns_requests_total", &labels);
            assert!((counted - f64::from(times)).abs() < 0.1, "{port}: {counted}");
        }
    });
}

#[test]
fn enabled_plugins_are_those_of_blocks_with_prometheus() {
    inside("enabled_plugins_are_those_of_blocks_with_prometheus", || {
        let corefile = "\
example.org:5300 example.net:5301 {
    prometheus 127.0.0.1:9153
    metadata
    view inside {
        expr true
    }
    reload
    whoami
}
example.com:5300 {
    whoami
}
";
        let server = Server::start(corefile);
        let (_, text) = http_get("127.0.0.1:9153".parse().unwrap(), "/metrics");
        let family = "coredns_plugin_enabled{";
        let shown: BTreeSet<&str> = text.lines().filter(|line| line.starts_with(family)).collect();
        let mut expected = BTreeSet::new();
        for (port, zone) in [(5300, "example.org."), (5301, "example.net.")] {
            for name in ["prometheus", "metadata", "view", "whoami"] {
                expected.insert(format!(
                    "{family}name=\"{name}\",server=\"dns://:{port}\",view=\"inside\",zone=\"{zone}\"}} 1"
                ));
            }
        }
        assert_eq!(shown, expected.iter().map(String::as_str).collect());
        drop(server);
    });
}
