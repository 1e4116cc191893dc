//! Watches: where they start, what they send and how they end.

mod common;

use common::{Next, config_map, labelled, pair, start, start_with};
use portolan_test_apiserver::ServerOptions;
use serde_json::json;

const MAPS: &str = "/api/v1/namespaces/default/configmaps?watch=true";

#[tokio::test]
async fn a_watch_follows_a_list() {
    let (server, client) = start().await;
    server.put(config_map("default", "before")).unwrap();
    let from = server.revision();
    server.put(config_map("default", "a")).unwrap();
    server.put(config_map("other", "elsewhere")).unwrap();
    let mut watch = client.watch(&format!("{MAPS}&resourceVersion={from}")).await;
    assert_eq!(watch.event().await, pair("ADDED", "a"));
    let mut changed = config_map("default", "a");
    changed["data"] = json!({"k": "v"});
    let stored = server.put(changed).unwrap();
    assert_eq!(watch.value().await, json!({"type": "MODIFIED", "object": stored}));
    server.delete("ConfigMap", "default", "a").unwrap();
    let deleted = watch.value().await;
    assert_eq!(deleted["type"], "DELETED");
    let version = &deleted["object"]["metadata"]["resourceVersion"];
    assert_eq!(version, &json!(server.revision().to_string()));
}

#[tokio::test]
async fn without_a_version_the_present_comes_first() {
    let (server, client) = start().await;
    server.put(config_map("default", "a")).unwrap();
    for query in ["", "&resourceVersion=0"] {
        let mut watch = client.watch(&format!("{MAPS}{query}")).await;
        assert_eq!(watch.event().await, pair("ADDED", "a"));
    }
}

#[tokio::test]
async fn streaming_lists_end_with_a_bookmark() {
    let (server, client) = start().await;
    server.put(config_map("default", "a")).unwrap();
    let query =
        "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = client.watch(&format!("{MAPS}{query}")).await;
    assert_eq!(watch.event().await, pair("ADDED", "a"));
    let end = watch.value().await;
    let metadata = &end["object"]["metadata"];
    assert_eq!((&end["type"], &end["object"]["kind"]), (&json!("BOOKMARK"), &json!("ConfigMap")));
    assert_eq!(metadata["annotations"], json!({"k8s.io/initial-events-end": "true"}));
    assert_eq!(metadata["resourceVersion"], server.revision().to_string());
    server.put(config_map("default", "b")).unwrap();
    assert_eq!(watch.event().await, pair("ADDED", "b"));
    assert_eq!(client.get(&format!("{MAPS}&sendInitialEvents=true")).await.0, 422);
}

#[tokio::test]
async fn bookmarks_come_on_demand_and_at_the_end() {
    let (server, client) = start().await;
    let from = server.revision();
    let path = format!("{MAPS}&resourceVersion={from}&allowWatchBookmarks=true&timeoutSeconds=1");
    let mut watch = client.watch(&path).await;
    server.put(config_map("other", "elsewhere")).unwrap();
    server.send_bookmarks();
    assert_eq!(watch.value().await["type"], "BOOKMARK");
    let last = watch.value().await;
    assert_eq!(last["type"], "BOOKMARK");
    let version = &last["object"]["metadata"]["resourceVersion"];
    assert_eq!(version, &json!(server.revision().to_string()));
    assert_eq!(watch.next().await, Next::End(Vec::new()));
}

#[tokio::test]
async fn a_watch_from_a_forgotten_version_gets_410_in_the_stream() {
    let (server, client) = start_with(ServerOptions { history: 3, ..Default::default() }).await;
    let from = server.revision();
    let open = format!("{MAPS}&resourceVersion={from}");
    let mut current = client.watch(&open).await;
    server.put(config_map("default", "a")).unwrap();
    assert_eq!(current.event().await, pair("ADDED", "a"));
    server.compact();
    let mut late = client.watch(&open).await;
    let error = late.value().await;
    assert_eq!((&error["type"], &error["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(error["object"]["reason"], "Expired");
    assert_eq!(late.next().await, Next::End(Vec::new()));
    server.put(config_map("default", "b")).unwrap();
    assert_eq!(current.event().await, pair("ADDED", "b"));
}

#[tokio::test]
async fn a_selected_watch_sees_objects_enter_and_leave() {
    let (server, client) = start().await;
    let from = server.revision();
    let path = format!("{MAPS}&resourceVersion={from}&labelSelector=in%3Dyes");
    let mut watch = client.watch(&path).await;
    server.put(labelled("a", json!({"in": "no"}))).unwrap();
    server.put(labelled("a", json!({"in": "yes"}))).unwrap();
    assert_eq!(watch.event().await, pair("ADDED", "a"));
    server.put(labelled("a", json!({"in": "yes", "more": "x"}))).unwrap();
    assert_eq!(watch.event().await, pair("MODIFIED", "a"));
    server.put(labelled("a", json!({"in": "no"}))).unwrap();
    let left = watch.value().await;
    assert_eq!(left["type"], "DELETED");
    assert_eq!(left["object"]["metadata"]["labels"]["in"], "yes");
    server.delete("ConfigMap", "default", "a").unwrap();
    server.put(labelled("b", json!({"in": "yes"}))).unwrap();
    assert_eq!(watch.event().await, pair("ADDED", "b"));
}
