//! Create, read, update, patch and delete of single objects.

mod common;

use common::{config_map, start, start_with};
use portolan_test_apiserver::{NamespaceCheck, ServerOptions};
use serde_json::json;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const SERVICES: &str = "/api/v1/namespaces/default/services";
const PODS: &str = "/api/v1/namespaces/default/pods";

#[tokio::test]
async fn create_stamps_and_refuses_duplicates() {
    let (_server, client) = start().await;
    let (code, created) = client.create(MAPS, config_map("default", "a")).await;
    assert_eq!(code, 201);
    let metadata = &created["metadata"];
    assert_eq!(metadata["uid"].as_str().unwrap().len(), 36);
    assert_eq!(metadata["creationTimestamp"].as_str().unwrap().len(), 20);
    assert_eq!(metadata["generation"], 1);
    assert_eq!(client.get(&format!("{MAPS}/a")).await, (200, created));
    let (code, status) = client.create(MAPS, config_map("default", "a")).await;
    assert_eq!((code, &status["reason"]), (409, &json!("AlreadyExists")));
    let (code, status) = client.get(&format!("{MAPS}/b")).await;
    assert_eq!((code, &status["message"]), (404, &json!("configmaps \"b\" not found")));
    assert_eq!(client.create(MAPS, config_map("default", "Not_A_Name")).await.0, 422);
    let other = config_map("other", "a");
    assert_eq!(client.create(MAPS, other).await.0, 400);
    assert_eq!(
        client.create(MAPS, json!({"spec": "text", "metadata": {"name": "x"}})).await.0,
        400
    );
}

#[tokio::test]
async fn names_are_generated() {
    let (_server, client) = start().await;
    let object = json!({"metadata": {"generateName": "web-"}});
    let (code, created) = client.create(MAPS, object).await;
    let name = created["metadata"]["name"].as_str().unwrap();
    assert_eq!((code, name.len()), (201, 9));
    assert!(name.starts_with("web-"));
}

#[tokio::test]
async fn namespaces_have_to_exist_and_take_their_objects_along() {
    let (server, client) = start().await;
    let maps = "/api/v1/namespaces/a/configmaps";
    let (code, status) = client.create(maps, config_map("a", "x")).await;
    assert_eq!((code, &status["message"]), (404, &json!("namespaces \"a\" not found")));
    let (code, namespace) =
        client.create("/api/v1/namespaces", json!({"metadata": {"name": "a"}})).await;
    assert_eq!(code, 201);
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], "a");
    assert_eq!(namespace["status"]["phase"], "Active");
    assert_eq!(client.create(maps, config_map("a", "x")).await.0, 201);
    assert_eq!(client.delete("/api/v1/namespaces/a", json!({})).await.0, 200);
    assert_eq!(server.get("ConfigMap", "a", "x"), None);

    let namespaces = NamespaceCheck::Off;
    let (_server, client) = start_with(ServerOptions { namespaces, ..Default::default() }).await;
    assert_eq!(client.create(maps, config_map("a", "x")).await.0, 201);
}

#[tokio::test]
async fn update_has_preconditions_and_knows_when_nothing_changes() {
    let (server, client) = start().await;
    let path = format!("{MAPS}/a");
    let (_, mut object) = client.create(MAPS, config_map("default", "a")).await;
    let stale = object.clone();
    object["data"] = json!({"k": "v"});
    let (code, updated) = client.update(&path, object.clone()).await;
    assert_eq!((code, &updated["metadata"]["generation"]), (200, &json!(2)));
    assert_eq!(updated["metadata"]["uid"], object["metadata"]["uid"]);
    let revision = server.revision();
    assert_eq!(updated["metadata"]["resourceVersion"], revision.to_string());
    let (code, status) = client.update(&path, stale).await;
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
    assert_eq!(client.update(&path, updated).await.0, 200);
    assert_eq!(server.revision(), revision);
    assert_eq!(client.update(&format!("{MAPS}/b"), config_map("default", "b")).await.0, 404);
}

#[tokio::test]
async fn status_is_written_by_its_subresource_alone() {
    let (_server, client) = start().await;
    let pod = json!({
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}]},
        "status": {"podIP": "10.0.0.1"},
    });
    let (_, created) = client.create(PODS, pod).await;
    assert_eq!(created["status"], json!({"phase": "Pending"}));
    assert_eq!(created["spec"]["dnsPolicy"], "ClusterFirst");
    assert_eq!(created["spec"]["containers"][0]["ports"][0]["protocol"], "TCP");
    let status = json!({"status": {"phase": "Running"}, "spec": {"nodeName": "ignored"}});
    let path = format!("{PODS}/p/status");
    let (_, patched) = client.patch(&path, "merge-patch+json", status).await;
    assert_eq!(patched["status"]["phase"], "Running");
    assert_eq!(patched["spec"]["nodeName"], json!(null));
    assert_eq!(patched["metadata"]["generation"], 1);
    let both = json!({"status": {"phase": "Failed"}, "spec": {"nodeName": "n"}});
    let (_, patched) = client.patch(&format!("{PODS}/p"), "merge-patch+json", both).await;
    assert_eq!(patched["status"]["phase"], "Running");
    assert_eq!(patched["spec"]["nodeName"], "n");
    assert_eq!(client.get(&format!("{MAPS}/p/status")).await.0, 404);
}

#[tokio::test]
async fn every_patch_format_works() {
    let (_server, client) = start().await;
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    client.create(SERVICES, service).await;
    let path = format!("{SERVICES}/s");
    let ports = json!({"spec": {"ports": [{"port": 53, "protocol": "UDP"}]}});
    let (_, patched) = client.patch(&path, "strategic-merge-patch+json", ports.clone()).await;
    assert_eq!(patched["spec"]["ports"].as_array().unwrap().len(), 2);
    let (_, patched) = client.patch(&path, "merge-patch+json", ports.clone()).await;
    assert_eq!(patched["spec"]["ports"].as_array().unwrap().len(), 1);
    let operations = json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]);
    let (_, patched) = client.patch(&path, "json-patch+json", operations).await;
    assert_eq!(patched["metadata"]["labels"]["a"], "b");
    let missing = json!([{"op": "remove", "path": "/spec/none"}]);
    assert_eq!(client.patch(&path, "json-patch+json", missing).await.0, 422);
    let stale = json!({"metadata": {"resourceVersion": "1"}});
    assert_eq!(client.patch(&path, "merge-patch+json", stale).await.0, 409);
    assert_eq!(client.patch(&path, "unknown", json!({})).await.0, 415);
    let imports = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/default/serviceimports/x";
    assert_eq!(client.patch(imports, "strategic-merge-patch+json", json!({})).await.0, 415);
}

#[tokio::test]
async fn apply_creates_then_merges() {
    let (_server, client) = start().await;
    let path = format!("{MAPS}/a?fieldManager=test");
    let first = json!({"metadata": {"name": "a"}, "data": {"x": "1"}});
    assert_eq!(client.patch(&path, "apply-patch+yaml", first).await.0, 201);
    let second = "metadata: {name: a}\ndata: {y: '2'}\n".to_owned();
    let apply = "application/apply-patch+yaml";
    let (code, merged) = client.send(hyper::Method::PATCH, &path, apply, second).await;
    assert_eq!((code, &merged["data"]), (200, &json!({"x": "1", "y": "2"})));
    for malformed in [json!("text"), json!({"metadata": "text"})] {
        let path = format!("{MAPS}/new?fieldManager=test");
        assert_eq!(client.patch(&path, "apply-patch+yaml", malformed).await.0, 400);
    }
    assert_eq!(client.patch(&format!("{MAPS}/a"), "apply-patch+yaml", json!({})).await.0, 400);
}

#[tokio::test]
async fn delete_has_preconditions_and_waits_for_finalizers() {
    let (server, client) = start().await;
    let mut object = config_map("default", "a");
    object["metadata"]["finalizers"] = json!(["test/hold"]);
    client.create(MAPS, object).await;
    let path = format!("{MAPS}/a");
    let wrong = json!({"preconditions": {"uid": "wrong"}});
    assert_eq!(client.delete(&path, wrong).await.0, 409);
    let (code, held) = client.delete(&path, json!({})).await;
    assert_eq!((code, held["metadata"]["deletionTimestamp"].is_string()), (200, true));
    let release = json!({"metadata": {"finalizers": null}});
    assert_eq!(client.patch(&path, "merge-patch+json", release).await.0, 200);
    assert_eq!(server.get("configmaps", "default", "a"), None);
    assert_eq!(client.delete(&path, json!({})).await.0, 404);
}

#[tokio::test]
async fn delete_collection_goes_by_selector() {
    let (server, client) = start().await;
    for (name, label) in [("a", "x"), ("b", "x"), ("c", "y")] {
        server.put(common::labelled(name, json!({"l": label}))).unwrap();
    }
    let (code, deleted) = client.delete(&format!("{MAPS}?labelSelector=l%3Dx"), json!({})).await;
    assert_eq!((code, common::names(&deleted)), (200, vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(client.names(MAPS).await, ["c"]);
}

#[tokio::test]
async fn dry_runs_change_nothing() {
    let (server, client) = start().await;
    let revision = server.revision();
    let path = format!("{SERVICES}?dryRun=All");
    let (code, made) = client.create(&path, json!({"metadata": {"name": "s"}})).await;
    assert_eq!((code, made["spec"]["clusterIP"].is_string()), (201, true));
    assert_eq!(server.revision(), revision);
}
