//! Two candidates for a Lease of an API server.

// clippy knows tests by their attribute; what they share is outside.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use cluster_source::{Access, ApiServer, Timing};
use portolan_cluster_writer::{
    Change, Elector, Failure, LeaseTimes, Resource, Term, Write, WriteRate, Writer, Written,
};
use serde_json::json;
use test_apiserver::{Extent, Flavour, ServerOptions, TestApiServer};
use tokio::sync::watch;

const TIMES: LeaseTimes = LeaseTimes {
    lease_duration: Duration::from_millis(1500),
    renew_deadline: Duration::from_millis(1000),
    retry_period: Duration::from_millis(100),
};

async fn writer(server: &TestApiServer) -> Writer {
    let file = server.kubeconfig(Flavour::Token).unwrap();
    let access = Access::Kubeconfig { file, context: None };
    let api = ApiServer::open(access, Timing::default()).await.unwrap();
    let rate = WriteRate { per_second: 1_000, burst: 1_000 };
    Writer::new(api, rate, Duration::from_secs(10), Arc::new(()))
}

fn elector(writer: &Writer, name: &str) -> Elector {
    Elector::start(writer, ("kube-system", "test"), name.to_owned(), TIMES)
}

fn leads(term: Term) -> bool {
    term.is_some_and(|until| until > Instant::now())
}

async fn wait_for(term: &mut watch::Receiver<Term>, wanted: bool) {
    term.wait_for(|term| leads(*term) == wanted).await.unwrap();
}

/// One leads, the other waits; what is given back is taken at once, and held through answers of an unwell server.
#[tokio::test]
async fn a_lease_is_held_and_handed_over() {
    let server = TestApiServer::start(ServerOptions::default()).await.unwrap();
    let (a, b) = (writer(&server).await, writer(&server).await);
    let first = elector(&a, "a");
    let mut of_first = first.term();
    wait_for(&mut of_first, true).await;
    let second = elector(&b, "b");
    let mut of_second = second.term();
    let holder =
        || server.get("leases", "kube-system", "test").unwrap()["spec"]["holderIdentity"].clone();
    assert_eq!(holder(), "a");

    // Several renewals fail, and it still leads.
    server.faults().limit_to("leases");
    server.faults().answer_500(Extent::Next(3));
    let before = *of_first.borrow_and_update();
    of_first.wait_for(|term| *term > before).await.unwrap();
    assert!(leads(*of_first.borrow()) && !leads(*of_second.borrow()));

    first.release().await;
    assert!(!leads(*of_first.borrow()));
    wait_for(&mut of_second, true).await;
    let lease = server.get("leases", "kube-system", "test").unwrap();
    assert_eq!(
        (&lease["spec"]["holderIdentity"], &lease["spec"]["leaseTransitions"]),
        (&"b".into(), &1.into())
    );
}

/// A leader that cannot renew writes nothing behind its term, which ends before another can take the Lease.
#[tokio::test]
async fn who_cannot_renew_stops_writing() {
    let server = TestApiServer::start(ServerOptions::default()).await.unwrap();
    let a = writer(&server).await;
    let elector = elector(&a, "a");
    let mut term = elector.term();
    wait_for(&mut term, true).await;
    let of_leader = a.of_leader(term.clone());
    let maps = Resource { api_version: "v1", plural: "configmaps" };
    let create = |name: &str| {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        Write { target: maps.in_namespace("default", name), change: Change::Create(object) }
    };
    assert!(matches!(of_leader.write(&create("first")).await, Written::Done(_)));
    server.faults().limit_to("leases");
    server.faults().answer(503, Extent::UntilOff);
    wait_for(&mut term, false).await;
    let written = of_leader.write(&create("second")).await;
    assert!(
        matches!(written, Written::NotDone { failure: Failure::NotLeading, .. }),
        "{written:?}"
    );
    assert!(server.get("configmaps", "default", "second").is_none());
    // And goes on when it can renew again.
    server.faults().clear();
    wait_for(&mut term, true).await;
    assert!(matches!(of_leader.write(&create("second")).await, Written::Done(_)));
}
