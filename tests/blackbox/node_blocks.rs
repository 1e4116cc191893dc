//! `portolan ipam plan` and `portolan explain node`: from files and from an API server, with what is wrong named.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::path::Path;
use std::process::Command;

use portolan_tests::server::{binary, write};
use portolan_tests::stage::Stage;
use serde_json::json;
use test_apiserver::{Extent, Flavour};

/// What a command printed: the exit code, the answer, the remarks.
fn run(words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(binary());
    let output = command.args(words).env_remove("KUBERNETES_SERVICE_HOST").output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn nodes_are_planned_from_an_api_server() {
    let Some(stage) = Stage::in_process("nodes of a real cluster are not the test's") else {
        return;
    };
    let definition = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/crds/ippool.yaml");
    let server = stage.server();
    server.apply_yaml(&std::fs::read_to_string(definition).unwrap()).unwrap();
    let pool = |name: &str, cidr: &str, size: u8| {
        let metadata = json!({"name": name});
        let spec = json!({"cidr": cidr, "blockSize": size});
        json!({"apiVersion": "portolan.dev/v1alpha1", "kind": "IPPool", "metadata": metadata, "spec": spec})
    };
    server.put(pool("four", "10.0.0.0/12", 24)).unwrap();
    server.put(pool("six", "fd00::/32", 64)).unwrap();
    // More than a page of a list.
    for n in 0..600 {
        let metadata = json!({"name": format!("n{n:03}")});
        server.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata})).unwrap();
    }
    let kubeconfig = stage.kubeconfig(Flavour::Token).display().to_string();
    let access = ["--kubeconfig", &kubeconfig];
    let plan = [&["ipam", "plan"][..], &access, &["--service-cidrs", "10.0.0.0/20"]].concat();
    let (code, answer, errors) = run(&plan);
    assert_eq!((code, errors.as_str()), (0, ""));
    let answer = lines(&answer);
    assert_eq!(answer.len(), 602);
    let blocks: std::collections::BTreeSet<&str> = answer[..600]
        .iter()
        .map(|line| line.split_once(": would get ").unwrap().1)
        .inspect(|blocks| assert!(blocks.contains(" of pool four, fd00:"), "{blocks}"))
        .collect();
    assert_eq!(blocks.len(), 600, "no block twice");
    assert!(!blocks.iter().any(|it| it.starts_with("10.0.15.")), "blocks of Services");
    assert!(blocks.iter().any(|it| it.starts_with("10.0.16.0/24 ")), "the first behind them");
    assert_eq!(answer[600], "pool four: 616 of 4096 blocks are held");
    assert_eq!(answer[601], "pool six: 600 of 4294967296 blocks are held");
    let (code, answer, _) = run(&[&["explain", "node", "n007"][..], &access].concat());
    assert_eq!(code, 0);
    assert!(lines(&answer)[0].starts_with("n007 has no block yet and gets 10."), "{answer}");
    let (code, answer, errors) = run(&[&["explain", "node", "none"][..], &access].concat());
    assert_eq!((code, answer.as_str()), (1, ""));
    let said = "there is no node none; the cluster has 600 Nodes (n000, n001, n002, n003, n004, …)";
    assert!(errors.contains(said), "{errors}");
    stage.faults().answer(403, Extent::Next(1));
    let (code, _, errors) = run(&plan);
    assert_eq!(code, 1);
    assert!(errors.contains("refuses to list ippools: 403"), "{errors}");
}

#[test]
fn a_cluster_without_pools_of_ours_is_read_by_flags() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nodes.yaml");
    let node = |name: &str, cidrs: &str| {
        format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\nspec: {{podCIDRs: [{cidrs}]}}\n"
        )
    };
    let nodes = [("a", "10.244.0.0/24"), ("b", ""), ("c", "172.16.0.0/24"), ("d", "ten")];
    write(&path, &nodes.map(|(name, cidrs)| node(name, cidrs)).concat());
    let manifests = path.display().to_string();
    let told = |flags: &[&str]| {
        let (code, answer, errors) =
            run(&[&["ipam", "plan", "--manifests", &manifests][..], flags].concat());
        assert_eq!(errors, "", "{flags:?}");
        (code, answer)
    };
    let (code, answer) = told(&["--cluster-cidrs", "10.244.0.0/23,fd00::/48"]);
    assert_eq!(code, 1);
    assert_eq!(
        lines(&answer),
        [
            "b: would get 10.244.1.0/24 of pool 10.244.0.0/23, fd00::/64 of pool fd00::/48",
            "c: PodCIDROutOfRange: block 172.16.0.0/24 is in no pool and stays with the node; add an IPPool with it, or \
             drain the node and delete its Node object",
            "d: InvalidPodCIDR: spec.podCIDRs has \"ten\", which is no network; delete the Node object, so that it \
             registers again",
            "pool 10.244.0.0/23: 2 of 2 blocks are held",
            "pool fd00::/48: 1 of 65536 blocks are held",
        ]
    );
    let (_, answer) = told(&["--cluster-cidrs", "10.244.0.0/24"]);
    assert!(
        lines(&answer)[0]
            .starts_with("b: CIDRNotAvailable: no free IPv4 block in pool 10.244.0.0/24")
    );
    let (_, answer) = told(&["--cluster-cidrs", "10.244.0.0/23", "--node-mask-size-ipv4", "25"]);
    assert!(lines(&answer)[0].starts_with("b: would get 10.244.1.0/25"), "{answer}");
    let (code, _, errors) =
        run(&["ipam", "plan", "--manifests", &manifests, "--cluster-cidrs", "10.244.0.1/16"]);
    assert_eq!(code, 1);
    assert!(
        errors
            .contains("--cluster-cidrs: network 10.244.0.1/16 has host bits; write 10.244.0.0/16"),
        "{errors}"
    );
    for flag in ["--cluster-cidrs", "--service-cidrs"] {
        let (_, _, errors) = run(&["ipam", "plan", flag, "10.0.0.0/8,10.244.0.0/33"]);
        let expected = format!(
            "invalid value '10.244.0.0/33' for '{flag} <CIDRS>': write networks, for example 10.244.0.0/16"
        );
        assert!(errors.contains(&expected), "{errors}");
    }
    write(
        &path,
        "apiVersion: portolan.dev/v1alpha1\nkind: IPPool\nmetadata: {name: p}\nspec: {cidr: ten, blockSize: 24}\n",
    );
    let (code, _, errors) = run(&["ipam", "plan", "--manifests", &manifests]);
    assert_eq!(code, 1);
    assert!(
        errors.contains("nodes.yaml:1: IPPool p: spec.cidr: \"ten\" is no network"),
        "{errors}"
    );
}
