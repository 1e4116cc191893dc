//! Every manifest is valid, and containers have no more rights than their roles need.

use std::env;
use std::fs;
use std::path::PathBuf;

use portolan_tests::namespace::run;

use super::kustomize::{containers, objects, overlays, pods, text, texts};
use super::root;

/// The oldest and the newest release whose schemas manifests are held to.
const RELEASES: [&str; 2] = ["1.25", "1.37"];

/// Returns the program that has Kubernetes' schemas.
fn validator() -> PathBuf {
    let this = env::current_exe().unwrap();
    let target = this.ancestors().nth(3).unwrap();
    let path = target.join("kubernetes-validate/bin/kubernetes-validate");
    assert!(path.exists(), "{} is missing; `make test` installs it", path.display());
    path
}

#[test]
fn every_manifest_is_valid() {
    let (deploy, directory) = (root().join("deploy"), tempfile::tempdir().unwrap());
    let mut files = Vec::new();
    for folder in overlays(&deploy) {
        let file = directory.path().join(folder.file_name().unwrap()).with_extension("yaml");
        fs::write(&file, text(&folder)).unwrap();
        files.push(file);
    }
    let folders = ["demo", "demo-node", "demo-node/pods"];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(deploy.join(folder)).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    files.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "yaml")));
    let validator = validator();
    for release in RELEASES {
        let mut arguments = vec!["--strict", "--kubernetes-version", release];
        arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
        let said = run(validator.to_str().unwrap(), &arguments);
        for file in &files {
            assert!(said.contains(file.to_str().unwrap()), "{} is looked at", file.display());
        }
    }
    // Policies are of a kind that the oldest release does not have.
    let policies = fs::read_dir(deploy.join("policies")).unwrap();
    for policy in policies.map(|entry| entry.unwrap().path()) {
        let policy = policy.to_str().unwrap();
        let words = ["--strict", "--kubernetes-version", RELEASES[1], policy];
        assert!(run(validator.to_str().unwrap(), &words).contains(policy), "{policy} is looked at");
    }
    // The program does find what is wrong.
    let wrong = directory.path().join("wrong.yaml");
    let text = fs::read_to_string(deploy.join("dns/service.yaml")).unwrap();
    fs::write(&wrong, text.replace("targetPort", "targetPorts")).unwrap();
    let mut command = std::process::Command::new(validator);
    let output =
        command.args(["--strict", "--kubernetes-version", RELEASES[1]]).arg(wrong).output();
    assert!(!output.unwrap().status.success());
}

/// What each container has that others do not: who it runs as, and with which capabilities.
const RIGHTS: [(&str, u64, &[&str]); 5] = [
    ("coredns", 65532, &[]),
    ("ipam-controller", 65532, &[]),
    ("netpol", 0, &["NET_ADMIN"]),
    ("node-blocks", 0, &[]),
    ("node-cache", 0, &["NET_ADMIN", "NET_BIND_SERVICE"]),
];

#[test]
fn containers_have_no_more_rights_than_they_need() {
    let mut seen = Vec::new();
    let overlays = ["all", "ipam-controller"].map(|name| root().join("deploy/overlays").join(name));
    let objects: Vec<_> = overlays.iter().flat_map(|folder| objects(folder)).collect();
    for (owner, pod) in pods(&objects) {
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{owner}");
        for field in ["hostPID", "hostIPC", "shareProcessNamespace"] {
            assert!(pod[field].is_null(), "{owner}: {field}");
        }
        for container in containers(pod) {
            let name = container["name"].as_str().unwrap();
            let context = &container["securityContext"];
            let (_, user, capabilities) =
                RIGHTS.iter().find(|(known, ..)| *known == name).unwrap_or(&("", 65532, &[]));
            let runs_as = context["runAsUser"].as_u64();
            let runs_as = runs_as.or_else(|| pod["securityContext"]["runAsUser"].as_u64());
            assert_eq!(runs_as, Some(*user), "{name}");
            if *user != 0 {
                assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
            }
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
            assert!(context["privileged"].is_null(), "{name}");
            assert_eq!(texts(&context["capabilities"]["drop"]), ["ALL"], "{name}");
            assert_eq!(texts(&context["capabilities"]["add"]), *capabilities, "{name}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
            seen.push(name.to_owned());
        }
    }
    for (name, ..) in RIGHTS {
        assert!(seen.iter().any(|seen| seen == name), "{name} is in an overlay");
    }
}

/// An existing Deployment of kubeadm becomes Portolan's: by the image alone, and by `kubectl apply -k`.
#[test]
fn coredns_is_replaced_under_its_own_names() {
    let objects = objects(&root().join("deploy/overlays/replace-coredns"));
    let names: Vec<String> = objects
        .iter()
        .map(|object| {
            let name = object["metadata"]["name"].as_str().unwrap();
            format!("{} {name}", object["kind"].as_str().unwrap())
        })
        .collect();
    for name in [
        "Deployment coredns",
        "Service kube-dns",
        "ServiceAccount coredns",
        "ClusterRole system:coredns",
        "ClusterRoleBinding system:coredns",
        "ConfigMap coredns",
        "PodDisruptionBudget coredns",
    ] {
        assert!(names.iter().any(|found| found == name), "{name} is in {names:?}");
    }
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    // kubeadm's, which nobody can change in a Deployment that is there.
    assert_eq!(deployment["spec"]["selector"]["matchLabels"]["k8s-app"], "kube-dns");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["name"], "coredns");
    assert_eq!(texts(&container["args"]), ["-conf", "/etc/coredns/Corefile"]);
    let service = objects.iter().find(|object| object["kind"] == "Service").unwrap();
    assert_eq!(service["spec"]["clusterIP"], "10.96.0.10");
}

/// What a runtime makes of the network: the list is JSON of the form that CNI wants, and the plugin is the one that is
/// installed.
#[test]
fn the_network_configuration_calls_the_plugin_that_is_installed() {
    let objects = objects(&root().join("deploy/overlays/node"));
    let config = super::kustomize::object(&objects, "ConfigMap", "portolan-cni");
    let (name, text) = config["data"].as_object().unwrap().iter().next().unwrap();
    let list: serde_json::Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    assert_eq!(list["plugins"][0]["ipam"]["type"], "portolan-ipam");
    let pods = pods(&objects);
    let (_, pod) = pods.iter().find(|(owner, _)| owner == "portolan-node-ipam").unwrap();
    let arguments = texts(&containers(pod).next().unwrap()["args"]);
    for expected in ["--plugin=/portolan-ipam", &format!("--conflist=/etc/portolan/{name}")] {
        assert!(arguments.iter().any(|argument| argument == expected), "{arguments:?}");
    }
}
