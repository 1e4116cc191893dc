//! Fields of manifests that there are not: told, and what is known of fields is what Kubernetes' schemas say.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use cluster_source::Written;
use portolan_tests::dig::dig;
use portolan_tests::server::{Server, binary, write};
use portolan_tests::stage::until;
use serde_json::Value;

const SERVICES: &str = "\
apiVersion: v1
kind: Service
metadata: {name: good, namespace: shop}
spec: {clusterIP: 10.97.0.1, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIp: 10.97.0.2
  ports:
  - {port: 80, targetport: 8080}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, lables: {}}
";

const POLICY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {}, policyType: [Egress]}
";

fn corefile(manifests: &Path) -> String {
    let path = manifests.display();
    format!(".:0 {{\n    kubernetes cluster.local {{\n        manifests {path}\n    }}\n}}\n")
}

#[test]
fn a_field_that_there_is_not_is_told_once_and_the_object_used() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("services.yaml");
    write(&file, SERVICES);
    let mut server = Server::start(&corefile(directory.path()));
    let address = |name: &str| dig(server.address(), name).answer_data().concat();
    assert_eq!(address("good.shop.svc.cluster.local"), "10.97.0.1");
    // Without an address of its own it gets one, as if it had said nothing.
    let given = address("web.shop.svc.cluster.local");
    assert!(!given.is_empty() && given != "10.97.0.2", "{given}");
    write(&file, &SERVICES.replace("10.97.0.1", "10.97.0.3"));
    until("the change", || address("good.shop.svc.cluster.local"), |ip| ip == "10.97.0.3");
    write(&file, &SERVICES.replace("clusterIp", "clusterIP"));
    until("the correction", || address("web.shop.svc.cluster.local"), |ip| ip == "10.97.0.2");
    let log = server.log();
    let told = |text: &str| {
        log.lines()
            .filter(|line| line.contains("manifest field ignored") && line.contains(text))
            .count()
    };
    let place = "services.yaml:5: document 2: Service shop/web: ";
    assert_eq!((told(place), told("")), (2, 2), "{log}");
    for field in ["spec.clusterIp: ", "spec.ports[0].targetport: "] {
        assert_eq!(told(&format!("{place}{field}")), 1, "{field} {log}");
    }
    assert_eq!((told("write `clusterIP`"), told("write `targetPort`")), (1, 1), "{log}");
    assert!(!log.contains("manifest not usable"), "{log}");
}

#[test]
fn commands_that_read_manifests_tell_it_beside_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("services.yaml"), SERVICES);
    write(&directory.path().join("policy.yaml"), POLICY);
    let policy = "policy.yaml:1: document 1: NetworkPolicy shop/closed: spec.policyType: ";
    let service = "services.yaml:5: document 2: Service shop/web: spec.clusterIp: ";
    for (command, told, not_told) in [
        ("explain policies", &[policy, service][..], None),
        ("explain matrix", &[policy, service], None),
        ("explain dns web.shop.svc.cluster.local", &[service], Some("NetworkPolicy")),
        ("netpol --node n1 --print-ruleset", &[policy], Some("Service")),
    ] {
        let mut portolan = Command::new(binary());
        portolan.args(command.split(' ')).arg("--manifests").arg(directory.path());
        let output = portolan.output().unwrap();
        let remarks = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{command}: {remarks}");
        for told in told {
            let is_it = |line: &&str| {
                line.starts_with("[WARNING] manifest field ignored") && line.contains(told)
            };
            assert_eq!(remarks.lines().filter(is_it).count(), 1, "{command}: {remarks}");
        }
        assert!(not_told.is_none_or(|kind| !remarks.contains(kind)), "{command}: {remarks}");
        assert!(!remarks.contains("Deployment"), "{command}: {remarks}");
    }
}

#[test]
fn commands_that_read_objects_as_they_are_written_tell_it_too() {
    let directory = tempfile::tempdir().unwrap();
    write(
        &directory.path().join("nodes.yaml"),
        "apiVersion: portolan.dev/v1alpha1\nkind: IPPool\nmetadata: {name: fast}\n\
         spec: {cidr: 10.1.0.0/16, blockSize: 24, nodeSelecter: disk=ssd}\n---\n\
         apiVersion: v1\nkind: Node\nmetadata: {name: n1, uid: u1, lables: {disk: hdd}}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {dnspolicy: None}\n",
    );
    let pool = "nodes.yaml:1: IPPool fast: spec.nodeSelecter: there is no such field, and it is ignored; \
                write `nodeSelector`";
    let node = "nodes.yaml:5: Node n1: metadata.lables: ";
    let pod = "nodes.yaml:9: Pod default/a: spec.dnspolicy: ";
    for (command, told) in [
        ("ipam plan", &[pool, node][..]),
        ("explain node n1", &[pool, node]),
        ("resolv-conf --pod default/a --cluster-dns 10.96.0.10 --resolv-conf=", &[pod]),
    ] {
        let mut portolan = Command::new(binary());
        portolan.args(command.split(' ')).arg("--manifests").arg(directory.path());
        let output = portolan.output().unwrap();
        let remarks = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{command}: {remarks}");
        let warnings = || remarks.lines().filter(|line| line.starts_with("portolan: warning: "));
        for told in told {
            assert_eq!(
                warnings().filter(|line| line.contains(told)).count(),
                1,
                "{command}: {remarks}"
            );
        }
        assert_eq!(warnings().count(), told.len(), "{command}: {remarks}");
    }
}

/// More than are told of one file: the rest is not.
#[test]
fn a_crowd_of_them_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let one = |n: usize| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: s{n}}}\nspecs: {{}}\n---\n")
    };
    write(&directory.path().join("many.yaml"), &(0..50).map(one).collect::<String>());
    let mut portolan = Command::new(binary());
    portolan.args(["explain", "policies", "--manifests"]).arg(directory.path());
    let remarks = String::from_utf8(portolan.output().unwrap().stderr).unwrap();
    assert_eq!(remarks.matches("write `spec`").count(), 20, "{remarks}");
}

/// A type of the table: its fields, with the types of those.
type Table<'a> = BTreeMap<&'a str, BTreeMap<&'a str, Option<&'a str>>>;

/// Reads the table that the product has.
fn table<'a>(text: &'a str) -> Table<'a> {
    let mut types: Vec<Vec<&str>> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if !line.starts_with(' ') {
            types.push(Vec::new());
        }
        types.last_mut().unwrap().extend(line.split_whitespace());
    }
    let field =
        |word: &&'a str| word.split_once('=').map_or((*word, None), |(name, of)| (name, Some(of)));
    types.iter().map(|words| (words[0], words[1..].iter().map(field).collect())).collect()
}

/// Holds a type of the table to have the fields of a release's type, and notes them as seen.
fn compare<'a>(
    definitions: &Value,
    (name, of): (&str, &str),
    table: &Table<'a>,
    seen: &mut BTreeSet<(&'a str, &'a str)>,
) {
    let (of, fields) = table.get_key_value(of).unwrap();
    for (field, schema) in definitions[name]["properties"].as_object().unwrap() {
        assert!(fields.contains_key(&**field), "the table has no {of}.{field}");
        let (field, of_field) = fields.get_key_value(&**field).unwrap();
        let is_first = seen.insert((of, field));
        let items = &schema["items"];
        let reference = if items.is_null() { &schema["$ref"] } else { &items["$ref"] };
        let name = reference.as_str().and_then(|path| path.rsplit('/').next());
        let name = name.filter(|name| definitions[*name]["properties"].is_object());
        assert_eq!(name.is_some(), of_field.is_some(), "{of}.{field}");
        if let (Some(name), Some(of_field), true) = (name, of_field, is_first) {
            compare(definitions, (name, of_field), table, seen);
        }
    }
}

#[test]
fn the_known_fields_are_those_of_kubernetes() {
    let this = std::env::current_exe().unwrap();
    let target = this.ancestors().nth(3).unwrap().join("kubernetes-validate/lib");
    let python = std::fs::read_dir(&target).unwrap().next().unwrap().unwrap().path();
    let schemas = python.join("site-packages/kubernetes_validate/kubernetes-json-schema");
    let text = include_str!("../../cluster-source/src/manifests/fields.txt");
    let (table, mut all) = (table(text), BTreeSet::new());
    for minor in 25..=37 {
        let path = schemas.join(format!("v1.{minor}.0-local/_definitions.json"));
        let definitions: Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut seen = BTreeSet::new();
        for name in [
            "core.v1.Namespace",
            "core.v1.Node",
            "core.v1.Pod",
            "core.v1.Service",
            "discovery.v1.EndpointSlice",
            "networking.v1.NetworkPolicy",
        ] {
            let of = name.rsplit('.').next().unwrap();
            let name = format!("io.k8s.api.{name}");
            compare(&definitions["$defs"], (&name, of), &table, &mut seen);
        }
        all.extend(seen);
    }
    let of_others = ["ServiceImport", "IPPool", "NodeBlock"];
    for (of, fields) in &table {
        if of_others.iter().any(|other| of.starts_with(other)) {
            continue;
        }
        for field in fields.keys() {
            assert!(all.contains(&(*of, *field)), "no release has {of}.{field}");
        }
    }
}

/// Holds a type of the table to have the fields of a schema, and no others.
fn compare_own(schema: &Value, of: &str, table: &Table<'_>) {
    let schema = if schema["items"].is_null() { schema } else { &schema["items"] };
    let properties = schema["properties"].as_object().unwrap();
    let names: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
    assert_eq!(table[of].keys().copied().collect::<BTreeSet<_>>(), names, "{of}");
    for (field, of_field) in &table[of] {
        let schema = &properties[*field];
        let has_fields =
            schema["properties"].is_object() || schema["items"]["properties"].is_object();
        assert_eq!(of_field.is_some(), has_fields, "{of}.{field}");
        if let Some(of_field) = of_field {
            compare_own(schema, of_field, table);
        }
    }
}

#[test]
fn the_known_fields_of_our_own_kinds_are_those_of_their_definitions() {
    let table = table(include_str!("../../cluster-source/src/manifests/fields.txt"));
    let definition = ("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    for (kind, text) in [
        ("IPPool", include_str!("../../deploy/crds/ippool.yaml")),
        ("NodeBlock", include_str!("../../deploy/crds/nodeblock.yaml")),
    ] {
        let written = Written::read(text, kind, definition);
        let definition: Value = serde_json::from_str(&written.objects[0].json).unwrap();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let own = |field: &&str| !["apiVersion", "kind", "metadata"].contains(field);
        let fields: BTreeSet<&str> = table[kind].keys().copied().filter(own).collect();
        let defined = schema["properties"].as_object().unwrap();
        assert_eq!(fields, defined.keys().map(String::as_str).collect(), "{kind}");
        for field in fields {
            compare_own(&defined[field], table[kind][field].unwrap(), &table);
        }
    }
}
