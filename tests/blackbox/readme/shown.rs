//! Commands that the documentation shows in `text` blocks, because a test cannot run them as they are: they ask for what
//! exists, and what is only shown is listed here with its reason.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use portolan_tests::namespace::run;
use portolan_tests::server::binary;
use portolan_tests::stage::Stage;
use test_apiserver::Flavour;

use super::markdown::blocks;
use super::{page, pages, root};

/// What needs a cluster with controllers, or changes the machine, and where something like it is done instead.
const ONLY_SHOWN: [(&str, &str); 10] = [
    ("kubectl diff -k", "the folder is built here, and validated by `blackbox/deploy`"),
    ("kubectl apply -k", "likewise"),
    ("kubectl -n kube-system set image", "the_image_of_a_deployment_is_set"),
    ("kubectl -n kube-system rollout undo", "needs the controller of Deployments"),
    (
        "kubectl -n kube-system exec",
        "needs a kubelet; explain runs in a pod in `blackbox/appliance`",
    ),
    ("kubectl -n kube-system get configmap", "the_corefile_of_a_cluster_is_checked"),
    ("sudo make install", "`blackbox/install` installs to another root"),
    ("sudo systemd-sysusers", "changes the users of the machine"),
    ("sudo systemctl", "needs systemd; `blackbox/install` verifies the units"),
    ("cp portolan-ipam", "`blackbox/node_file` installs the plugin"),
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
    let (targets, mut wrong, mut unused) = (targets(), Vec::new(), BTreeSet::from(ONLY_SHOWN));
    for (page, line) in shown() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let known = ONLY_SHOWN.iter().find(|(start, _)| line.starts_with(start));
        unused.retain(|entry| Some(entry) != known);
        match words[0] {
            "make" if targets.contains(words[1]) => {}
            "portolan" => wrong
                .extend(unknown_flags(&words[1..]).map(|flag| format!("{page}: {flag} of {line}"))),
            _ if known.is_none() => wrong.push(format!("{page}: nothing runs {line}")),
            _ => {
                if let Some(folder) = words.iter().skip_while(|word| **word != "-k").nth(1) {
                    let built =
                        run("kubectl", &["kustomize", root().join(folder).to_str().unwrap()]);
                    assert!(built.contains("\nkind: "), "{built}");
                }
            }
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

#[test]
fn the_corefile_of_a_cluster_is_checked() {
    let stage = Stage::local();
    let kubeconfig = stage.kubeconfig(Flavour::Token);
    let overlay = root().join("deploy/overlays/replace-coredns");
    let built = run("kubectl", &["kustomize", overlay.to_str().unwrap()]);
    let has_corefile = |object: &&str| object.contains("\n  Corefile: ");
    let configmap = tempfile::NamedTempFile::new().unwrap();
    fs::write(configmap.path(), built.split("\n---\n").find(has_corefile).unwrap()).unwrap();
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        let path =
            format!("{}:{}", binary().parent().unwrap().display(), std::env::var("PATH").unwrap());
        command.args(["-euc", script]).env("KUBECONFIG", &kubeconfig).env("PATH", path);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    shell(&format!("kubectl -n kube-system create -f {}", configmap.path().display()));
    let (_, line) =
        shown().into_iter().find(|(_, line)| line.contains("get configmap coredns")).unwrap();
    assert_eq!(shell(&line), "stdin: no mistakes, no warnings\n");
}

#[test]
fn the_image_of_a_deployment_is_set() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("deployment.yaml");
    fs::write(&file, fs::read(root().join("deploy/dns/deployment.yaml")).unwrap()).unwrap();
    let (_, line) = shown().into_iter().find(|(_, line)| line.contains(" set image ")).unwrap();
    let container = line.rsplit(' ').next().unwrap();
    let (file, local) = (file.to_str().unwrap(), ["set", "image", "--local", "-o", "yaml", "-f"]);
    let changed = run("kubectl", &[&local[..], &[file, container]].concat());
    let (_, image) = container.split_once('=').unwrap();
    assert!(changed.contains(&format!("image: {image}\n")), "{changed}");
}
