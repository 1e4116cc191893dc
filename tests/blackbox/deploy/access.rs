//! The ClusterRole of each role is what the process asks the API server for, no less and no more.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use portolan_tests::namespace::inside;
use portolan_tests::server::{Server, binary, write};
use portolan_tests::stage::{Stage, until};
use serde_json::{Value, json};
use test_apiserver::{Extent, Flavour, Verb, WriteFault};

use super::kustomize::{containers, object, objects, pods, texts};
use super::root;

/// `VERB RESOURCE`, with the API group.
type Rights = BTreeSet<String>;

/// Returns what the service account of a Pod may do in the whole cluster.
fn allowed(objects: &[Value], pod: &Value) -> Rights {
    let account = &pod["serviceAccountName"];
    let is_bound = |object: &&Value| {
        object["kind"] == "ClusterRoleBinding" && object["subjects"][0]["name"] == *account
    };
    let binding = objects.iter().find(is_bound).unwrap();
    let role = object(objects, "ClusterRole", binding["roleRef"]["name"].as_str().unwrap());
    let mut rights = Rights::new();
    for rule in role["rules"].as_array().unwrap() {
        assert!(rule["resourceNames"].is_null() && rule["nonResourceURLs"].is_null());
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let rights_of_it = texts(&rule["verbs"]).into_iter();
                rights.extend(rights_of_it.map(|verb| right(&verb, &group, &resource)));
            }
        }
    }
    rights
}

fn right(verb: &str, group: &str, resource: &str) -> String {
    match group {
        "" => format!("{verb} {resource}"),
        group => format!("{verb} {resource}.{group}"),
    }
}

/// Returns what was asked for so far.
fn asked(stage: &Stage) -> Rights {
    let requests = stage.requests().entries().into_iter();
    let requests = requests.filter(|entry| entry.info.verb != Verb::Other);
    requests
        .map(|entry| {
            let info = entry.info;
            let resource = match info.subresource.as_str() {
                "" => info.resource,
                below => format!("{}/{below}", info.resource),
            };
            right(&format!("{:?}", info.verb).to_lowercase(), &info.group, &resource)
        })
        .collect()
}

fn node() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-a"},
        "spec": {"podCIDRs": ["10.244.3.0/24"]},
    })
}

/// Runs a container of an overlay against an API server, and holds what it asks for to its ClusterRole.
///
/// The server refuses streamed lists first, as one without KEP-3157 does, so that the process lists, too.
fn is_held_to_its_rights(
    overlay: &str,
    owner: &str,
    change: impl FnOnce(&mut Vec<String>, &Stage),
) {
    let stage = Stage::local();
    stage.put(node());
    let objects = objects(&root().join("deploy/overlays").join(overlay));
    let pods = pods(&objects);
    let (_, pod) = pods.iter().find(|(name, _)| name == owner).unwrap();
    let container = containers(pod).next().unwrap();
    let command = texts(&container["command"]);
    let mut arguments: Vec<String> = command[1..].to_vec();
    let given = texts(&container["args"]).into_iter();
    arguments.extend(given.map(|argument| argument.replace("$(NODE_NAME)", "node-a")));
    change(&mut arguments, &stage);

    // Events are written when something is wrong, by all roles in the same way: `tests/events.rs` of cluster-writer.
    let events = ["create", "get", "patch"].map(|verb| right(verb, "events.k8s.io", "events"));
    let mut rights = allowed(&objects, pod);
    if rights.iter().any(|right| right.ends_with("events.events.k8s.io")) {
        assert!(events.iter().all(|right| rights.remove(right)), "{rights:?}");
    }
    stage.faults().answer(422, Extent::UntilOff);
    let directory = tempfile::tempdir().unwrap();
    let mut process = Command::new(binary());
    if command[0] == "/coredns" {
        process.arg("dns");
    }
    let server = Server::of(
        {
            process.args(&arguments);
            process
        },
        directory,
    );
    let lists: Rights = rights.iter().filter(|right| right.starts_with("list")).cloned().collect();
    // Which NodeBlock is followed is known when the Node is.
    let (second, first): (Rights, Rights) =
        lists.iter().cloned().partition(|list| list.contains("nodeblocks"));
    until("every list", || asked(&stage), |asked| first.is_subset(asked));
    if !second.is_empty() {
        stage.faults().limit_to("nodeblocks");
        until("every list", || asked(&stage), |asked| second.is_subset(asked));
    }
    stage.faults().clear();
    stage.wait(stage.faults().wait_for_open_watches(lists.len()));
    if !second.is_empty() {
        stage.wait(stage.requests().wait_for(Verb::Patch, "nodeblocks", 1));
        // It asks again, is refused, and looks.
        stage.faults().fail_writes(1, WriteFault::Refused(409));
        has_few_addresses(&stage, &["10.244.3.0/29", "10.244.3.8/30"]);
        until("every right", || asked(&stage), |asked| rights.is_subset(asked));
    }
    assert_eq!(asked(&stage), rights, "{owner} of {overlay}");
    drop(server);
}

fn kubeconfig(stage: &Stage) -> String {
    format!("--kubeconfig={}", stage.kubeconfig(Flavour::Token).display())
}

/// Writes the Corefile of an overlay, with a kubeconfig in the place of the Pod's own account.
fn corefile(overlay: &str, stage: &Stage, folder: &Path, pods: &str) -> String {
    let objects = objects(&root().join("deploy/overlays").join(overlay));
    let config = object(&objects, "ConfigMap", "coredns");
    let text = config["data"]["Corefile"].as_str().unwrap();
    let access = format!("{}\n        pods {pods}", stage.access(Flavour::Token));
    let path = folder.join("Corefile");
    write(&path, &text.replace("pods insecure", &access));
    path.display().to_string()
}

#[test]
fn dns_reads_what_its_role_allows() {
    inside("access::dns_reads_what_its_role_allows", || {
        for (overlay, pods) in [("replace-coredns", "insecure"), ("pods-verified", "verified")] {
            let folder = tempfile::tempdir().unwrap();
            is_held_to_its_rights(overlay, "coredns", |arguments, stage| {
                *arguments.last_mut().unwrap() = corefile(overlay, stage, folder.path(), pods);
            });
        }
    });
}

#[test]
fn netpol_reads_what_its_role_allows() {
    inside("access::netpol_reads_what_its_role_allows", || {
        is_held_to_its_rights("node", "portolan-netpol", |arguments, stage| {
            arguments.push(kubeconfig(stage));
        });
    });
}

#[test]
fn node_blocks_reads_what_its_role_allows() {
    for overlay in ["node", "node-further-blocks"] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        is_held_to_its_rights(overlay, "portolan-node-ipam", |arguments, stage| {
            let objects = objects(&root().join("deploy/overlays").join(overlay));
            let data = &object(&objects, "ConfigMap", "portolan-cni")["data"];
            let list = "10-portolan.conflist";
            write(&folder.path().join(list), data[list].as_str().unwrap());
            fs::copy("/bin/true", at("portolan-ipam")).unwrap();
            for argument in arguments.iter_mut() {
                for (path, here) in [
                    ("/etc/portolan/10-portolan.conflist", at(list)),
                    ("/portolan-ipam", at("portolan-ipam")),
                    ("/host", at("host")),
                ] {
                    *argument = argument.replace(&format!("={path}"), &format!("={here}"));
                }
            }
            arguments.extend([kubeconfig(stage), format!("--file={}", at("run/node-blocks.json"))]);
            if overlay == "node-further-blocks" {
                arguments.push(format!("--store-dir={}", at("stores")));
                let crd = fs::read_to_string(root().join("deploy/crds/nodeblock.yaml")).unwrap();
                stage.wait(stage.cluster.apply_yaml(&crd)).unwrap();
                has_few_addresses(stage, &["10.244.3.0/29"]);
            }
        });
        // What the runtime finds then.
        assert!(folder.path().join("host/opt/cni/bin/portolan-ipam").exists());
        assert!(folder.path().join("host/etc/cni/net.d/10-portolan.conflist").exists());
    }
}

/// Gives the node so many blocks that it asks for another at once: they have hardly an address.
fn has_few_addresses(stage: &Stage, blocks: &[&str]) {
    let blocks: Vec<Value> = blocks.iter().map(|block| json!({"cidr": block})).collect();
    stage.put(json!({
        "apiVersion": "portolan.dev/v1alpha1",
        "kind": "NodeBlock",
        "metadata": {"name": stage.put(node())["metadata"]["uid"]},
        "spec": {"node": "node-a", "blocks": blocks},
    }));
}
