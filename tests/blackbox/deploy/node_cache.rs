//! The cache of a node as its manifest starts it: Pods get the cluster's answers at both of its addresses.

use std::process::Command;

use portolan_tests::dig::dig;
use portolan_tests::namespace::{inside, run};
use portolan_tests::server::{Server, binary, write};

use super::kustomize::{containers, object, objects, pods, texts};
use super::root;

/// The address that the Service `kube-dns-upstream` has here.
const UPSTREAM: &str = "10.96.0.11";

#[test]
fn the_cache_of_a_node_answers_as_the_cluster_does() {
    inside("node_cache::the_cache_of_a_node_answers_as_the_cluster_does", || {
        run("ip", &["address", "add", &format!("{UPSTREAM}/32"), "dev", "lo"]);
        let mut cluster = Server::start(&format!(
            ".:53 {{
                bind {UPSTREAM}
                kubernetes cluster.local in-addr.arpa {{
                    manifests {}
                }}
            }}",
            root().join("deploy/demo").display()
        ));
        cluster.endpoint("admin");

        let objects = objects(&root().join("deploy/overlays/node"));
        let directory = tempfile::tempdir().unwrap();
        let corefile = directory.path().join("Corefile");
        let config = object(&objects, "ConfigMap", "node-local-dns");
        write(&corefile, config["data"]["Corefile"].as_str().unwrap());
        let pods = pods(&objects);
        let (_, pod) = pods.iter().find(|(owner, _)| owner == "node-local-dns").unwrap();
        let container = containers(pod).next().unwrap();
        let arguments = texts(&container["args"]).into_iter();
        let arguments = arguments
            .map(|argument| argument.replace("/etc/coredns/Corefile", corefile.to_str().unwrap()));
        let mut command = Command::new(binary());
        command.arg("dns").args(arguments).env("KUBE_DNS_UPSTREAM_SERVICE_HOST", UPSTREAM);
        let mut cache = Server::of(command, directory).serving();
        cache.wait_for_line("are not tracked");

        for address in ["169.254.20.10:53", "10.96.0.10:53"] {
            let reply = dig(address.parse().unwrap(), "kubernetes.default.svc.cluster.local A");
            assert_eq!(reply.status, "NOERROR", "{}", reply.text);
            assert!(reply.answer[0].ends_with(" A 10.96.0.1"), "{:?}", reply.answer);
            let reply = dig(address.parse().unwrap(), "-x 10.96.0.1");
            assert!(
                reply.answer[0].ends_with("kubernetes.default.svc.cluster.local."),
                "{reply:?}"
            );
        }
        cache.signal("TERM");
        assert_eq!(cache.wait().code(), Some(0));
        let left = run("ip", &["-brief", "address", "show", "lo"]);
        assert!(!left.contains("10.96.0.10/"), "{left}");
    });
}

/// Both Corefiles are such that nothing is to be said of them.
#[test]
fn the_corefiles_are_good() {
    let objects = objects(&root().join("deploy/overlays/all"));
    for name in ["coredns", "node-local-dns"] {
        let directory = tempfile::tempdir().unwrap();
        let corefile = directory.path().join("Corefile");
        let config = object(&objects, "ConfigMap", name);
        write(&corefile, config["data"]["Corefile"].as_str().unwrap());
        let output = Command::new(binary())
            .arg("check")
            .arg(&corefile)
            .env("KUBE_DNS_UPSTREAM_SERVICE_HOST", UPSTREAM)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.ends_with(": no mistakes, no warnings\n"), "{name}: {said}");
    }
}
