//! Changes in the cluster are answered at once, and nothing is missing in between.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use portolan_tests::server::{PATIENCE, Server, write};
use portolan_tests::stage::{Look, Stage, Watchman, metric, ready, show, skip, until};
use portolan_tests::upstream::Upstream;
use serde_json::json;
use test_apiserver::Flavour;

/// A change is answered within this time.
const LIMIT: Duration = Duration::from_millis(100);

/// How often a change is made.
const ROUNDS: u8 = 15;

/// The median says what the server does: a single time may be that of the machine.
fn assert_fast(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let median = times[times.len() / 2];
    show(&format!("{what}: median {median:?} of {times:?}"));
    assert!(median <= LIMIT, "{what}: median {median:?} of {times:?}");
}

#[test]
fn services_and_their_deletion_are_answered_within_100_ms() {
    let stage = Stage::new();
    let server = stage.serve();
    let mut look = Look::at(&server);
    let (mut created, mut deleted, mut reversed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let service = format!("web-{round}");
        let name = stage.name(&service);
        assert_eq!(look.a(&name), "NXDOMAIN");
        let address = stage.service(&service, json!({}));
        created.push(look.until_a(&name, &format!("NOERROR A {address}")));
        let mut octets: Vec<&str> = address.split('.').collect();
        octets.reverse();
        let reverse = format!("{}.in-addr.arpa.", octets.join("."));
        reversed.push(look.until(&reverse, "PTR", &format!("NOERROR PTR {name}")));
        stage.delete("Service", &service);
        deleted.push(look.until_a(&name, "NXDOMAIN"));
    }
    assert_fast("Service created", created);
    assert_fast("its reverse name", reversed);
    assert_fast("Service deleted", deleted);
}

#[test]
fn endpoints_and_their_deletion_are_answered_within_100_ms() {
    let stage = Stage::new();
    stage.headless("db");
    let server = stage.serve();
    let mut look = Look::at(&server);
    let name = stage.name("db");
    let without = look.a(&name);
    let (mut created, mut changed, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (first, second) = (format!("10.1.0.{}", round + 1), format!("10.2.0.{}", round + 1));
        stage.endpoint("db", &first);
        created.push(look.until_a(&name, &format!("NOERROR A {first}")));
        stage.endpoint("db", &second);
        changed.push(look.until_a(&name, &format!("NOERROR A {second}")));
        stage.delete("EndpointSlice", "db");
        deleted.push(look.until_a(&name, &without));
    }
    assert_fast("EndpointSlice created", created);
    assert_fast("EndpointSlice changed", changed);
    assert_fast("EndpointSlice deleted", deleted);
}

/// Hundreds of changes, among them of the very name that is asked for, without one empty reply.
#[test]
fn nothing_is_missing_while_much_changes() {
    let stage = Stage::new();
    stage.service("steady", json!({}));
    stage.headless("moving");
    stage.headless("rolling");
    stage.endpoint("moving", "10.3.0.1");
    stage.slice("rolling-0", "rolling", json!([ready("10.4.0.1")]));
    let server = stage.serve();
    let (steady, moving, rolling) =
        (stage.name("steady"), stage.name("moving"), stage.name("rolling"));
    let port = format!("_http._tcp.{moving}");
    let questions = [(&*steady, "A"), (&*moving, "A"), (&*rolling, "A"), (&*port, "SRV")];
    let watchman = Watchman::start(&server, &questions);
    for round in 1..=100_u8 {
        stage.endpoint("moving", &format!("10.3.1.{round}"));
        // The next slice comes before the last one goes, as in a rollout.
        let next = format!("10.4.1.{round}");
        stage.slice(&format!("rolling-{round}"), "rolling", json!([ready(&next)]));
        stage.delete("EndpointSlice", &format!("rolling-{}", round - 1));
        stage.service("other", json!({"clusterIP": "None"}));
        stage.delete("Service", "other");
    }
    let mut look = Look::at(&server);
    look.until_a(&moving, "NOERROR A 10.3.1.100");
    look.until_a(&rolling, "NOERROR A 10.4.1.100");
    watchman.saw_no_gap();
}

/// The watchman sees a gap when there is one: otherwise the test above would mean nothing.
#[test]
fn a_gap_is_seen() {
    let stage = Stage::new();
    stage.service("flicker", json!({}));
    let server = stage.serve();
    let name = stage.name("flicker");
    let watchman = Watchman::start(&server, &[(&name, "A")]);
    until("an answer", || watchman.seen(&name), |seen| seen == &["records"]);
    stage.delete("Service", "flicker");
    until("the gap", || watchman.seen(&name), |seen| seen == &["records", "NXDOMAIN"]);
}

#[test]
fn aliases_follow_their_services() {
    let stage = Stage::new();
    let directory = tempfile::tempdir().unwrap();
    let zone = directory.path().join("zone");
    let soa = ". IN SOA ns.test. host.test. 1 7200 1800 86400 60\n";
    write(&zone, &format!("{soa}foo.test. IN A 192.0.2.1\nbar.test. IN A 192.0.2.2\n"));
    let upstream = Upstream::start(&zone);
    stage.service("out", json!({"type": "ExternalName", "externalName": "foo.test"}));
    let access = stage.access(Flavour::Token);
    let server = Server::start(&Stage::corefile(&access, "", Some(upstream.address)));
    let mut look = Look::at(&server);
    let name = stage.name("out");
    look.until_a(&name, "NOERROR A 192.0.2.1, CNAME foo.test.");
    let watchman = Watchman::start(&server, &[(&name, "A")]);
    let mut times = Vec::new();
    for _ in 0..5 {
        stage.service("out", json!({"type": "ExternalName", "externalName": "bar.test"}));
        times.push(look.until_a(&name, "NOERROR A 192.0.2.2, CNAME bar.test."));
        stage.service("out", json!({"type": "ExternalName", "externalName": "foo.test"}));
        times.push(look.until_a(&name, "NOERROR A 192.0.2.1, CNAME foo.test."));
    }
    assert_fast("externalName changed", times);
    let address = stage.service("out", json!({"type": "ClusterIP"}));
    assert!(!address.is_empty());
    let mut times = vec![look.until_a(&name, &format!("NOERROR A {address}"))];
    stage.service("out", json!({"type": "ExternalName", "externalName": "bar.test"}));
    times.push(look.until_a(&name, "NOERROR A 192.0.2.2, CNAME bar.test."));
    assert_fast("type changed", times);
    watchman.saw_no_gap();
}

#[test]
fn a_namespace_goes_and_comes_back() {
    let reason = "a real namespace goes when its controller has emptied it";
    let Some(stage) = Stage::in_process(reason) else { return };
    let first = stage.service("web", json!({}));
    let server = stage.serve();
    let mut look = Look::at(&server);
    let name = stage.name("web");
    let (mut gone, mut back) = (Vec::new(), Vec::new());
    look.until_a(&name, &format!("NOERROR A {first}"));
    for _ in 0..ROUNDS {
        stage.wait(stage.cluster.delete("Namespace", "", &stage.namespace)).unwrap();
        gone.push(look.until_a(&name, "NXDOMAIN"));
        stage.put(stage.namespace_object());
        let address = stage.service("web", json!({}));
        back.push(look.until_a(&name, &format!("NOERROR A {address}")));
    }
    assert_fast("Namespace deleted", gone);
    assert_fast("Namespace created again", back);
}

#[test]
fn endpoints_that_are_not_ready_are_left_out() {
    let stage = Stage::new();
    stage.headless("db");
    let slice = |is_ready: bool| {
        let second = json!({"addresses": ["10.5.0.2"], "conditions": {"ready": is_ready}});
        stage.slice("db", "db", json!([ready("10.5.0.1"), second]));
    };
    slice(true);
    let server = stage.serve();
    let mut look = Look::at(&server);
    let name = stage.name("db");
    let watchman = Watchman::start(&server, &[(&name, "A")]);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        slice(false);
        times.push(look.until_a(&name, "NOERROR A 10.5.0.1"));
        slice(true);
        times.push(look.until_a(&name, "NOERROR A 10.5.0.1, A 10.5.0.2"));
    }
    assert_fast("endpoint ready or not", times);
    watchman.saw_no_gap();
}

#[test]
fn endpoints_have_their_host_names() {
    let stage = Stage::new();
    stage.headless("db");
    let slice = |hostname: &str, address: &str| {
        let mut endpoint = ready(address);
        endpoint["hostname"] = json!(hostname);
        stage.slice("db", "db", json!([endpoint]));
    };
    slice("db-0", "10.6.0.1");
    let server = stage.serve();
    let mut look = Look::at(&server);
    let (first, second) = (stage.name("db-0.db"), stage.name("db-1.db"));
    let reverse = "9.0.6.10.in-addr.arpa.";
    let mut times = Vec::new();
    assert_eq!(look.a(&first), "NOERROR A 10.6.0.1");
    for _ in 0..ROUNDS {
        slice("db-0", "10.6.0.9");
        times.push(look.until_a(&first, "NOERROR A 10.6.0.9"));
        look.until(reverse, "PTR", &format!("NOERROR PTR {first}"));
        slice("db-1", "10.6.0.9");
        times.push(look.until_a(&second, "NOERROR A 10.6.0.9"));
        assert_eq!(look.a(&first), "NXDOMAIN");
        look.until(reverse, "PTR", &format!("NOERROR PTR {second}"));
    }
    assert_fast("host name or address changed", times);
}

/// The snapshot is current all the time, and a change costs no list.
#[test]
fn changes_come_by_watch_alone() {
    let stage = Stage::new();
    let mut server = stage.serve();
    let mut look = Look::at(&server);
    for round in 0..ROUNDS {
        let service = format!("web-{round}");
        let address = stage.service(&service, json!({}));
        look.until_a(&stage.name(&service), &format!("NOERROR A {address}"));
    }
    for kind in ["Namespace", "Service", "EndpointSlice"] {
        let label = format!("kind=\"{kind}\"");
        assert!((metric(&mut server, "portolan_source_lists", &label) - 1.0).abs() < 0.1);
        assert!(metric(&mut server, "portolan_source_watch_restarts", &label).abs() < 0.1);
    }
    assert!((metric(&mut server, "portolan_source_live", "") - 3.0).abs() < 0.1);
    assert!(metric(&mut server, "portolan_snapshot_age_seconds", "") < 31.0);
}

/// Debian's `kubectl`, or the one that `KUBECTL` names.
struct Kubectl {
    binary: PathBuf,
    kubeconfig: PathBuf,
    home: tempfile::TempDir,
}

impl Kubectl {
    fn find(stage: &Stage) -> Option<Self> {
        let named = std::env::var_os("KUBECTL").map(PathBuf::from);
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let mut candidates = std::env::split_paths(&paths).map(|path| path.join("kubectl"));
        let Some(binary) = named.or_else(|| candidates.find(|path| path.exists())) else {
            assert!(std::env::var_os("CI").is_none(), "no kubectl");
            skip("no kubectl; apt-get install kubernetes-client");
            return None;
        };
        let kubeconfig = stage.kubeconfig(Flavour::ClientCertificate);
        Some(Self { binary, kubeconfig, home: tempfile::tempdir().unwrap() })
    }

    fn run(&self, arguments: &[&str], input: &Path) {
        let input = fs::read(input).unwrap();
        let mut child = Command::new(&self.binary)
            .args(arguments)
            // A fresh home, since kubectl caches discovery there.
            .env("HOME", self.home.path())
            .env("KUBECONFIG", &self.kubeconfig)
            .args([&format!("--request-timeout={}s", PATIENCE.as_secs()), "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&input).unwrap();
        assert!(child.wait().unwrap().success(), "kubectl {arguments:?}");
    }
}

#[test]
fn what_kubectl_applies_and_deletes_is_answered() {
    let stage = Stage::new();
    let Some(kubectl) = Kubectl::find(&stage) else { return };
    let manifest = kubectl.home.path().join("manifest.yaml");
    let object = |target: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: out, namespace: {}}}\nspec: \
             {{type: ExternalName, externalName: {target}}}\n",
            stage.namespace
        )
    };
    let server = stage.serve();
    let mut look = Look::at(&server);
    let name = stage.name("out");
    assert_eq!(look.a(&name), "NXDOMAIN");
    let mut times = Vec::new();
    for target in ["one.test", "two.test"] {
        write(&manifest, &object(target));
        kubectl.run(&["apply"], &manifest);
        times.push(look.until(&name, "CNAME", &format!("NOERROR CNAME {target}.")));
    }
    kubectl.run(&["delete"], &manifest);
    times.push(look.until_a(&name, "NXDOMAIN"));
    assert_fast("kubectl apply, apply, delete", times);
}
