//! What `portolan explain flow`, `matrix` and `policies` say of manifests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use portolan_tests::server::binary;

const MANIFESTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: n1, containers: [{name: c, image: i}]}
status: {phase: Running, podIP: 10.244.0.5, podIPs: [{ip: 10.244.0.5}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {nodeName: n1, containers: [{name: c, image: i, ports: [{name: pg, containerPort: 5432}]}]}
status: {phase: Running, podIP: 10.244.0.6, podIPs: [{ip: 10.244.0.6}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {tier: frontend}}}]
    ports: [{port: pg}]
";

/// Asks about the manifests, after a change of their text.
fn explain(arguments: &str, change: (&str, &str)) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cluster.yaml");
    std::fs::write(&file, MANIFESTS.replace(change.0, change.1)).unwrap();
    let mut command = Command::new(binary());
    command.arg("explain").args(arguments.split(' ')).arg("--manifests").arg(file);
    command.output().unwrap()
}

fn said(arguments: &str, change: (&str, &str)) -> String {
    let output = explain(arguments, change);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const AS_IT_IS: (&str, &str) = ("", "");
const FRONTEND: (&str, &str) = ("labels: {app: web}", "labels: {app: web, tier: frontend}");
const TO_DB: &str = "flow --from shop/web --to shop/db --port 5432/tcp";

#[test]
fn a_denied_flow_names_the_policy_and_what_is_missing() {
    assert_eq!(
        said(TO_DB, AS_IT_IS),
        "5432/tcp from pod shop/web (10.244.0.5) to pod shop/db (10.244.0.6) is denied
  egress, on node n1: passes, no policy is about the egress of the pod
  ingress, on node n1: denied, isolated by shop/db
    shop/db ingress[0]
      from[0]: label tier=frontend is missing of pod shop/web
"
    );
}

/// What is said is what `portolan netpol` with the same flag does.
#[test]
fn the_cache_of_the_node_is_where_the_flag_says() {
    let deny = ("ingress:\n  - from", "policyTypes: [Ingress, Egress]\n  ingress:\n  - from");
    for (flag, to, passes) in [
        ("", "169.254.20.10", true),
        (" --node-local-dns=169.254.20.10,10.96.0.10", "10.96.0.10", true),
        ("", "10.96.0.10", false),
        (" --node-local-dns=", "169.254.20.10", false),
    ] {
        let text = said(&format!("flow --from shop/db --to {to} --port 53/udp{flag}"), deny);
        assert_eq!(text.contains("passes, the DNS server of the node"), passes, "{text}");
        assert_eq!(text.contains("is denied\n"), !passes, "{text}");
    }
    let wrong = explain("flow --from shop/db --to 10.0.0.1 --port 53 --node-local-dns=cache", deny);
    let errors = String::from_utf8_lossy(&wrong.stderr);
    assert!(errors.contains("--node-local-dns cache: write addresses"), "{errors}");
}

#[test]
fn an_allowed_flow_names_the_rule_and_a_wrong_port_the_right_one() {
    let allowed = said(TO_DB, FRONTEND);
    assert!(allowed.contains("(10.244.0.6) passes\n"), "{allowed}");
    assert!(allowed.contains("allowed by shop/db ingress[0].from[0] and ports[0]"), "{allowed}");
    let wrong = said("flow --from 10.244.0.5 --to 10.244.0.6 --port 80", FRONTEND);
    assert!(wrong.contains("80/tcp is not pg, which is 5432/tcp of pod shop/db"), "{wrong}");
}

#[test]
fn the_table_of_a_namespace_in_text_and_as_a_page() {
    let table = said("matrix --namespace shop --port 5432/tcp", AS_IT_IS);
    assert!(table.contains("1 shop/db  + +\n2 shop/web I +\n"), "{table}");
    let table = said("matrix --namespace shop --port 5432/tcp", FRONTEND);
    assert!(table.contains("1 shop/db  + +\n2 shop/web + +\n"), "{table}");
    let page = said("matrix --namespace shop --port 5432/tcp --html", AS_IT_IS);
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("shop/web"), "{page}");
}

#[test]
fn policies_that_are_hardly_meant_are_told() {
    let remarks = said("policies", AS_IT_IS);
    assert!(remarks.contains("NetworkPolicy shop/db: spec.ingress[0].from[0]"), "{remarks}");
    assert!(remarks.contains("selects no pod of namespace shop"), "{remarks}");
    assert!(remarks.ends_with("\n1 remark\n"), "{remarks}");
    assert!(!said("policies", FRONTEND).contains("selects no pod"));
}

#[test]
fn a_pod_that_is_not_there_is_an_error() {
    let output = explain("flow --from shop/nobody --to shop/db --port 80/tcp", AS_IT_IS);
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    let said = "there is no pod shop/nobody that runs; the namespace shop has 2 Pods (db, web)";
    assert!(error.contains(said), "{error}");
    let idle = ("metadata: {name: shop}", "metadata: {name: idle}");
    let output = explain("flow --from idle/db --to shop/db --port 80/tcp", idle);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("runs; the namespace idle has none"), "{error}");
}

/// A table without pods, or a verdict of a node that does not exist, would be taken for an answer.
#[test]
fn a_namespace_or_node_that_is_not_there_is_an_error() {
    let many: String = (0..9)
        .map(|n| format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: n{n}}}\n"))
        .collect();
    let crowd =
        ("apiVersion: v1\nkind: Node", format!("{}---\napiVersion: v1\nkind: Node", &many[4..]));
    for (arguments, change, said) in [
        (
            "matrix --namespace shp",
            AS_IT_IS,
            "there is no namespace shp; the cluster has the Namespace shop",
        ),
        (
            "matrix --namespace shp --html",
            (crowd.0, crowd.1.as_str()),
            "there is no namespace shp; the cluster has 10 Namespaces (n0, n1, n2, n3, n4, …)",
        ),
        (
            "flow --from shop/web --to shp/db --port 80/tcp",
            AS_IT_IS,
            "there is no namespace shp; the cluster has the Namespace shop",
        ),
        (
            &format!("{TO_DB} --live --node n2"),
            AS_IT_IS,
            "there is no node n2; the cluster has the Node n1",
        ),
    ] {
        let output = explain(arguments, change);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(1), 0),
            "{arguments}: {error}"
        );
        assert!(error.contains(said), "{arguments}: {error}");
    }
    // What has no Namespace in the manifests is there if anything is in it.
    let unnamed = ("name: shop}", "name: other}");
    assert!(said("matrix --namespace shop", unnamed).contains("shop/web"));
    let empty = said("matrix --namespace other", unnamed);
    assert!(empty.ends_with("\nno pod has an address of its own\n"), "{empty}");
}

/// An answer that lacks a policy would be a wrong one.
#[test]
fn what_cannot_be_read_is_told_beside_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("cluster.yaml"), MANIFESTS).unwrap();
    std::fs::write(directory.path().join("more.yaml"), "kind: NetworkPolicy\nspec: {").unwrap();
    let explain = |what: &str| {
        let mut command = Command::new(binary());
        command.args(what.split(' ')).arg("--manifests").arg(directory.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{what}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for what in [
        &format!("explain {TO_DB}"),
        "explain matrix",
        "explain policies",
        "explain dns db.shop.svc.cluster.local",
        "netpol --node n1 --print-ruleset",
    ] {
        let remarks = explain(what);
        assert!(remarks.starts_with("[WARNING] manifest not usable"), "{what}: {remarks}");
        assert!(
            remarks.contains("more.yaml:2: document 1: is not valid YAML"),
            "{what}: {remarks}"
        );
    }
    std::fs::remove_file(directory.path().join("more.yaml")).unwrap();
    assert_eq!(explain("explain policies"), "");
}

/// A pipe can be read once: taken for an empty cluster, it would allow everything.
#[test]
fn a_pipe_is_no_cluster() {
    for what in [&format!("explain {TO_DB}"), "explain policies", "netpol --node n1 --once"] {
        let mut command = Command::new(binary());
        command.args(what.split(' ')).args(["--manifests", "/dev/stdin"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The process may have ended before it takes everything.
        let _ = child.stdin.take().unwrap().write_all(MANIFESTS.as_bytes());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{what}: {output:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains("cannot be read again; name a readable YAML"), "{what}: {errors}");
    }
}
