//! What `portolan-ipam` says to bad input: the right code of CNI, a sentence that helps, and nothing changed on disk.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use portolan_tests::cni::{Answer, Call, ipam_binary};
use serde_json::{Value, json};

/// Returns every file below a folder with what it holds.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
    all
}

/// A store with one lease, and what calls of it come to.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { folder: tempfile::tempdir().unwrap() };
        let config = stage.config(json!({"subnet": "10.1.2.0/29"}));
        Call::attachment(ipam_binary(), "ADD", "good").run(&config).ok();
        stage
    }

    /// Returns a configuration with this `ipam`, on the store of the stage unless it says otherwise.
    fn config(&self, mut ipam: Value) -> Value {
        if ipam.is_object() {
            // Nothing of this machine is taken over.
            ipam["dataDir"] = json!(self.folder.path().join("none"));
            if ipam["storeDir"].is_null() {
                ipam["storeDir"] = json!(self.folder.path().join("store"));
            }
        }
        json!({"cniVersion": "1.1.0", "name": "net", "type": "bridge", "ipam": ipam})
    }

    /// Makes a call that has to fail, and to leave everything as it is.
    fn refused(&self, call: &Call, config: &[u8]) -> (u64, String) {
        let before = contents(self.folder.path());
        let answer = call.run_text(config);
        let is_unchanged = contents(self.folder.path()) == before;
        assert!(is_unchanged, "{call:?} has changed something: {answer:?}");
        self.explained(&answer)
    }

    fn explained(&self, answer: &Answer) -> (u64, String) {
        assert_eq!(answer.stderr, "", "{answer:?}");
        assert!(answer.json()["cniVersion"].is_string(), "{answer:?}");
        let details = answer.json()["details"].as_str().unwrap_or_default().to_owned();
        assert!(!details.is_empty(), "nothing says what to do: {answer:?}");
        answer.error()
    }
}

fn add() -> Call {
    Call::attachment(ipam_binary(), "ADD", "one")
}

#[test]
fn what_is_no_configuration() {
    let stage = Stage::new();
    let long = format!(r#"{{"name": "{}"}}"#, "a".repeat(300));
    let deep = "[".repeat(100_000);
    for (config, code, words) in [
        ("", 6, "EOF"),
        ("{", 6, "line 1 column 1"),
        ("not JSON", 6, "line 1 column 2"),
        ("{}{}", 6, "trailing characters"),
        ("[1]", 6, "want an object, have a list"),
        ("\u{feff}{}", 6, "line 1 column 1"),
        (&deep, 6, "recursion limit"),
        ("{}", 7, "missing network name"),
        (r#"{"name": "a/b"}"#, 7, "invalid characters in network name"),
        (r#"{"name": "..", "ipam": {}}"#, 7, "invalid characters in network name"),
        (&long, 7, "300 octets"),
        (r#"{"name": "net", "cniVersion": "2.0.0"}"#, 1, "0.1.0, 0.2.0, 0.3.0"),
        (r#"{"name": "net", "cniVersion": "1.1.0"}"#, 7, "ipam"),
        (r#"{"name": "net", "cniVersion": "1.1.0", "ipam": []}"#, 7, "ipam"),
    ] {
        let (said, text) = stage.refused(&add(), config.as_bytes());
        assert!(said == code && text.contains(words), "{config:.80}: {said} {text}");
    }
    let (code, _) = stage.refused(&add(), b"{\"name\": \"\xff\"}");
    assert_eq!(code, 6);
}

#[test]
fn pools_that_make_no_sense() {
    let stage = Stage::new();
    for (ipam, code, words) in [
        (json!({"subnet": "10.1.2.0/33"}), 7, "ipam.subnet"),
        (json!({"subnet": 7}), 7, "want a string, have a number"),
        (json!({"subnet": "10.1.2.1/24"}), 7, "10.1.2.0/24"),
        (json!({"subnet": "10.1.2.0/24", "gateway": "10.1.3.1"}), 7, "outside of the subnet"),
        (json!({"subnet": "10.1.2.0/24", "gateway": "fd00::1"}), 7, "outside of the subnet"),
        (json!({"subnet": "10.1.2.0/24", "rangeStart": "10.1.3.1"}), 7, "10.1.3.1"),
        (json!({"subnet": "10.1.2.0/24", "exclude": ["10.1.2.0/24"]}), 7, "no address"),
        (json!({"ranges": [{"subnet": "10.1.2.0/24"}]}), 7, "ipam.ranges[0]: want a list"),
        (json!({"ranges": [[]]}), 7, "ipam.ranges[0]"),
        (json!({"ranges": [[{"gateway": "10.1.2.1"}]]}), 7, "ipam.ranges[0][0]"),
        (
            json!({"ranges": [[{"subnet": "10.1.0.0/16"}], [{"subnet": "10.1.2.0/24"}]]}),
            7,
            "overlap",
        ),
        (json!({"ranges": [[{"subnet": "10.1.2.0/24"}, {"subnet": "fd00::/64"}]]}), 7, "famil"),
        (json!({"subnet": "10.1.2.0/24", "routes": [{"gw": "10.1.2.1"}]}), 7, "ipam.routes[0]"),
        (json!({"subnet": "10.1.2.0/24", "routes": [{"dst": "default"}]}), 7, "default"),
        (json!({"subnet": "10.1.2.0/24", "resolvConf": "/nowhere"}), 5, "/nowhere"),
        (json!({"subnet": "10.1.2.0/24", "storeDir": "relative"}), 7, "ipam.storeDir"),
        (json!({"subnet": "10.1.2.0/24", "storeDir": "/proc/store"}), 5, "/proc/store"),
    ] {
        let config = stage.config(ipam);
        let (said, text) = stage.refused(&add(), config.to_string().as_bytes());
        assert!(said == code && text.contains(words), "{config}: {said} {text}");
    }
}

#[test]
fn hostile_variables() {
    let stage = Stage::new();
    let config = stage.config(json!({"subnet": "10.1.2.0/29"})).to_string();
    let long = "a".repeat(5000);
    for (variable, value, code, words) in [
        ("CNI_COMMAND", "add", 4, "there is ADD"),
        ("CNI_COMMAND", "EXEC", 4, "unknown CNI_COMMAND"),
        ("CNI_CONTAINERID", "", 4, "CNI_CONTAINERID"),
        ("CNI_CONTAINERID", "../../../etc/passwd", 4, "invalid characters"),
        ("CNI_CONTAINERID", "a/b", 4, "invalid characters"),
        ("CNI_CONTAINERID", "a\r\neth0", 4, "invalid characters"),
        ("CNI_CONTAINERID", "é", 4, "ASCII"),
        ("CNI_CONTAINERID", &long, 4, "5000 octets"),
        ("CNI_IFNAME", "a/b", 4, "contains / or :"),
        ("CNI_IFNAME", "..", 4, "choose another name"),
        ("CNI_IFNAME", "a234567890123456", 4, "at most 15"),
        ("CNI_NETNS", "", 4, "CNI_NETNS"),
        ("CNI_NETNS", "run/netns/one", 8, "absolute path"),
        ("CNI_NETNS", "/proc/self/ns/net", 8, "CNI_NETNS_OVERRIDE"),
        ("CNI_NETNS", "/proc/self/ns/mnt", 8, "not a network namespace"),
        ("CNI_NETNS", "/dev/null", 8, "not a network namespace"),
        ("CNI_NETNS", "/etc/passwd", 8, "not a network namespace"),
        ("CNI_NETNS", "/", 8, "not a network namespace"),
        ("CNI_ARGS", "IP", 4, "exactly one '='"),
        ("CNI_ARGS", "IP=ten", 4, "10.0.0.5"),
        ("CNI_ARGS", "IP=10.1.2.09", 4, "10.1.2.09"),
        ("CNI_ARGS", "IP=10.9.9.9", 7, "10.9.9.9"),
        ("CNI_ARGS", "IP=10.1.2.2", 100, "good"),
        ("CNI_ARGS", "OTHER=1", 4, "IgnoreUnknown=1"),
    ] {
        let (said, text) = stage.refused(&add().with(variable, value), config.as_bytes());
        assert!(said == code && text.contains(words), "{variable}={value:.40}: {said} {text}");
    }
    // Whoever means it may attach the plugin's own namespace.
    let own = add().with("CNI_NETNS", "/proc/self/ns/net").with("CNI_NETNS_OVERRIDE", "TRUE");
    own.run_text(config.as_bytes()).ok();
}

#[test]
fn an_empty_pool_and_a_verb_that_is_too_new() {
    let stage = Stage::new();
    let config = stage.config(json!({"subnet": "10.1.2.0/29"}));
    for container in ["b", "c", "d", "e"] {
        Call::attachment(ipam_binary(), "ADD", container).run(&config).ok();
    }
    // Self-GC may look, but has no proof for any of them.
    let (code, text) = stage.explained(&add().run(&config));
    assert!(code == 11 && text.contains("10.1.2.0/29"), "{text}");
    let status = Call::new(ipam_binary(), "STATUS");
    let (code, text) = stage.explained(&status.run(&config));
    assert!(code == 50 && text.contains("10.1.2.0/29"), "{text}");
    let mut without = config.clone();
    without["ipam"]["subnet"] = json!("10.1.4.0/24");
    status.run(&without).ok();
    without["ipam"]["resolvConf"] = json!("/nowhere");
    let (code, text) = stage.explained(&status.run(&without));
    assert!(code == 50 && text.contains("/nowhere"), "{text}");
    let mut old = config.clone();
    old["cniVersion"] = json!("1.0.0");
    for verb in ["GC", "STATUS"] {
        let call = Call::new(ipam_binary(), verb);
        let (code, text) = stage.refused(&call, old.to_string().as_bytes());
        assert!(code == 1 && text.contains("1.1.0"), "{text}");
    }
}

#[test]
fn a_spoilt_list_of_attachments_frees_nothing() {
    let stage = Stage::new();
    let call = Call::new(ipam_binary(), "GC");
    for (list, words) in [
        (json!("none"), "want a list"),
        (json!([{"containerID": "x"}]), "ifname"),
        (json!([{"containerID": "../x", "ifname": "eth0"}]), "invalid characters"),
        (json!([null]), "want an object"),
    ] {
        let mut config = stage.config(json!({"subnet": "10.1.2.0/29"}));
        config["cni.dev/valid-attachments"] = list;
        let (code, text) = stage.refused(&call, config.to_string().as_bytes());
        assert!(code == 7 && text.contains(words), "{text}");
    }
}

#[test]
fn del_and_check_of_what_is_not_there() {
    let stage = Stage::new();
    let mut config = stage.config(json!({"subnet": "10.1.2.0/29"}));
    config["prevResult"] = json!({"ips": [{"address": "10.1.2.3/29"}]});
    let call = |verb| Call::attachment(ipam_binary(), verb, "unknown");
    let (code, text) = stage.refused(&call("CHECK"), config.to_string().as_bytes());
    assert!(code == 104 && text.contains("unknown"), "{text}");
    // Whatever else is wrong, DEL needs network, container and interface alone.
    let before = contents(stage.folder.path());
    for ipam in [json!({"subnet": "x"}), json!({}), json!({"ranges": 7}), json!({"pools": true})] {
        call("DEL").with("CNI_NETNS", "/nowhere").run(&stage.config(ipam)).ok();
    }
    assert_eq!(contents(stage.folder.path()), before);
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let stage = Stage::new();
    for file in ["index", "leases", "leases.copy"] {
        let path = stage.folder.path().join("store/net").join(file);
        let mut octets = fs::read(&path).unwrap();
        // A word that names the file, then the number of its format.
        assert_eq!((&octets[..4], octets[8]), (&b"ptln"[..], 1), "{file}");
        octets[8] = 2;
        fs::write(&path, octets).unwrap();
    }
    let mut config = stage.config(json!({"subnet": "10.1.2.0/29"}));
    config["prevResult"] = json!({"ips": [{"address": "10.1.2.2/29"}]});
    config["cni.dev/valid-attachments"] = json!([]);
    for verb in ["ADD", "CHECK", "DEL", "GC", "STATUS"] {
        let call = Call::attachment(ipam_binary(), verb, "good");
        let (code, text) = stage.refused(&call, config.to_string().as_bytes());
        let expected = if verb == "STATUS" { 50 } else { 102 };
        assert!(code == expected && text.contains("newer version"), "{verb}: {code} {text}");
    }
}

#[test]
fn a_process_without_a_runtime_says_what_it_is() {
    let answer = Call::new(ipam_binary(), "").run_text(b"");
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(0), ""));
    assert!(answer.stderr.contains("CNI protocol versions supported: 0.1.0"), "{answer:?}");
    let versions = Call::new(ipam_binary(), "VERSION").run_text(b"not read").ok();
    assert_eq!(versions["supportedVersions"].as_array().unwrap().len(), 7, "{versions}");
}
