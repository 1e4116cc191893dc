//! CoreDNS's metrics of `kubernetes`: how soon changes of endpoints are answered, and requests to the API server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::time::{Duration, SystemTime};

use portolan_tests::client::http_get;
use portolan_tests::server::{PATIENCE, Server, write};
use portolan_tests::stage::{Look, Stage, metric, ready, until};
use serde_json::{Value, json};
use test_apiserver::{Cut, Extent, Flavour};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const PROGRAMMING: &str = "coredns_kubernetes_dns_programming_duration_seconds";
const REQUESTS: &str = "coredns_kubernetes_rest_client_requests_total";
const DURATION: &str = "coredns_kubernetes_rest_client_request_duration_seconds";
const LIMITER: &str = "coredns_kubernetes_rest_client_rate_limiter_duration_seconds";

/// The sum of the samples of a name whose labels have this text; zero when there are none.
fn sum(server: &mut Server, name: &str, label: &str) -> f64 {
    let (_, text) = http_get(server.endpoint("admin"), "/metrics");
    let samples = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// How many changes of a kind of Service were measured, and how long they took together.
fn measured(server: &mut Server, kind: &str) -> (f64, f64) {
    let label = format!("service_kind=\"{kind}\"");
    let count = sum(server, &format!("{PROGRAMMING}_count"), &label);
    (count, sum(server, &format!("{PROGRAMMING}_sum"), &label))
}

/// A moment as the controller writes it.
fn written(moment: SystemTime) -> Value {
    json!(OffsetDateTime::from(moment).format(&Rfc3339).unwrap())
}

/// Writes the slice of a Service, changed at a moment as its annotation says, if it says something.
fn slice(stage: &Stage, service: &str, address: &str, triggered: Option<Value>) {
    let mut annotations = json!({});
    if let Some(moment) = triggered {
        annotations["endpoints.kubernetes.io/last-change-trigger-time"] = moment;
    }
    stage.put(json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": service,
            "namespace": stage.namespace,
            "labels": {"kubernetes.io/service-name": service},
            "annotations": annotations,
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [ready(address)],
    }));
}

#[test]
fn changes_of_endpoints_are_measured_when_they_can_be_answered() {
    let stage = Stage::new();
    let ago = |seconds| Some(written(SystemTime::now() - Duration::from_secs(seconds)));
    stage.headless("db");
    stage.service("web", json!({}));
    slice(&stage, "db", "10.20.0.1", ago(500));
    let mut server = stage.serve();
    let mut look = Look::at(&server);
    let db = stage.name("db");
    assert_eq!(look.a(&db), "NOERROR A 10.20.0.1");
    assert_eq!(sum(&mut server, PROGRAMMING, ""), 0.0, "a list is no change");
    // A watch brings changes in their order: what is measured last is there when the others are.
    slice(&stage, "db", "10.20.0.2", None);
    slice(&stage, "db", "10.20.0.3", Some(json!("wrong")));
    slice(&stage, "nobody", "10.20.0.4", ago(5));
    slice(&stage, "web", "10.20.0.5", ago(64));
    slice(&stage, "db", "10.20.0.6", ago(8));
    let headless =
        until("the change", || measured(&mut server, "headless_with_selector"), |it| it.0 > 0.0);
    assert_eq!(look.a(&db), "NOERROR A 10.20.0.6", "what is measured is answered");
    assert_eq!(headless.0, 1.0);
    assert!(headless.1 >= 8.0 && headless.1 < 64.0, "{headless:?}");
    let cluster_ip = measured(&mut server, "cluster_ip");
    assert!(cluster_ip.0 == 1.0 && cluster_ip.1 >= 64.0, "{cluster_ip:?}");
    // The clock of the control plane is ahead.
    slice(&stage, "db", "10.20.0.7", Some(written(SystemTime::now() + 10 * PATIENCE)));
    let ahead =
        until("the change", || measured(&mut server, "headless_with_selector"), |it| it.0 > 1.0);
    assert_eq!(ahead, (2.0, headless.1));
    // That the slice goes was triggered by something else than its last change.
    stage.delete("EndpointSlice", "db");
    slice(&stage, "web", "10.20.0.8", ago(1));
    until("a change behind it", || measured(&mut server, "cluster_ip"), |it| it.0 > 1.0);
    assert_eq!(measured(&mut server, "headless_with_selector").0, 2.0);
    assert_eq!(sum(&mut server, &format!("{PROGRAMMING}_count"), ""), 4.0);
}

/// A list that is made again, because the server has forgotten the version, is no change either.
#[test]
fn a_second_list_is_not_measured_and_its_refusals_are_counted() {
    let reason = "no real cluster forgets its history on demand";
    let Some(stage) = Stage::in_process(reason) else { return };
    stage.headless("db");
    slice(&stage, "db", "10.21.0.1", None);
    let mut server = stage.serve();
    let mut look = Look::at(&server);
    stage.wait(stage.faults().wait_for_open_watches(3));
    stage.refuse_connections(true);
    slice(&stage, "db", "10.21.0.2", Some(written(SystemTime::now())));
    stage.server().compact();
    let lost =
        until("no answers", || sum(&mut server, REQUESTS, "code=\"<error>\""), |it| *it > 0.0);
    stage.refuse_connections(false);
    look.until_a(&stage.name("db"), "NOERROR A 10.21.0.2");
    assert!(lost >= 1.0);
    assert_eq!(sum(&mut server, PROGRAMMING, ""), 0.0);
}

#[test]
fn requests_are_counted_by_what_came_of_them() {
    let stage = Stage::new();
    let mut server = stage.serve();
    stage.wait(stage.faults().wait_for_open_watches(3));
    let kubeconfig = std::fs::read(stage.kubeconfig(Flavour::Token)).unwrap();
    let kubeconfig: Value = serde_json::from_slice(&kubeconfig).unwrap();
    let url = kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap();
    let host = url.trim_start_matches("https://").trim_end_matches('/');
    let labels = |code: u16| format!("{{code=\"{code}\",host=\"{host}\",method=\"GET\"}}");
    let ok = metric(&mut server, REQUESTS, &labels(200));
    assert!(ok >= 3.0, "a list of three kinds: {ok}");
    for code in [403, 410, 500] {
        stage.faults().answer(code, Extent::Next(2));
        stage.faults().cut_watches(Cut::Reset);
        until("refusals", || sum(&mut server, REQUESTS, &labels(code)), |it| *it == 2.0);
        stage.wait(stage.faults().wait_for_open_watches(3));
    }
    let by_host = format!("host=\"{host}\",verb=\"GET\"");
    let all = |server: &mut Server, name: &str| sum(server, &format!("{name}_count"), &by_host);
    // Three watches are opened again in each round.
    until("watches", || sum(&mut server, REQUESTS, &labels(200)), |it| *it >= ok + 9.0);
    let counted = sum(&mut server, REQUESTS, host);
    // A request is counted before its duration is.
    until("every duration", || all(&mut server, DURATION), |it| *it >= counted);
    assert!(all(&mut server, LIMITER) >= counted);
}

#[test]
fn the_rate_limiter_is_measured() {
    let stage = Stage::new();
    let waited = |options: &str| {
        let options = format!("startup_timeout 30s\n{options}");
        let corefile = Stage::corefile(&stage.access(Flavour::Token), &options, None);
        let mut server = Server::start(&corefile);
        let mut look = Look::at(&server);
        assert!(look.a("nobody.default.svc.cluster.local.").starts_with("NXDOMAIN"));
        assert!(metric(&mut server, &format!("{LIMITER}_count"), "verb=\"GET\"") >= 3.0);
        let wait = metric(&mut server, &format!("{LIMITER}_sum"), "verb=\"GET\"");
        let whole = metric(&mut server, &format!("{DURATION}_sum"), "verb=\"GET\"");
        assert!(whole > wait, "{whole} with the wait of {wait}");
        wait
    };
    let free = waited("");
    assert!(free < 1.0, "nothing to wait for: {free}");
    let limited = waited("apiserver_qps 1\napiserver_burst 1");
    assert!(limited >= 2.9, "none, one second and two seconds: {limited}");
}

#[test]
fn manifests_have_none_of_these() {
    let directory = tempfile::tempdir().unwrap();
    let manifests = directory.path().join("cluster.yaml");
    let moment = written(SystemTime::now());
    let cluster = |address: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: db, namespace: default}}\nspec: {{clusterIP: None}}\n\
             ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: db\n  namespace: default\n\
             \x20 labels: {{kubernetes.io/service-name: db}}\n\
             \x20 annotations: {{endpoints.kubernetes.io/last-change-trigger-time: {moment}}}\n\
             addressType: IPv4\nendpoints: [{{addresses: [{address}]}}]\n"
        )
    };
    write(&manifests, &cluster("10.22.0.1"));
    let corefile = Stage::corefile(&format!("manifests {}", manifests.display()), "", None);
    let mut server = Server::start(&corefile);
    write(&manifests, &cluster("10.22.0.2"));
    Look::at(&server).until_a("db.default.svc.cluster.local.", "NOERROR A 10.22.0.2");
    assert_eq!(sum(&mut server, "coredns_kubernetes_", ""), 0.0);
}
