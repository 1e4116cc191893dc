//! What is particular to a kind: addresses of Services, definitions, writes from inside.

mod common;

use common::start;
use serde_json::json;

const SERVICES: &str = "/api/v1/namespaces/default/services";

#[tokio::test]
async fn services_get_addresses() {
    let (_server, client) = start().await;
    let spec = async |name: &str, spec: serde_json::Value| {
        let object = json!({"metadata": {"name": name}, "spec": spec});
        client.create(SERVICES, object).await
    };
    let (_, first) = spec("a", json!({"ports": [{"port": 80}]})).await;
    assert_eq!(first["spec"]["type"], "ClusterIP");
    assert_eq!(first["spec"]["ports"][0], json!({"port": 80, "protocol": "TCP", "targetPort": 80}));
    assert!(first["spec"]["clusterIP"].as_str().unwrap().starts_with("10.96."));
    assert_eq!(first["spec"]["clusterIPs"][0], first["spec"]["clusterIP"]);
    assert_eq!(first["spec"]["ipFamilies"], json!(["IPv4"]));
    let (code, _) = spec("b", json!({"clusterIP": first["spec"]["clusterIP"]})).await;
    assert_eq!(code, 422);
    let (_, headless) = spec("h", json!({"clusterIP": "None"})).await;
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    let (_, dual) = spec("d", json!({"ipFamilyPolicy": "RequireDualStack"})).await;
    assert_eq!(dual["spec"]["ipFamilies"], json!(["IPv4", "IPv6"]));
    assert!(dual["spec"]["clusterIPs"][1].as_str().unwrap().starts_with("fd00:10:96::"));
    let (_, name) = spec("e", json!({"type": "ExternalName", "externalName": "x.y"})).await;
    assert_eq!(name["spec"]["clusterIP"], json!(null));
    let object = json!({"metadata": {"name": "a"}, "spec": {"ports": [{"port": 81}]}});
    let (_, updated) = client.update(&format!("{SERVICES}/a"), object).await;
    assert_eq!(updated["spec"]["clusterIP"], first["spec"]["clusterIP"]);
}

#[tokio::test]
async fn custom_resources_are_served_once_defined() {
    let (_server, client) = start().await;
    let objects = "/apis/example.com/v1/namespaces/default/things";
    assert_eq!(client.get(objects).await.0, 404);
    let definition = json!({
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true}],
        },
    });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let (code, defined) = client.create(definitions, definition).await;
    assert_eq!((code, &defined["status"]["conditions"][1]["type"]), (201, &json!("Established")));
    assert_eq!(client.create(objects, json!({"metadata": {"name": "x"}})).await.0, 201);
    assert_eq!(client.get("/apis/example.com/v1").await.1["resources"][0]["kind"], "Thing");
    let path = format!("{definitions}/things.example.com");
    assert_eq!(client.delete(&path, json!({})).await.0, 200);
    assert_eq!(client.get(objects).await.0, 404);
}

#[tokio::test]
async fn tests_write_whole_objects_from_inside() {
    let (server, client) = start().await;
    let yaml = "
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: fresh}
spec: {nodeName: n}
status: {phase: Running, podIP: 10.0.0.1}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Node, metadata: {name: n}}
";
    assert_eq!(server.apply_yaml(yaml).unwrap().len(), 2);
    let (_, pod) = client.get("/api/v1/namespaces/fresh/pods/p").await;
    assert_eq!(pod["status"]["podIP"], "10.0.0.1");
    server.delete("Pod", "fresh", "p").unwrap();
    assert!(server.delete("Pod", "fresh", "p").is_err());
    assert_eq!(client.get("/api/v1/nodes/n").await.0, 200);
}
