//! Events against an API server.

// clippy knows tests by their attribute; what they share is outside.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use cluster_source::{Access, ApiServer, Timing};
use portolan_cluster_writer::{
    Event, EventRecorder, Regarding, Reporter, Severity, WriteRate, Writer,
};
use serde_json::Value;
use test_apiserver::{Extent, Flavour, ServerOptions, TestApiServer, Verb};

async fn recorder(server: &TestApiServer) -> EventRecorder {
    let file = server.kubeconfig(Flavour::Token).unwrap();
    let access = Access::Kubeconfig { file, context: None };
    let api = ApiServer::open(access, Timing::default()).await.unwrap();
    let rate = WriteRate { per_second: 1_000, burst: 1_000 };
    let writer = Writer::new(api, rate, Duration::from_secs(10), Arc::new(()));
    let reporter = Reporter { controller: "portolan.dev/test", instance: "test-0".to_owned() };
    EventRecorder::start(&writer, reporter)
}

fn event(name: &str, namespace: &str, note: &str) -> Event {
    Event {
        regarding: Regarding {
            api_version: "v1",
            kind: "Pod",
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: "u-1".to_owned(),
        },
        severity: Severity::Warning,
        reason: "Tested",
        action: "Testing",
        note: note.to_owned(),
    }
}

/// Every Event of a namespace, read through the API.
async fn events(server: &TestApiServer, namespace: &str) -> Vec<Value> {
    let file = server.kubeconfig(Flavour::Token).unwrap();
    let access = Access::Kubeconfig { file, context: None };
    let api = ApiServer::open(access, Timing::default()).await.unwrap();
    let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    let list = api.exchange(request, Duration::from_secs(10)).await.unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    list["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn equal_events_are_written_once() {
    let server = TestApiServer::start(ServerOptions::default()).await.unwrap();
    let recorder = recorder(&server).await;
    for _ in 0..20 {
        recorder.record(event("a", "default", "something is wrong; do this"));
    }
    recorder.record(event("fd00::1", "", "an object without a namespace"));
    recorder.flush(Duration::from_secs(30)).await;
    let mut found = events(&server, "default").await;
    found.sort_by_key(|event| event["regarding"]["name"].to_string());
    assert_eq!(found.len(), 2, "{found:?}");
    let first = &found[0];
    assert_eq!(first["note"], "something is wrong; do this");
    assert_eq!(first["reportingController"], "portolan.dev/test");
    assert_eq!(first["reportingInstance"], "test-0");
    assert_eq!((&first["reason"], &first["type"]), (&"Tested".into(), &"Warning".into()));
    assert_eq!(first["regarding"]["uid"], "u-1");
    assert!(first["eventTime"].as_str().unwrap().ends_with('Z'));
    assert_eq!(recorder.counts().written, 2);
    assert_eq!(server.requests().count(Verb::Create, "events"), 2);
}

/// A server that says no once is asked again by another process's Event: nothing waits for the first.
#[tokio::test]
async fn a_refusal_is_counted_and_the_next_event_is_written() {
    let server = TestApiServer::start(ServerOptions::default()).await.unwrap();
    let recorder = recorder(&server).await;
    server.faults().answer(403, Extent::Next(2));
    recorder.record(event("a", "default", "first"));
    recorder.flush(Duration::from_secs(30)).await;
    assert_eq!(recorder.counts().failed, 1);
    recorder.record(event("a", "default", "second"));
    recorder.flush(Duration::from_secs(30)).await;
    let found = events(&server, "default").await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["note"], "second");
}
