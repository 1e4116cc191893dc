//! Discovery: which groups, versions and resources there are, in its unaggregated form.
//!
//! Clients that ask for aggregated discovery fall back when they see plain JSON.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::resource::{Resource, Resources, StatusRule};

/// The release the server claims to be; recent enough for streaming lists.
const RELEASE: (&str, &str, &str) = ("1", "34", "v1.34.0-portolan-test");

/// Verbs every resource allows.
const VERBS: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Answers a discovery path; nothing when there is no such path.
pub fn answer(path: &str, resources: &Resources) -> Option<Value> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["version"] => Some(version()),
        ["api"] => Some(json!({"kind": "APIVersions", "apiVersion": "v1", "versions": ["v1"]})),
        ["apis"] => Some(groups(resources)),
        ["api", version] => resource_list(resources, "", version),
        ["apis", group] => group_of(resources, group),
        ["apis", group, version] => resource_list(resources, group, version),
        _ => None,
    }
}

fn version() -> Value {
    let (major, minor, release) = RELEASE;
    json!({
        "major": major,
        "minor": minor,
        "gitVersion": release,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": "linux/amd64",
    })
}

fn groups(resources: &Resources) -> Value {
    let names: BTreeSet<&str> = resources.iter().map(|r| r.group.as_str()).collect();
    let groups: Vec<Value> = names
        .into_iter()
        .filter(|name| !name.is_empty())
        .filter_map(|name| group_of(resources, name))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn group_of(resources: &Resources, group: &str) -> Option<Value> {
    let in_group = resources.iter().filter(|resource| resource.group == group);
    let versions: BTreeSet<&str> = in_group.map(|resource| resource.version.as_str()).collect();
    let version =
        |version: &str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let preferred = version(versions.iter().next_back()?);
    let versions: Vec<Value> = versions.into_iter().map(version).collect();
    Some(json!({
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": group,
        "versions": versions,
        "preferredVersion": preferred,
    }))
}

fn resource_list(resources: &Resources, group: &str, version: &str) -> Option<Value> {
    let here = |resource: &&&Resource| resource.group == group && resource.version == version;
    let all: Vec<&Resource> = resources.iter().map(AsRef::as_ref).collect();
    let served: Vec<Value> = all.iter().filter(here).flat_map(|r| entries(r)).collect();
    let group_version = match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    };
    (!served.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": served,
        })
    })
}

fn entries(resource: &Resource) -> Vec<Value> {
    let mut entries = vec![json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.is_namespaced(),
        "kind": resource.kind,
        "verbs": VERBS,
        "shortNames": resource.short_names,
        "categories": categories(resource),
    })];
    if resource.status != StatusRule::Ordinary {
        entries.push(json!({
            "name": format!("{}/status", resource.plural),
            "singularName": "",
            "namespaced": resource.is_namespaced(),
            "kind": resource.kind,
            "verbs": ["get", "patch", "update"],
        }));
    }
    entries
}

/// What `kubectl get all` lists.
fn categories(resource: &Resource) -> &'static [&'static str] {
    match resource.id().as_str() {
        "pods" | "services" => &["all"],
        _ => &[],
    }
}
