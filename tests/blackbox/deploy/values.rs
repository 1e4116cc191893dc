//! `deploy/values/values.yaml`: every value acts, and the page says what it is.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::kustomize::{objects, overlays, text};
use super::root;

/// Returns the values as they are delivered.
fn values() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("deploy/values/values.yaml")).unwrap();
    let objects = test_apiserver::objects(&text).unwrap();
    let data = objects[0]["data"].as_object().unwrap();
    data.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect()
}

#[test]
fn every_value_acts_where_it_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let deploy = directory.path().join("deploy");
    let copied = Command::new("cp").arg("-r").arg(root().join("deploy")).arg(&deploy).status();
    assert!(copied.unwrap().success());
    let file = deploy.join("values/values.yaml");
    let original = fs::read_to_string(&file).unwrap();
    let overlays = ["all", "ipam-controller"].map(|name| deploy.join("overlays").join(name));
    for (key, value) in values() {
        let changed = "CHANGED.VALUE";
        let line = |value: &str| format!("  {key}: {value}\n");
        assert!(original.contains(&line(&value)), "{key}");
        fs::write(&file, original.replace(&line(&value), &line(changed))).unwrap();
        let objects: Vec<_> = overlays.iter().flat_map(|folder| objects(folder)).collect();
        let uses = objects.iter().filter(|object| {
            object["metadata"]["name"] != "portolan-values" && object.to_string().contains(changed)
        });
        assert!(uses.count() > 0, "{key} acts");
        fs::write(&file, &original).unwrap();
    }
}

/// `$(NAME)` that is left is what Kubernetes puts in: the container has it in its environment.
#[test]
fn no_value_is_left_open() {
    for folder in overlays(&root().join("deploy")) {
        for (number, line) in text(&folder).lines().enumerate() {
            let open = line.contains("$(") && !line.contains("$(NODE_NAME)");
            assert!(!open, "{}:{}: {line}", folder.display(), number + 1);
        }
    }
}

#[test]
fn the_page_says_what_each_value_is() {
    let page = fs::read_to_string(Path::new(&root()).join("docs/deploy.md")).unwrap();
    for (key, value) in values() {
        let row = format!("| `{key}` | `{value}` | ");
        assert!(page.contains(&row), "docs/deploy.md has no row {row}");
    }
}
