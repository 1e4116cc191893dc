//! `portolan node-blocks`: the file that the IPAM plugin reads is that of the node, whatever the API server does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use portolan_tests::server::{binary, write};
use portolan_tests::stage::{Stage, until};
use serde_json::{Value, json};
use test_apiserver::{Cut, Flavour};

/// The role, ended with the test.
struct Role(Child);

impl Role {
    fn start(words: &[&str]) -> Self {
        let mut command = Command::new(binary());
        Self(command.arg("node-blocks").args(words).stderr(Stdio::null()).spawn().unwrap())
    }

    fn stop(mut self) -> ExitStatus {
        let pid = self.0.id().to_string();
        assert!(Command::new("/bin/kill").args(["-TERM", &pid]).status().unwrap().success());
        self.0.wait().unwrap()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // Has ended already, or ends now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn once(words: &[&str]) -> Output {
    Command::new(binary()).args(["node-blocks", "--once"]).args(words).output().unwrap()
}

fn node(name: &str, cidrs: &[&str]) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"podCIDRs": cidrs}})
}

/// What the plugin reads in the file; nothing when there is none.
fn blocks(file: &Path) -> Vec<String> {
    let Ok(octets) = fs::read(file) else { return Vec::new() };
    // Never a part of it.
    cni_ipam::node_blocks::parse(&octets).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn the_file_follows_the_node() {
    let Some(stage) = Stage::in_process("nodes of a real cluster are not the test's") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (file, conflist) = (at("run/portolan/node-blocks.json"), at("10-pods.conflist"));
    let text = r#"{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge"}]}"#;
    write(&conflist, text);
    let server = stage.server();
    server.put(node("a", &[])).unwrap();
    server.put(node("b", &["10.244.9.0/24"])).unwrap();
    let kubeconfig = stage.kubeconfig(Flavour::Token).display().to_string();
    let (file_text, conflist_text) = (file.display().to_string(), conflist.display().to_string());
    let net = at("net.d").display().to_string();
    let words = ["--node", "a", "--kubeconfig", &kubeconfig, "--file", &file_text];
    let words = [&words[..], &["--conflist", &conflist_text, "--conflist-dir", &net]].concat();
    let role = Role::start(&words);
    stage.wait(stage.faults().wait_for_open_watches(1));
    for entry in stage.requests().entries() {
        let is_of_the_node = entry.query.contains("fieldSelector=metadata.name%3Da");
        assert!(entry.info.resource == "nodes" && is_of_the_node, "{entry:?}");
    }

    // Nothing is ready before the node has blocks.
    assert!(!file.exists() && !at("net.d").exists());
    let first = ["10.244.3.0/24", "fd00:10:244:3::/64"];
    server.put(node("a", &first)).unwrap();
    until("the conflist is there", || at("net.d/10-pods.conflist").exists(), |it| *it);
    assert_eq!(blocks(&file), first);
    assert_eq!(fs::read_to_string(at("net.d/10-pods.conflist")).unwrap(), text);

    // The node goes, and comes back with other blocks while the watch is away.
    server.delete("Node", "", "a").unwrap();
    stage.faults().cut_watches(Cut::Reset);
    let second = ["10.244.4.0/24"];
    server.put(node("a", &second)).unwrap();
    until("the file has the new blocks", || blocks(&file), |it| *it == second);

    // Without a server the file stays, and another start leaves it alone.
    stage.refuse_connections(true);
    assert_eq!(role.stop().code(), Some(0));
    let role = Role::start(&words);
    assert_eq!(blocks(&file), second);
    stage.refuse_connections(false);
    server.put(node("a", &first)).unwrap();
    until("the file follows again", || blocks(&file), |it| *it == first);
    drop(role);
    let left: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "no other file is left: {left:?}");
}

#[test]
fn once_ends_when_the_file_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    write(&directory.path().join("nodes.yaml"), &node("a", &["fd00:7::/64"]).to_string());
    let words = ["--node", "a", "--manifests", &at("nodes.yaml"), "--file", &at("blocks.json")];
    let output = once(&words);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(blocks(&directory.path().join("blocks.json")), ["fd00:7::/64"]);
    let told = |more: &[&str]| {
        let output = once(&[&words[..], more].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    write(&directory.path().join("bad.conflist"), r#"{"type": "bridge", "name": "pods"}"#);
    assert!(
        told(&["--conflist", &at("bad.conflist")]).contains("is no network configuration list")
    );
    assert!(told(&["--conflist", &at("none.conflist")]).contains("name a readable file"));
    write(&directory.path().join("good.conflist"), r#"{"name": "pods", "plugins": []}"#);
    let error = told(&["--conflist", &at("good.conflist"), "--conflist-dir", &at("nodes.yaml")]);
    assert!(error.contains("make its folder writable"), "{error}");
}

/// As the container of a DaemonSet does it: also over one that is there, and that something is running.
#[test]
fn a_plugin_is_installed_whole() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    write(&directory.path().join("nodes.yaml"), &node("a", &["10.244.3.0/24"]).to_string());
    let (plugin, bin) = (at("portolan-ipam"), directory.path().join("bin"));
    fs::copy("/bin/sleep", &plugin).unwrap();
    let words = ["--node", "a", "--manifests", &at("nodes.yaml"), "--file", &at("blocks.json")];
    let folder = bin.display().to_string();
    let words = [&words[..], &["--plugin", &plugin, "--plugin-dir", &folder]].concat();
    let install = || once(&words);
    assert_eq!(install().status.code(), Some(0));
    let installed = bin.join("portolan-ipam");
    assert_eq!(fs::metadata(&installed).unwrap().permissions().mode() & 0o777, 0o755);

    let mut running = Command::new(&installed).arg("60").spawn().unwrap();
    fs::copy("/bin/true", &plugin).unwrap();
    assert_eq!(install().status.code(), Some(0));
    assert_eq!(fs::read(&installed).unwrap(), fs::read("/bin/true").unwrap());
    assert!(running.try_wait().unwrap().is_none(), "what runs goes on");
    running.kill().unwrap();
    running.wait().unwrap();

    // Somebody took its permission away.
    fs::set_permissions(&installed, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(install().status.code(), Some(0));
    assert_eq!(fs::metadata(&installed).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read_dir(&bin).unwrap().count(), 1, "no other file is left");

    write(Path::new(&plugin), "#!/bin/sh\n");
    let output = install();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("no program for this machine"), "{told}");
    assert_eq!(fs::read(&installed).unwrap(), fs::read("/bin/true").unwrap());
}
