//! `deny.toml`: where dependencies come from, which of them there are twice, and that each is used.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use portolan_tests::namespace::run;
use serde_json::Value;

/// Dependencies that no code names, with the reason.
const UNNAMED: [(&str, &str); 1] =
    [("k8s-openapi", "kube does not build without a choice of version")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn cargo(arguments: &[&str]) -> String {
    let manifest = root().join("Cargo.toml").display().to_string();
    let more = ["--offline", "--locked", "--manifest-path", &manifest];
    run(env!("CARGO"), &[arguments, &more].concat())
}

fn metadata() -> Value {
    serde_json::from_str(&cargo(&["metadata", "--format-version", "1"])).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn policy() -> String {
    fs::read_to_string(root().join("deny.toml")).unwrap()
}

#[test]
fn everything_comes_from_one_registry() {
    for package in list(&metadata()["packages"]) {
        let source = package["source"].as_str();
        let is_known = source
            .is_none_or(|source| source.starts_with("registry+https://github.com/rust-lang/"));
        assert!(is_known, "{} is from {source:?}", package["name"]);
        for dependency in list(&package["dependencies"]).iter().filter(|_| source.is_none()) {
            assert_ne!(dependency["req"] == "*", dependency["path"].is_null(), "{dependency}");
        }
    }
}

/// Of a crate that is built in twice, the policy names each version but the newest.
#[test]
fn versions_that_there_are_twice_are_known() {
    let tree = cargo(&["tree", "-d", "-p", "portolan", "-e", "normal", "--depth", "0"]);
    let mut versions = BTreeMap::<&str, BTreeSet<Vec<u64>>>::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        let numbers = version.trim_start_matches('v').split('.').map(|part| part.parse().unwrap());
        versions.entry(name).or_default().insert(numbers.collect());
    }
    let old = versions.iter().flat_map(|(name, versions)| {
        let old = versions.iter().rev().skip(1);
        old.map(move |version| {
            let parts: Vec<String> = version.iter().map(u64::to_string).collect();
            format!("{name}@{}", parts.join("."))
        })
    });
    let policy = policy();
    let skipped = policy.lines().filter_map(|line| line.split("{ crate = \"").nth(1));
    let skipped: BTreeSet<String> =
        skipped.map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
    assert_eq!(old.collect::<BTreeSet<_>>(), skipped, "deny.toml, [bans] skip");
}

/// `layout` holds packages to the licences that stand there.
#[test]
fn the_licences_are_those_of_the_policy() {
    let layout = fs::read_to_string(root().join("tests/blackbox/layout.rs")).unwrap();
    let code = layout.split("const LICENCES").nth(1).unwrap().split("];").next().unwrap();
    let policy = policy();
    let allowed = policy.split("allow = [").nth(1).unwrap().split(']').next().unwrap();
    let names = |text: &str| -> BTreeSet<String> {
        text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    assert_eq!(names(code), names(allowed));
}

/// Returns the text of all code in a folder.
fn code(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            text += &code(&path);
        } else if path.extension().is_some_and(|end| end == "rs") {
            text += &fs::read_to_string(path).unwrap();
        }
    }
    text
}

#[test]
fn every_dependency_is_used() {
    let metadata = metadata();
    let members: BTreeSet<&str> =
        list(&metadata["workspace_members"]).iter().map(|id| id.as_str().unwrap()).collect();
    let mut seen = 0;
    for package in list(&metadata["packages"]) {
        if !members.contains(package["id"].as_str().unwrap()) {
            continue;
        }
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        let code = code(folder);
        for dependency in list(&package["dependencies"]) {
            let name = dependency["rename"].as_str().or_else(|| dependency["name"].as_str());
            let name = name.unwrap();
            let word = name.replace('-', "_");
            let is_named = ["::", "!", ";", " as ", "]"]
                .iter()
                .any(|end| code.contains(&format!("{word}{end}")));
            let is_excused = UNNAMED.iter().any(|(unnamed, _)| *unnamed == name);
            assert!(is_named || is_excused, "{} does not use {name}", package["name"]);
            seen += 1;
        }
    }
    assert!(seen > 100, "dependencies are found: {seen}");
}
