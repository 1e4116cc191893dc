//! The real `kubectl` works against the server, so that it is more than a mirror of our client.
//!
//! `KUBECTL` names another binary than the first in the path. Without any the test is skipped
//! loudly, and fails where `CI` is set.

mod common;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{PATIENCE, start};
use portolan_test_apiserver::{Flavour, TestApiServer, Verb};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const MANIFEST: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default, labels: {app: web}}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: {name: web, namespace: default}
spec: {type: ClusterSetIP, ports: [{port: 80, protocol: TCP}]}
";

struct Kubectl {
    binary: PathBuf,
    kubeconfig: PathBuf,
    home: tempfile::TempDir,
}

impl Kubectl {
    fn find(server: &TestApiServer, flavour: Flavour) -> Option<Self> {
        let named = std::env::var_os("KUBECTL").map(PathBuf::from);
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let mut candidates = std::env::split_paths(&paths).map(|path| path.join("kubectl"));
        let Some(binary) = named.or_else(|| candidates.find(|path| path.exists())) else {
            assert!(std::env::var_os("CI").is_none(), "no kubectl");
            eprintln!("SKIPPED: no kubectl; apt-get install kubernetes-client");
            return None;
        };
        let kubeconfig = server.kubeconfig(flavour).unwrap();
        Some(Self { binary, kubeconfig, home: tempfile::tempdir().unwrap() })
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments.split_whitespace())
            // A fresh home, since kubectl caches discovery there.
            .env("HOME", self.home.path())
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &str) -> String {
        self.run_with(arguments, "").await
    }

    async fn run_with(&self, arguments: &str, input: &str) -> String {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.expect("kubectl ends").unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "kubectl {arguments}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn follow(&self, arguments: &str) -> (Child, Lines<BufReader<ChildStdout>>) {
        let mut child = self.command(arguments).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines)
    }
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    line.expect("kubectl prints").unwrap().expect("kubectl goes on")
}

#[tokio::test]
async fn kubectl_applies_gets_patches_and_deletes() {
    let (server, _) = start().await;
    let Some(kubectl) = Kubectl::find(&server, Flavour::Token) else {
        return;
    };
    let applied = kubectl.run_with("apply -f -", MANIFEST).await;
    assert_eq!(applied.matches(" created").count(), 3, "{applied}");
    let again = kubectl.run_with("apply -f -", MANIFEST).await;
    assert!(again.contains("service/web unchanged"), "{again}");
    let services = kubectl.run("get svc -A -l app=web").await;
    assert!(services.contains("web"), "{services}");
    let yaml = kubectl.run("get svc web -o yaml").await;
    assert!(yaml.contains("clusterIP: 10.96."), "{yaml}");
    kubectl.run(r#"patch svc web -p {"spec":{"ports":[{"port":443,"name":"https"}]}}"#).await;
    let ports = kubectl.run("get svc web -o jsonpath={.spec.ports[*].port}").await;
    assert_eq!(ports.split(' ').count(), 2, "{ports}");
    kubectl.run(r#"patch serviceimport web --type=merge -p {"spec":{"ips":["10.0.0.9"]}}"#).await;
    kubectl.run("label svc web tier=front").await;
    assert_eq!(
        server.get("Service", "default", "web").unwrap()["metadata"]["labels"]["tier"],
        "front"
    );
    let changed = MANIFEST.replace("10.0.0.1", "10.0.0.2");
    let configured = kubectl.run_with("apply -f -", &changed).await;
    assert!(configured.contains("web-1 configured"), "{configured}");
    let deleted = kubectl.run_with("delete -f -", MANIFEST).await;
    assert_eq!(deleted.matches(" deleted").count(), 3, "{deleted}");
    assert_eq!(server.get("Service", "default", "web"), None);
}

#[tokio::test]
async fn kubectl_watches() {
    let (server, _) = start().await;
    let Some(kubectl) = Kubectl::find(&server, Flavour::ClientCertificate) else {
        return;
    };
    let (_child, mut lines) = kubectl.follow("get configmaps -w -o name");
    server.requests().wait_for(Verb::Watch, "configmaps", 1).await;
    for name in ["a", "b"] {
        server.put(common::config_map("default", name)).unwrap();
        assert_eq!(line(&mut lines).await, format!("configmap/{name}"));
    }
    server.delete("ConfigMap", "default", "a").unwrap();
    assert_eq!(line(&mut lines).await, "configmap/a");
}

#[tokio::test]
async fn the_binary_prints_a_kubeconfig_and_serves() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = directory.path().join("manifest.yaml");
    std::fs::write(&manifest, MANIFEST).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_test-apiserver"))
        .arg("--manifests")
        .arg(&manifest)
        // It is killed in the end and leaves its kubeconfig behind.
        .env("TMPDIR", directory.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let path = line(&mut lines).await;
    let access = portolan_test_apiserver::Access::read(Path::new(&path)).unwrap();
    let http = portolan_test_apiserver::ApiClient::new(&access).unwrap();
    let client = common::Client { http };
    assert_eq!(client.names("/api/v1/services").await, ["web"]);
}
