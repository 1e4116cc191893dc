//! The rules of ARCHITECTURE.md about crates: who must not depend on what, and under which licences.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use portolan_tests::namespace::run;
use serde_json::Value;

/// The licences that what is built may be under; all of them allow it under Apache-2.0 in a binary.
const LICENCES: [&str; 9] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
];

/// What cargo knows of the workspace, for this platform.
struct Metadata {
    packages: BTreeMap<String, Value>,
    /// The normal and build dependencies of each package, by id.
    uses: BTreeMap<String, Vec<Use>>,
    members: Vec<String>,
}

/// One dependency.
#[derive(Clone)]
struct Use {
    package: String,
    is_build: bool,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

impl Metadata {
    fn read() -> Self {
        let version = run(env!("CARGO"), &["-vV"]);
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let manifest = root().join("Cargo.toml");
        let arguments = ["metadata", "--offline", "--locked", "--format-version", "1"];
        let chosen = ["--filter-platform", host, "--manifest-path", manifest.to_str().unwrap()];
        let text = run(env!("CARGO"), &[&arguments[..], &chosen].concat());
        let mut all: Value = serde_json::from_str(&text).unwrap();
        let packages = all["packages"].as_array_mut().unwrap().drain(..);
        let packages = packages.map(|package| (id(&package["id"]), package)).collect();
        let uses = list(&all["resolve"]["nodes"]).map(|node| (id(&node["id"]), uses(node)));
        Self {
            packages,
            uses: uses.collect(),
            members: list(&all["workspace_members"]).map(id).collect(),
        }
    }

    fn name(&self, package: &str) -> &str {
        self.packages[package]["name"].as_str().unwrap()
    }

    /// Returns a workspace member by the folder that it is in.
    fn member_in(&self, folder: &str) -> Option<&String> {
        let manifest = root().join(folder).join("Cargo.toml");
        let is_in = |id: &&String| {
            self.packages[*id]["manifest_path"].as_str().map(Path::new) == Some(&manifest)
        };
        self.members.iter().find(is_in)
    }

    /// Returns the packages that one needs, directly or not, itself included.
    fn closure(&self, package: &str, with_build: bool) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut next = vec![self.packages.get_key_value(package).unwrap().0.as_str()];
        while let Some(package) = next.pop() {
            if seen.insert(package) {
                let uses = self.uses[package].iter().filter(|used| with_build || !used.is_build);
                next.extend(uses.map(|used| used.package.as_str()));
            }
        }
        seen
    }
}

fn id(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

/// Returns the dependencies of a node that are not only for its tests.
fn uses(node: &Value) -> Vec<Use> {
    let mut uses = Vec::new();
    for dependency in list(&node["deps"]) {
        let kinds: Vec<&Value> = list(&dependency["dep_kinds"]).map(|kind| &kind["kind"]).collect();
        let package = id(&dependency["pkg"]);
        if kinds.iter().any(|kind| kind.is_null()) {
            uses.push(Use { package, is_build: false });
        } else if kinds.iter().any(|kind| *kind == "build") {
            uses.push(Use { package, is_build: true });
        }
    }
    uses
}

/// Reads the table of crates: each folder with what it must never depend on.
fn rules() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.ends_with("| must never depend on |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let words = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        (words(cells[1])[0].clone(), words(cells[cells.len() - 2]))
    })
    .collect()
}

#[test]
fn no_crate_depends_on_what_it_must_not() {
    let metadata = Metadata::read();
    let rules = rules();
    for member in &metadata.members {
        let is_listed = rules.iter().any(|(folder, _)| metadata.member_in(folder) == Some(member));
        assert!(is_listed, "ARCHITECTURE.md does not list {}", metadata.name(member));
    }
    for (folder, forbidden) in &rules {
        let member = metadata.member_in(folder);
        let member = member.unwrap_or_else(|| panic!("{folder} is no crate of the workspace"));
        for package in metadata.closure(member, false) {
            let name = metadata.name(package);
            let is = |word: &&String| {
                // `kube` stands for kube-core and so on, too; a word of ours for our crate.
                name == word.as_str()
                    || name.starts_with(&format!("{word}-"))
                    || metadata.member_in(word).is_some_and(|member| member == package)
            };
            let broken = forbidden.iter().find(is);
            assert!(broken.is_none(), "{folder} depends on {name}, which its rules forbid");
        }
    }
}

#[test]
fn every_licence_is_allowed() {
    let metadata = Metadata::read();
    let mut found = BTreeSet::new();
    for package in metadata.closure(metadata.member_in("portolan/").unwrap(), true) {
        let licence = metadata.packages[package]["license"].as_str().unwrap_or("none");
        let name = metadata.name(package);
        assert!(is_allowed(licence), "{name} is under {licence}");
        found.insert(licence);
    }
    println!("{found:#?}");
}

/// Judges an SPDX expression; `/` is its old form of OR.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let allowed = any(&mut rest);
    assert!(rest.is_empty(), "{expression:?} is no licence expression");
    allowed
}

/// `all OR all …`
fn any(words: &mut &[&str]) -> bool {
    let mut allowed = all(words);
    while let ["OR", after @ ..] = *words {
        *words = after;
        allowed |= all(words);
    }
    allowed
}

/// `one AND one …`
fn all(words: &mut &[&str]) -> bool {
    let mut allowed = one(words);
    while let ["AND", after @ ..] = *words {
        *words = after;
        allowed &= one(words);
    }
    allowed
}

/// `NAME`, `NAME WITH EXCEPTION`, where an exception only allows more, or an expression in brackets.
fn one(words: &mut &[&str]) -> bool {
    match *words {
        ["(", after @ ..] => {
            *words = after;
            let allowed = any(words);
            *words = words.strip_prefix(&[")"]).unwrap_or(&["no bracket"]);
            allowed
        }
        [name, "WITH", _, after @ ..] | [name, after @ ..] => {
            *words = after;
            LICENCES.contains(&name.trim_end_matches('+'))
        }
        [] => false,
    }
}

#[test]
fn licence_expressions_are_read() {
    for (expression, allowed) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT OR GPL-3.0-only", true),
        ("MIT AND GPL-3.0-only", false),
        ("MIT/Apache-2.0", true),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
        ("(MIT OR Apache-2.0) AND GPL-2.0-only", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("MPL-2.0+", true),
        ("none", false),
    ] {
        assert_eq!(is_allowed(expression), allowed, "{expression}");
    }
}

/// Returns the files of a folder that end in `.rs`, with those of the folders in it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| match path.extension() {
        _ if path.is_dir() => sources(&path),
        Some(end) if end == "rs" => vec![path],
        _ => Vec::new(),
    });
    files.collect()
}

/// What two roles need stands beside them.
#[test]
fn no_role_knows_another() {
    let source = root().join("portolan/src");
    let roles = ["dns_role", "ipam_role", "netpol_role"];
    for role in roles {
        let files =
            sources(&source.join(role)).into_iter().chain([source.join(format!("{role}.rs"))]);
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let other = roles.into_iter().find(|other| *other != role && text.contains(other));
            assert_eq!(other, None, "{}", file.display());
        }
    }
}

/// Returns what stands between the parenthesis that a text begins with and its other end.
fn in_parentheses(text: &str) -> &str {
    let (mut depth, mut is_string, mut is_escaped) = (0, false, false);
    let end = text.find(|character| {
        match character {
            '\\' if !is_escaped => {
                is_escaped = true;
                return false;
            }
            '"' if !is_escaped => is_string = !is_string,
            '(' if !is_string => depth += 1,
            ')' if !is_string => depth -= 1,
            _ => {}
        }
        is_escaped = false;
        depth == 0
    });
    &text[..end.unwrap()]
}

#[test]
fn log_messages_are_constant() {
    let folders = ["cluster", "cluster-source", "dns", "portolan"];
    let mut seen = 0;
    for file in folders.iter().flat_map(|folder| sources(&root().join(folder).join("src"))) {
        let text = fs::read_to_string(&file).unwrap();
        for event in ["debug", "info", "warn", "error"] {
            for rest in text.split(&format!("tracing::{event}!")).skip(1) {
                let call = in_parentheses(rest);
                let message = call.rsplit('"').nth(1).unwrap_or("{}");
                assert!(!message.contains('{'), "{}: {call}", file.display());
                let is_debug = [" ?", "(?"].iter().any(|mark| call.contains(mark));
                assert!(!is_debug, "a field as Rust's Debug: {}: {call}", file.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "only {seen} messages");
}
