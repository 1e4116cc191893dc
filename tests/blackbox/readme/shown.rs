//! Commands that the documentation shows in `text` blocks, because a test cannot run them as they are: they ask for what
//! exists, and what is only shown is listed here with its reason.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use portolan_tests::namespace::run;
use portolan_tests::server::binary;
use portolan_tests::stage::Stage;
use serde_json::Value;
use tempfile::TempDir;
use test_apiserver::Flavour;

use super::markdown::blocks;
use super::{page, pages, root};

/// Where lines begin that tests here type as they are shown.
const TYPED: [&str; 5] = [
    "cp portolan-ipam",
    "kubectl diff -k",
    "kubectl apply -k",
    "kubectl -n kube-system get configmap",
    "kubectl -n kube-system set image",
];

/// What needs a cluster with controllers, or changes the machine, and where something like it is done instead.
const ONLY_SHOWN: [(&str, &str); 7] = [
    ("kubectl -n kube-system rollout undo", "needs the controller of Deployments"),
    (
        "kubectl -n kube-system exec",
        "needs a kubelet; explain runs in a pod in `blackbox/appliance`",
    ),
    ("ctr --namespace k8s.io images", "`blackbox/image` mounts the image with another socket"),
    ("cp /mnt/portolan", "`blackbox/image` runs it from there"),
    ("sudo make install", "`blackbox/install` installs to another root"),
    ("sudo systemd-sysusers", "`blackbox/install` makes the user there"),
    ("sudo systemctl", "`blackbox/install` enables the unit there, and verifies it"),
];

/// First words of command lines.
const PROGRAMS: [&str; 7] = ["cp", "ctr", "docker", "kubectl", "make", "podman", "sudo"];

/// Returns the lines of `text` blocks that are commands, those of a page with its name.
fn shown() -> Vec<(String, String)> {
    let mut shown = Vec::new();
    for name in pages() {
        // Blocks of lists are indented.
        let text: String = page(&name)
            .lines()
            .map(|line| format!("{}\n", line.trim_start_matches("   ")))
            .collect();
        let texts =
            blocks(&text).into_iter().filter(|block| block.language == "text" && !block.follows);
        for line in
            texts.flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>())
        {
            let first = line.split(' ').next().unwrap_or_default();
            if first == "portolan" || PROGRAMS.contains(&first) {
                shown.push((name.clone(), line));
            }
        }
    }
    shown
}

/// Returns the targets of the Makefile that `make help` lists.
fn targets() -> BTreeSet<String> {
    let help = run("make", &["-C", root().to_str().unwrap(), "--no-print-directory", "help"]);
    let lines = help.lines().filter_map(|line| line.trim().strip_prefix("make "));
    lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn every_shown_command_exists() {
    let only_shown = ONLY_SHOWN.iter().map(|(start, _)| *start);
    let listed: BTreeSet<&str> = only_shown.chain(TYPED).collect();
    let (targets, mut wrong, mut unused) = (targets(), Vec::new(), listed.clone());
    for (page, line) in shown() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let known = listed.iter().find(|start| line.starts_with(**start));
        unused.retain(|start| Some(start) != known);
        match words[0] {
            "make" if targets.contains(words[1]) => {}
            "portolan" => wrong
                .extend(unknown_flags(&words[1..]).map(|flag| format!("{page}: {flag} of {line}"))),
            _ if known.is_none() => wrong.push(format!("{page}: nothing runs {line}")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "run these commands or list them:\n{}", wrong.join("\n"));
    assert!(unused.is_empty(), "no page shows these: {unused:?}");
}

/// Returns the flags of a synopsis that its subcommand does not have.
fn unknown_flags<'a>(words: &[&'a str]) -> impl Iterator<Item = &'a str> {
    let is_name = |word: &&&str| {
        word.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'-')
            && !word.starts_with('-')
    };
    let mut arguments: Vec<&str> = words.iter().take_while(is_name).copied().collect();
    arguments.push("--help");
    let help = run(binary().to_str().unwrap(), &arguments);
    let flags = words
        .iter()
        .take_while(|word| **word != "#")
        .map(|word| word.trim_matches(['[', ']']).split('=').next().unwrap_or_default());
    // CoreDNS's own are taken with one dash, too.
    let is_known = move |flag: &&str| {
        let name = flag.trim_start_matches('-');
        help.split(|octet: char| !octet.is_ascii_alphanumeric() && !"-.".contains(octet))
            .any(|word| word.trim_start_matches('-') == name && word.starts_with('-'))
    };
    let unknown: Vec<&str> =
        flags.filter(|word| word.starts_with('-')).filter(|flag| !is_known(flag)).collect();
    unknown.into_iter()
}

/// A cluster, and a person in the project's root who changes it.
struct Cluster {
    stage: Stage,
    /// Has what kubectl keeps.
    home: TempDir,
}

impl Cluster {
    fn start() -> Self {
        Self { stage: Stage::local(), home: tempfile::tempdir().unwrap() }
    }

    /// Runs a line; returns its exit code and what it printed.
    fn run(&self, line: &str) -> (Option<i32>, String) {
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", binary().parent().unwrap().display());
        let mut command = Command::new("sh");
        command.args(["-euc", line]).current_dir(root()).env("PATH", path);
        command.env("KUBECONFIG", self.stage.kubeconfig(Flavour::Token));
        let output = command.env("HOME", self.home.path()).stdin(Stdio::null()).output().unwrap();
        let code = output.status.code();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(code.is_some_and(|code| code <= 1), "{line}: {errors}");
        (code, String::from_utf8(output.stdout).unwrap())
    }

    /// Runs the line of a page that begins so.
    fn run_shown(&self, start: &str) -> (Option<i32>, String) {
        self.run(&line_of(start))
    }
}

/// Returns the line of a page that begins so.
fn line_of(start: &str) -> String {
    let mut lines = shown().into_iter().map(|(_, line)| line);
    lines.find(|line| line.starts_with(start)).unwrap()
}

#[test]
fn a_cluster_is_changed_and_checked_as_shown() {
    let cluster = Cluster::start();
    let (code, differences) = cluster.run_shown("kubectl diff -k");
    assert_eq!(code, Some(1), "there are differences");
    assert!(differences.contains("\n+kind: Deployment\n"), "{differences}");
    let (code, applied) = cluster.run_shown("kubectl apply -k");
    assert_eq!(code, Some(0), "{applied}");
    assert!(applied.contains("deployment.apps/coredns created\n"), "{applied}");
    assert_eq!(cluster.run_shown("kubectl diff -k"), (Some(0), String::new()));

    let checked = cluster.run_shown("kubectl -n kube-system get configmap coredns");
    assert_eq!(checked, (Some(0), "stdin: no mistakes, no warnings\n".to_owned()));
}

#[test]
fn the_image_of_a_deployment_is_set_as_shown() {
    let cluster = Cluster::start();
    let run = |line: &str| {
        let (code, said) = cluster.run(line);
        assert_eq!(code, Some(0), "{line}: {said}");
        said
    };
    run("kubectl apply -k deploy/overlays/replace-coredns");
    run("kubectl -n kube-system set image deployment/coredns coredns=coredns:1.12.0");
    run(&line_of("kubectl -n kube-system set image"));
    let containers = run(
        "kubectl -n kube-system get deployment coredns -o jsonpath='{.spec.template.spec.containers}'",
    );
    let containers: Value = serde_json::from_str(&containers).unwrap();
    assert_eq!(containers.as_array().map(Vec::len), Some(1), "{containers}");
    assert_eq!(containers[0]["image"], "portolan:0.1.0");
    assert!(containers[0]["readinessProbe"].is_object(), "all else stays: {containers}");
}

#[test]
fn the_plugin_is_copied_as_shown() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("bin");
    fs::create_dir(&folder).unwrap();
    fs::write(directory.path().join("portolan-ipam"), "the plugin").unwrap();
    let line = line_of("cp portolan-ipam").replace("/opt/cni/bin", folder.to_str().unwrap());
    let mut shell = Command::new("sh");
    assert!(shell.args(["-euc", &line]).current_dir(&directory).status().unwrap().success());
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["portolan-ipam"]);
}
