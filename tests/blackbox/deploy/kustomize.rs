//! Manifests as `kubectl apply -k` sends them.

use std::fs;
use std::path::{Path, PathBuf};

use portolan_tests::namespace::run;
use serde_json::Value;

/// Builds an overlay and returns its text.
pub(crate) fn text(folder: &Path) -> String {
    run("kubectl", &["kustomize", folder.to_str().unwrap()])
}

/// Builds an overlay and returns its objects.
pub(crate) fn objects(folder: &Path) -> Vec<Value> {
    test_apiserver::objects(&text(folder)).unwrap()
}

/// Returns the folders of all overlays below a folder like `deploy/`.
pub(crate) fn overlays(deploy: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(deploy.join("overlays")).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 3, "the overlays are found: {folders:?}");
    folders
}

/// Returns the one object of a kind and name.
pub(crate) fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects.iter().find(is_it).unwrap()
}

/// Returns the Pods that objects make, each with the name of what makes it.
pub(crate) fn pods(objects: &[Value]) -> Vec<(String, &Value)> {
    let makers = objects.iter().filter(|object| object["spec"]["template"]["spec"].is_object());
    makers
        .map(|object| {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            (name, &object["spec"]["template"]["spec"])
        })
        .collect()
}

/// Returns the containers of a Pod.
pub(crate) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let of = |field: &str| pod[field].as_array().map(Vec::as_slice).unwrap_or_default();
    of("initContainers").iter().chain(of("containers"))
}

/// Returns a list of texts.
pub(crate) fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
