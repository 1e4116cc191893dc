//! Lists: selectors, pages, resource versions, size.

mod common;

use std::time::Instant;

use common::{config_map, labelled, names, start, start_with};
use portolan_test_apiserver::ServerOptions;
use serde_json::json;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn lists_one_namespace_or_all() {
    let (server, client) = start().await;
    server.put(config_map("default", "a")).unwrap();
    server.put(config_map("other", "b")).unwrap();
    let (code, list) = client.get("/api/v1/configmaps").await;
    assert_eq!((code, &list["kind"]), (200, &json!("ConfigMapList")));
    assert_eq!(list["metadata"]["resourceVersion"], server.revision().to_string());
    assert_eq!(names(&list), ["a", "b"]);
    assert_eq!(client.names(MAPS).await, ["a"]);
    let fields = "fieldSelector=metadata.name%3Db,metadata.namespace!%3Ddefault";
    assert_eq!(client.names(&format!("/api/v1/configmaps?{fields}")).await, ["b"]);
    assert_eq!(client.get(&format!("{MAPS}?fieldSelector=data.x%3Dy")).await.0, 400);
}

#[tokio::test]
async fn lists_by_label() {
    let (server, client) = start().await;
    server.put(labelled("a", json!({"app": "web"}))).unwrap();
    server.put(labelled("b", json!({"app": "db", "x": ""}))).unwrap();
    for (selector, expected) in [
        ("app%3Dweb", vec!["a"]),
        ("app+in+(web,db),x", vec!["b"]),
        ("app+notin+(web)", vec!["b"]),
        ("!x", vec!["a"]),
    ] {
        assert_eq!(client.names(&format!("{MAPS}?labelSelector={selector}")).await, expected);
    }
}

#[tokio::test]
async fn pages_show_one_revision() {
    let (server, client) = start().await;
    for name in ["a", "b", "c", "d", "e"] {
        server.put(config_map("default", name)).unwrap();
    }
    let (_, first) = client.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    let version = &first["metadata"]["resourceVersion"];
    server.delete("ConfigMap", "default", "c").unwrap();
    server.put(config_map("default", "dd")).unwrap();
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = client.get(&format!("{MAPS}?limit=2&continue={token}")).await;
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(&second["metadata"]["resourceVersion"], version);
    let token = second["metadata"]["continue"].as_str().unwrap();
    let (_, third) = client.get(&format!("{MAPS}?limit=2&continue={token}")).await;
    assert_eq!(
        (names(&third), &third["metadata"]["continue"]),
        (vec!["e".to_owned()], &json!(null))
    );
    server.compact();
    let (code, status) = client.get(&format!("{MAPS}?limit=2&continue={token}")).await;
    assert_eq!((code, &status["reason"]), (410, &json!("Expired")));
    assert_eq!(client.get(&format!("{MAPS}?continue=nonsense")).await.0, 400);
}

#[tokio::test]
async fn resource_versions_select_the_past() {
    let (server, client) = start().await;
    server.put(config_map("default", "a")).unwrap();
    let past = server.revision();
    server.put(config_map("default", "b")).unwrap();
    let list = |query: String| format!("{MAPS}?resourceVersion={query}");
    let exact = list(format!("{past}&resourceVersionMatch=Exact"));
    assert_eq!(client.names(&exact).await, ["a"]);
    let newer = list(format!("{past}&resourceVersionMatch=NotOlderThan"));
    assert_eq!(client.names(&newer).await, ["a", "b"]);
    assert_eq!(client.names(&list("0&limit=1".to_owned())).await, ["a", "b"]);
    let (code, status) = client.get(&list("99999".to_owned())).await;
    assert_eq!((code, &status["details"]["retryAfterSeconds"]), (504, &json!(1)));
    assert_eq!(client.get(&format!("{MAPS}?resourceVersionMatch=Exact")).await.0, 400);
    assert_eq!(client.get(&list("x".to_owned())).await.0, 400);
    server.compact();
    assert_eq!(client.get(&exact).await.0, 410);
}

#[tokio::test]
async fn the_window_is_bounded() {
    let (server, client) = start_with(ServerOptions { history: 2, ..Default::default() }).await;
    let past = server.revision();
    for name in ["a", "b", "c"] {
        server.put(config_map("default", name)).unwrap();
    }
    let exact = format!("{MAPS}?resourceVersion={past}&resourceVersionMatch=Exact");
    assert_eq!(client.get(&exact).await.0, 410);
}

#[tokio::test]
async fn discovery_describes_every_resource() {
    let (_server, client) = start().await;
    let (_, groups) = client.get("/apis").await;
    for group in groups["groups"].as_array().unwrap() {
        let version = group["preferredVersion"]["groupVersion"].as_str().unwrap();
        let (code, list) = client.get(&format!("/apis/{version}")).await;
        assert_eq!((code, &list["groupVersion"]), (200, &json!(version)));
        for resource in list["resources"].as_array().unwrap() {
            let name = resource["name"].as_str().unwrap();
            if !name.contains('/') {
                assert_eq!(client.get(&format!("/apis/{version}/{name}")).await.0, 200);
            }
        }
    }
    assert_eq!(client.get("/version").await.1["major"], "1");
    assert_eq!(client.get("/readyz").await, (200, json!("ok")));
    assert_eq!(client.get("/apis/none/v1").await.0, 404);
}

#[tokio::test]
async fn a_hundred_thousand_objects_are_listed_whole_and_in_pages() {
    const COUNT: usize = 100_000;
    let (server, client) = start().await;
    for index in 0..COUNT {
        server.put(config_map("default", &format!("m{index:06}"))).unwrap();
    }
    let start = Instant::now();
    let (_, list) = client.get(MAPS).await;
    assert_eq!(list["items"].as_array().unwrap().len(), COUNT);
    let (mut token, mut seen) = (String::new(), 0);
    loop {
        let (_, page) = client.get(&format!("{MAPS}?limit=5000&continue={token}")).await;
        seen += page["items"].as_array().unwrap().len();
        let Some(next) = page["metadata"]["continue"].as_str() else {
            break;
        };
        token = next.to_owned();
    }
    assert_eq!(seen, COUNT);
    println!("listed twice in {:?}", start.elapsed());
}
