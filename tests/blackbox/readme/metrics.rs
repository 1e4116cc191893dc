//! docs/metrics.md: the tables of metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use portolan_tests::client::{UdpClient, http_get};
use portolan_tests::namespace::inside;
use portolan_tests::server::Server;
use portolan_tests::upstream::Upstream;

use super::markdown::{code, tables};
use super::{page, root};

/// A metric as the page describes it and as `/metrics` shows it.
#[derive(PartialEq, Eq, Debug)]
struct Metric {
    kind: String,
    labels: BTreeSet<String>,
}

#[test]
fn the_metrics_page_describes_every_metric() {
    inside("metrics::the_metrics_page_describes_every_metric", || {
        let documented: BTreeMap<String, Metric> = tables(&page("docs/metrics.md"))
            .into_iter()
            .filter(|table| table.columns.first().is_some_and(|column| column == "metric"))
            .flat_map(|table| table.rows)
            .map(|row| {
                let labels = row[2].split('`').skip(1).step_by(2).map(str::to_owned).collect();
                (code(&row[0]), Metric { kind: row[1].clone(), labels })
            })
            .collect();
        for (name, shown) in metrics_of_a_busy_server() {
            assert_eq!(documented.get(&name), Some(&shown), "docs/metrics.md: {name}");
        }
        let in_code = metrics_in_the_code();
        let documented: BTreeSet<String> = documented.into_keys().collect();
        assert_eq!(documented, in_code, "docs/metrics.md names what the code registers");
    });
}

/// Returns the metrics of a server that has met everything that is counted.
fn metrics_of_a_busy_server() -> BTreeMap<String, Metric> {
    let upstream = Upstream::start(&portolan_tests::fixture("dns-cases/upstream.zone"));
    let mut server = Server::start(&format!(
        ".:0 {{
            errors
            log
            health 127.0.0.1:0
            ready 127.0.0.1:0
            prometheus 127.0.0.1:0 {{
                runtime_metrics
            }}
            kubernetes cluster.local in-addr.arpa {{
                manifests {}
            }}
            forward . {} {{
                force_tcp
                max_concurrent 10
            }}
        }}",
        root().join("deploy/demo").display(),
        upstream.address
    ));
    let mut client = UdpClient::new(server.address());
    for name in ["kubernetes.default.svc.cluster.local.", "nowhere.test.", "nowhere.test."] {
        client.ask(name, "A", 1232);
    }
    client.ask("nowhere.test.", "AXFR", 1232);
    client.exchange(&[0; 12]);
    let (status, text) = http_get(server.endpoint("/metrics"), "/metrics");
    assert_eq!(status, 200);
    read_metrics(&text)
}

fn read_metrics(text: &str) -> BTreeMap<String, Metric> {
    let mut metrics = BTreeMap::<String, Metric>::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let metric = Metric { kind: kind.to_owned(), labels: BTreeSet::new() };
            metrics.insert(name.to_owned(), metric);
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let known = base.filter(|base| metrics.contains_key(*base)).unwrap_or(name);
            let labels = line.split_once('{').map_or("", |(_, rest)| rest);
            // Label values have no `="` inside, which is all that this relies on.
            let labels = labels.split("=\"").filter_map(|part| part.rsplit(['{', ',', ' ']).next());
            let labels = labels.filter(|label| {
                *label != "le"
                    && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            });
            let labels: Vec<String> =
                labels.filter(|label| !label.is_empty()).map(str::to_owned).collect();
            metrics.get_mut(known).unwrap().labels.extend(labels);
        }
    }
    metrics
}

/// Returns every string of the code that has the form of a metric's name.
fn metrics_in_the_code() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut directories = vec![root().join("dns/src"), root().join("portolan/src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(path).unwrap();
                names.extend(text.split('"').filter(|text| is_metric(text)).map(str::to_owned));
            }
        }
    }
    names
}

fn is_metric(text: &str) -> bool {
    let has_prefix = ["coredns_", "portolan_", "process_"].iter().any(|p| text.starts_with(p));
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    has_prefix && text.bytes().all(is_letter)
}
