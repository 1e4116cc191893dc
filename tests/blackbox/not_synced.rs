//! Before the cluster has been listed completely: what is not known is SERVFAIL, never NXDOMAIN, and no
//! question about the cluster leaks to the upstream.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use portolan_tests::client::{UdpClient, query};
use portolan_tests::server::{PATIENCE, Server};
use portolan_tests::stage::{Look, Stage, Watchman, metric, readiness, until};
use serde_json::json;
use test_apiserver::{Extent, Faults, Flavour};

/// What is wrong with the lists of one kind, and how it gets right again.
struct Fault {
    /// The plural name.
    resource: &'static str,
    /// The kind.
    kind: &'static str,
    strike: fn(&Faults),
    /// What `/ready` says beside the kind.
    says: &'static str,
}

/// A cluster with one kind that cannot be listed, a server before it, and an upstream that only listens.
struct Scene {
    stage: Stage,
    server: Server,
    upstream: UdpSocket,
    address: String,
}

impl Scene {
    fn start(fault: &Fault, startup_timeout: &str) -> Self {
        let stage = Stage::new();
        let address = stage.service("web", json!({}));
        stage.headless("db");
        stage.endpoint("db", "10.7.0.1");
        stage.faults().limit_to(fault.resource);
        (fault.strike)(stage.faults());
        let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
        let options = format!("startup_timeout {startup_timeout}");
        let to = Some(upstream.local_addr().unwrap());
        let corefile = Stage::corefile(&stage.access(Flavour::Token), &options, to);
        Self { server: Server::start(&corefile), stage, upstream, address }
    }

    /// Lifts the fault.
    fn lift(&self) {
        self.lift_with(|_| ());
    }

    /// Lifts the fault for another one. Requests that hang end with their connections.
    fn lift_with(&self, strike: impl FnOnce(&Faults)) {
        self.stage.faults().clear();
        strike(self.stage.faults());
        self.stage.refuse_connections(true);
        self.stage.refuse_connections(false);
    }

    fn until_metric(&mut self, name: &str, label: &str, value: f64) {
        let what = format!("{name} {label} {value}");
        until(
            &what,
            || metric(&mut self.server, name, label),
            |seen| (seen - value).abs() < f64::EPSILON,
        );
    }

    fn assert_upstream_heard_nothing(&self) {
        self.upstream.set_nonblocking(true).unwrap();
        let heard = self.upstream.recv(&mut [0; 512]).map_err(|error| error.kind());
        assert_eq!(heard, Err(ErrorKind::WouldBlock), "a question leaked to the upstream");
        self.upstream.set_nonblocking(false).unwrap();
    }
}

/// A reverse name that nothing in the cluster has.
const STRANGE: &str = "254.255.255.10.in-addr.arpa.";

fn reverse(address: &str) -> String {
    let mut octets: Vec<&str> = address.split('.').collect();
    octets.reverse();
    format!("{}.in-addr.arpa.", octets.join("."))
}

fn check(fault: &Fault) {
    let mut scene = Scene::start(fault, "0s");
    let Fault { kind, says, .. } = *fault;
    let mut look = Look::at(&scene.server);
    let (unknown, web, db) =
        (scene.stage.name("nobody"), scene.stage.name("web"), scene.stage.name("db"));
    let nowhere = "web.no-such-namespace.svc.cluster.local.";
    let watchman =
        Watchman::start(&scene.server, &[(&unknown, "A"), (nowhere, "A"), (&web, "A"), (&db, "A")]);

    // The other kinds are listed; the reason why this one is not is known.
    for other in ["Namespace", "Service", "EndpointSlice"] {
        let listed = if other == kind { 0.0 } else { 1.0 };
        scene.until_metric("portolan_source_synced", &format!("kind=\"{other}\""), listed);
    }
    let what = format!("{kind}: {says}");
    let (status, body) =
        until(&what, || readiness(&mut scene.server), |(_, body)| body.contains(&what));
    assert_eq!(status, 503, "{body}");
    assert!(body.starts_with("kubernetes,"), "{body}");
    assert!(metric(&mut scene.server, "portolan_snapshot_age_seconds", "") > 0.0);

    for (name, qtype) in [
        (&*unknown, "A"),
        (&unknown, "AAAA"),
        (&unknown, "SRV"),
        (nowhere, "A"),
        (STRANGE, "PTR"),
        ("254.255.255.10.in-addr.arpa.cluster.local.", "PTR"),
    ] {
        assert_eq!(look.ask(name, qtype), "SERVFAIL", "{name} {qtype}");
    }
    // What is known is right; a part of it is never given for the whole.
    let known = [
        (&web, "A", format!("NOERROR A {}", scene.address)),
        (&db, "A", "NOERROR A 10.7.0.1".to_owned()),
        (&reverse(&scene.address), "PTR", format!("NOERROR PTR {web}")),
    ];
    for (name, qtype, answer) in &known {
        let seen = look.ask(name, qtype);
        assert!(seen == *answer || seen == "SERVFAIL", "{name} {qtype}: {seen}");
    }
    scene.assert_upstream_heard_nothing();
    for name in [&*unknown, nowhere] {
        assert_eq!(watchman.seen(name), ["SERVFAIL"], "{name}");
    }

    scene.lift();
    until("ready", || readiness(&mut scene.server), |reply| *reply == (200, "OK".to_owned()));
    for (name, qtype, answer) in &known {
        assert_eq!(look.ask(name, qtype), *answer, "{name} {qtype}");
    }
    assert_eq!((look.a(&unknown), look.a(nowhere)), ("NXDOMAIN".into(), "NXDOMAIN".into()));
    scene.until_metric("portolan_source_live", "", 3.0);
    assert!(metric(&mut scene.server, "portolan_snapshot_age_seconds", "") < 31.0);
    scene.assert_upstream_heard_nothing();
    // Now it is known that the cluster does not have the address, and the upstream is asked.
    let client = UdpClient::new(scene.server.address());
    client.send(&query(9, STRANGE, "PTR", 0).to_vec().unwrap());
    scene.upstream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 512];
    let length = scene.upstream.recv(&mut buffer).unwrap();
    let heard = Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!(heard.queries[0].name().to_string(), STRANGE);

    // The watchman may lag behind; what it saw in between is what matters.
    for (name, end) in
        [(&*unknown, "NXDOMAIN"), (nowhere, "NXDOMAIN"), (&web, "records"), (&db, "records")]
    {
        let is_over = |seen: &Vec<String>| seen.last().is_some_and(|last| last == end);
        let outcomes = until(end, || watchman.seen(name), is_over);
        let is_right = outcomes == ["SERVFAIL", end] || (end == "records" && outcomes == [end]);
        assert!(is_right, "{name}: {outcomes:?}");
    }
    watchman.stop();
}

#[test]
fn services_answered_with_500() {
    let strike: fn(&Faults) = |faults| faults.answer_500(Extent::UntilOff);
    check(&Fault { resource: "services", kind: "Service", strike, says: "HTTP 500" });
}

#[test]
fn namespaces_answered_with_500() {
    let strike: fn(&Faults) = |faults| faults.answer_500(Extent::UntilOff);
    check(&Fault { resource: "namespaces", kind: "Namespace", strike, says: "HTTP 500" });
}

#[test]
fn slices_answered_with_429() {
    let strike: fn(&Faults) = |faults| faults.answer_429(Extent::UntilOff, Duration::from_secs(1));
    let (resource, kind) = ("endpointslices", "EndpointSlice");
    check(&Fault { resource, kind, strike, says: "HTTP 429" });
}

#[test]
fn slices_that_never_come() {
    // No answer is given up after half a minute; meanwhile nothing is known about it.
    let strike: fn(&Faults) = |faults| faults.latency(Duration::from_secs(3600));
    let (resource, kind) = ("endpointslices", "EndpointSlice");
    check(&Fault { resource, kind, strike, says: "not listed yet" });
}

#[test]
fn services_that_never_come() {
    let strike: fn(&Faults) = |faults| faults.latency(Duration::from_secs(3600));
    check(&Fault { resource: "services", kind: "Service", strike, says: "not listed yet" });
}

#[test]
fn services_listed_by_half() {
    // The server has no streamed lists, and breaks off in its pages.
    let strike: fn(&Faults) = |faults| {
        faults.answer(422, Extent::Next(1));
        faults.half_list(Extent::UntilOff);
    };
    let says = "the connection broke";
    check(&Fault { resource: "services", kind: "Service", strike, says });
}

#[test]
fn slices_that_are_forbidden() {
    let strike: fn(&Faults) = |faults| faults.answer(403, Extent::UntilOff);
    let (resource, kind) = ("endpointslices", "EndpointSlice");
    let says = "HTTP 403: an injected fault; allow it in a ClusterRole: apiGroups: \
                [\"discovery.k8s.io\"], resources: [\"endpointslices\"], verbs: [\"list\", \"watch\"]";
    check(&Fault { resource, kind, strike, says });
}

/// However often the reason changes, `/ready` says the one of now.
#[test]
fn the_reason_is_that_of_now() {
    let fault = Fault {
        resource: "services",
        kind: "Service",
        strike: |faults| faults.latency(Duration::from_secs(3600)),
        says: "",
    };
    let mut scene = Scene::start(&fault, "0s");
    let says = |scene: &mut Scene, part: &str| {
        until(part, || readiness(&mut scene.server).1, |body| body.contains(part));
    };
    says(&mut scene, "Service: not listed yet");
    for code in [500, 403] {
        scene.lift_with(|faults| {
            faults.limit_to("services");
            faults.answer(code, Extent::UntilOff);
        });
        says(&mut scene, &format!("Service: HTTP {code}"));
    }
    scene.lift();
    until("ready", || readiness(&mut scene.server), |reply| *reply == (200, "OK".to_owned()));
}

/// The start waits as long as it is told, says what for, and then serves what it knows.
#[test]
fn the_start_waits_for_the_lists_and_then_serves() {
    let fault = Fault {
        resource: "services",
        kind: "Service",
        strike: |faults| faults.answer_500(Extent::UntilOff),
        says: "",
    };
    let start = Instant::now();
    let mut scene = Scene::start(&fault, "1ms");
    assert!(start.elapsed() < Duration::from_secs(4), "the default is 5 s");
    scene.server.wait_for_line("waiting for the cluster to be listed");
    scene.server.wait_for_line("unknown names are answered with SERVFAIL");
    let mut look = Look::at(&scene.server);
    assert_eq!(look.a(&scene.stage.name("nobody")), "SERVFAIL");
}

/// A list that is only late delays the start: the first answer is right.
#[test]
fn a_late_list_is_waited_for() {
    let fault = Fault {
        resource: "services",
        kind: "Service",
        strike: |faults| faults.latency(Duration::from_millis(300)),
        says: "",
    };
    let scene = Scene::start(&fault, "30s");
    let mut look = Look::at(&scene.server);
    assert_eq!(look.a(&scene.stage.name("web")), format!("NOERROR A {}", scene.address));
    assert_eq!(look.a(&scene.stage.name("nobody")), "NXDOMAIN");
}
