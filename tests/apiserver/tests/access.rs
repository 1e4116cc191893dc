//! Who gets in, and what the log keeps of it.

mod common;

use common::{client, http1_client, start};
use portolan_test_apiserver::{Access, ApiClient, Flavour, Verb};
use serde_json::Value;

const PODS: &str = "/api/v1/pods";

#[tokio::test]
async fn tokens_and_certificates_of_this_server_get_in() {
    let (server, _) = start().await;
    for flavour in [Flavour::Token, Flavour::TokenFile, Flavour::ClientCertificate] {
        assert_eq!(client(server.front(), flavour).get(PODS).await.0, 200, "{flavour:?}");
    }
    assert_eq!(http1_client(server.front()).get(PODS).await.0, 200);
}

#[tokio::test]
async fn others_stay_out() {
    let (server, _) = start().await;
    let path = server.kubeconfig(Flavour::Token).unwrap();
    let mut access = Access::read(&path).unwrap();
    for token in [Some("wrong".to_owned()), None] {
        access.token = token;
        let client = common::Client { http: ApiClient::new(&access).unwrap() };
        let (code, status) = client.get(PODS).await;
        assert_eq!((code, status["reason"].as_str()), (401, Some("Unauthorized")));
    }
    let (other, _) = start().await;
    access.ca_pem = other.ca_pem();
    let client = ApiClient::new(&access).unwrap();
    let answer = client.exchange(hyper::Method::GET, PODS, "application/json", "").await;
    assert!(answer.unwrap_err().to_string().contains("certificate"));
}

#[tokio::test]
async fn a_rotated_token_replaces_the_old_one_in_files() {
    let (server, old) = start().await;
    let exec = server.kubeconfig(Flavour::Exec).unwrap();
    let token = server.front().rotate_token().unwrap();
    assert_eq!(old.get(PODS).await.0, 401);
    assert_eq!(client(server.front(), Flavour::TokenFile).get(PODS).await.0, 200);
    let config: Value = serde_json::from_slice(&std::fs::read(exec).unwrap()).unwrap();
    let plugin = &config["users"][0]["user"]["exec"];
    let output = tokio::process::Command::new(plugin["command"].as_str().unwrap())
        .arg(plugin["args"][0].as_str().unwrap())
        .output()
        .await
        .unwrap();
    let credential: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(credential["status"]["token"], token);
    assert_eq!(credential["apiVersion"], plugin["apiVersion"]);
}

#[tokio::test]
async fn the_log_counts_and_keeps_queries() {
    let (server, client) = start().await;
    client.get(&format!("{PODS}?limit=5")).await;
    client.get("/api/v1/namespaces/a/pods/x").await;
    server.requests().wait_for(Verb::Get, "pods", 1).await;
    assert_eq!(server.requests().count(Verb::List, "pods"), 1);
    let lists = server.requests().of(Verb::List, "pods");
    assert_eq!((&*lists[0].query, lists[0].status), ("limit=5", 200));
    let gets = server.requests().of(Verb::Get, "pods");
    assert_eq!((&*gets[0].info.namespace, gets[0].status), ("a", 404));
    server.requests().clear();
    assert_eq!(server.requests().entries(), []);
}
