//! The plugin is cut short at every system call, every write fails, and files lose their ends: afterwards no address is
//! held twice, none is lost, and after GC the store equals the attachments that live.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
#![expect(clippy::panic, reason = "as above")]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use cni_ipam::tools;
use portolan_tests::cni::Answer;
use portolan_tests::ipam_store::{Network, folder, plugin, printed_addresses};
use portolan_tests::random::Random;
use portolan_tests::soak::{rounds, soak};
use serde_json::{Value, json};
use tempfile::TempDir;

const STRACE: &str = "/usr/bin/strace";

/// Calls that change files or could: each of them is made to fail.
const WRITES: [&str; 13] = [
    "write",
    "pwrite64",
    "fallocate",
    "ftruncate",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "openat",
    "fsync",
    "fdatasync",
];

/// Addresses of the pool of the small network.
const SMALL: usize = 13;

const IMPORT: &str = "ADD that imports";

/// A network as it is before a call, and the call.
struct Scenario {
    name: &'static str,
    network: Network,
    verb: &'static str,
    container: &'static str,
    /// Addresses of its pool, if it is small enough to be filled.
    capacity: Option<usize>,
    _root: TempDir,
}

fn small() -> Value {
    json!({"ranges": [[{"subnet": "10.1.2.0/28"}]], "quarantine": 3600})
}

/// A network with attachments, of which those that begin with `gone` have been deleted.
fn network(ipam: Value, containers: &[&str]) -> (TempDir, Network) {
    let root = folder();
    let mut network = Network::new(root.path(), ipam);
    for container in containers {
        network.attach(container);
    }
    for container in containers.iter().filter(|container| container.starts_with("gone")) {
        network.live.remove(*container);
        network.del(container).unwrap();
    }
    (root, network)
}

fn scenario(
    name: &'static str,
    (root, network): (TempDir, Network),
    (verb, container): (&'static str, &'static str),
    capacity: Option<usize>,
) -> Scenario {
    Scenario { name, network, verb, container, capacity, _root: root }
}

fn scenarios() -> Vec<Scenario> {
    let some = ["a", "gone1", "b", "gone2", "c"];
    let dual = json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]], "quarantine": 0});
    let full: Vec<String> = (0..64).map(|at| format!("c{at}")).collect();
    let full: Vec<&str> = full.iter().map(String::as_str).collect();
    let mut durable = small();
    durable["durable"] = json!(true);
    let mut in_step = small();
    in_step["keepHostLocal"] = json!(true);
    let to_collect = || {
        let (root, mut network) = network(small(), &some);
        network.live.remove("a");
        network.live.remove("c");
        (root, network)
    };
    let without_index = network(small(), &some);
    fs::remove_file(without_index.1.file("index")).unwrap();
    let without_copy = network(small(), &some);
    fs::remove_file(without_copy.1.file("leases.copy")).unwrap();
    let imported = {
        let root = folder();
        let folder = root.path().join("host-local/net");
        fs::create_dir_all(&folder).unwrap();
        let mut network = Network::new(root.path(), in_step.clone());
        for (address, container) in [("10.1.2.2", "a"), ("10.1.2.3", "b")] {
            fs::write(folder.join(address), format!("{container}\r\neth0")).unwrap();
            network.live.insert(container.to_owned(), [address.parse().unwrap()].into());
        }
        (root, network)
    };
    let of_another_boot = |ipam: Value| {
        let root = folder();
        let mut network = Network::new(root.path(), ipam);
        network.be_in_another_boot(true);
        for container in some {
            network.attach(container);
        }
        network.be_in_another_boot(false);
        network.live.clear();
        (root, network)
    };
    vec![
        scenario("the first ADD of a boot", of_another_boot(small()), ("ADD", "new"), Some(SMALL)),
        scenario(
            "the first ADD of a boot in a durable store",
            of_another_boot(durable.clone()),
            ("ADD", "new"),
            Some(SMALL),
        ),
        scenario("the first ADD", network(small(), &[]), ("ADD", "new"), Some(SMALL)),
        scenario("ADD", network(small(), &some), ("ADD", "new"), Some(SMALL)),
        scenario("ADD again", network(small(), &some), ("ADD", "b"), Some(SMALL)),
        scenario("ADD of two families", network(dual.clone(), &some), ("ADD", "new"), None),
        scenario("ADD that needs room", network(dual.clone(), &full), ("ADD", "new"), None),
        scenario("ADD that makes the index anew", without_index, ("ADD", "new"), Some(SMALL)),
        scenario("ADD that makes the copy anew", without_copy, ("ADD", "new"), Some(SMALL)),
        scenario(IMPORT, imported, ("ADD", "new"), Some(SMALL)),
        scenario(
            "ADD of a durable store",
            network(durable.clone(), &some),
            ("ADD", "new"),
            Some(SMALL),
        ),
        scenario(
            "ADD in step with host-local",
            network(in_step.clone(), &some),
            ("ADD", "new"),
            Some(SMALL),
        ),
        scenario("DEL", network(small(), &some), ("DEL", "b"), Some(SMALL)),
        scenario("DEL of two families", network(dual, &some), ("DEL", "b"), None),
        scenario("DEL of a durable store", network(durable, &some), ("DEL", "b"), Some(SMALL)),
        scenario("DEL in step with host-local", network(in_step, &some), ("DEL", "b"), Some(SMALL)),
        scenario("GC", to_collect(), ("GC", ""), Some(SMALL)),
    ]
}

/// Runs the call of a scenario with a fault injected by strace, on a copy of its network; checks what is left behind.
fn with_fault(scenario: &Scenario, injection: &str) -> Answer {
    let root = folder();
    let mut network = scenario.network.copy_to(root.path());
    let answer = traced(&network, scenario, &["-e", &format!("inject={injection}")], root.path());
    let told = format!("{} with {injection}: {answer:?}", scenario.name);
    let container = scenario.container;
    match scenario.verb {
        "ADD" if answer.code == Some(0) => {
            let given = printed_addresses(&answer.json());
            let known = network.live.insert(container.to_owned(), given.clone());
            assert!(known.is_none_or(|known| known == given), "{told}");
        }
        "DEL" => drop(network.live.remove(container)),
        _ => {}
    }
    // What only host-local knows is not in the store before a call has come to its end.
    if scenario.name != IMPORT {
        network.assert_nothing_is_lost();
    }
    network.attach("afterwards");
    let again = match scenario.verb {
        "ADD" => network.add(container).map(|given| {
            let known = network.live.insert(container.to_owned(), given.clone());
            assert!(known.is_none_or(|known| known == given), "{told}");
        }),
        "DEL" => network.del(container),
        _ => network.gc(),
    };
    again.unwrap_or_else(|failure| panic!("{told}: then {failure}"));
    network.assert_nothing_is_lost();
    network.assert_equals_live_attachments();
    // All of them in a soak; else of one case in three.
    if let Some(capacity) =
        scenario.capacity.filter(|_| soak().is_some() || injection.len().is_multiple_of(3))
    {
        network.assert_all_others_can_be_given(capacity);
    }
    answer
}

/// Runs the call of a scenario under strace.
fn traced(network: &Network, scenario: &Scenario, options: &[&str], root: &Path) -> Answer {
    let log = root.join("strace.log");
    let call = network.call(STRACE, scenario.verb, scenario.container);
    let mut command = call.command();
    command.args(["-qq", "-o"]).arg(&log).args(options).arg("--").arg(plugin());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{STRACE}: {error} (`make test` installs it)"));
    // A plugin that is killed early does not read it.
    let _ =
        child.stdin.take().unwrap().write_all(network.stdin(scenario.verb).to_string().as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    Answer { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Returns how often the call of a scenario makes each system call.
fn system_calls(scenario: &Scenario) -> BTreeMap<String, usize> {
    let root = folder();
    let network = scenario.network.copy_to(root.path());
    let answer = traced(&network, scenario, &[], root.path());
    assert_eq!(answer.code, Some(0), "{}: {answer:?}", scenario.name);
    let mut calls = BTreeMap::new();
    for line in fs::read_to_string(root.path().join("strace.log")).unwrap().lines() {
        let Some((name, _)) = line.split_once('(') else { continue };
        *calls.entry(name.to_owned()).or_insert(0) += 1;
    }
    // What starts a process has no fault of the plugin's.
    calls.remove("execve");
    assert!(
        calls.get("pwrite64").is_some_and(|count| *count > 1) || scenario.name == "ADD again",
        "{calls:?}"
    );
    calls
}

/// Every system call in a soak; else every one that writes, and some of the others.
fn is_tried(name: &str, number: usize) -> bool {
    soak().is_some() || WRITES[..10].contains(&name) || number % 9 == 1
}

#[test]
fn killed_at_every_system_call() {
    for scenario in scenarios() {
        let mut killed = 0;
        for (name, count) in system_calls(&scenario) {
            for number in (1..=count).filter(|number| is_tried(&name, *number)) {
                let answer = with_fault(&scenario, &format!("{name}:signal=KILL:when={number}"));
                killed += usize::from(answer.code.is_none());
            }
        }
        assert!(killed > 10, "{}: only {killed} calls were cut short", scenario.name);
    }
}

#[test]
fn every_write_fails() {
    for scenario in scenarios() {
        let mut failed = 0;
        for (name, count) in system_calls(&scenario) {
            if !WRITES.contains(&name.as_str()) {
                continue;
            }
            for number in 1..=count {
                for (at, error) in ["ENOSPC", "EIO"].into_iter().enumerate() {
                    // Both in a soak; else one of the two, and not every file that is opened.
                    let is_left_out = number % 2 != at || name == "openat" && number % 3 != 0;
                    if soak().is_none() && is_left_out {
                        continue;
                    }
                    let fault = format!("{name}:error={error}:when={number}");
                    let answer = with_fault(&scenario, &fault);
                    failed += usize::from(answer.code == Some(1));
                    // What fails says so as CNI has it, if it can say something.
                    if answer.code == Some(1) && name != "write" {
                        assert!(answer.json()["code"].is_u64(), "{answer:?}");
                    }
                    // From this call on all fail, as on a disk that stays full.
                    with_fault(&scenario, &format!("{fault}+"));
                }
            }
        }
        assert!(
            failed > 1 || scenario.name == "ADD again",
            "{}: only {failed} failed",
            scenario.name
        );
    }
}

/// Files of the store lose their ends: one at a time, at every octet in a soak.
#[test]
fn a_file_is_cut_short_at_every_octet() {
    let (_root, network) = network(small(), &["a", "gone1", "b", "gone2", "c"]);
    for name in ["leases", "leases.copy", "index", "journal"] {
        let length = fs::metadata(network.file(name)).unwrap().len();
        // All that is in use is within the first 8 KiB of the leases; behind it are slots that were never used.
        let step = |at: u64| {
            if soak().is_some() {
                1
            } else if at < 8192 {
                61
            } else {
                1999
            }
        };
        let mut at = 0;
        while at < length {
            let copy = folder();
            let mut network = network.copy_to(copy.path());
            let file = OpenOptions::new().write(true).open(network.file(name)).unwrap();
            file.set_len(at).unwrap();
            network.attach("afterwards");
            network.assert_nothing_is_lost();
            network.assert_equals_live_attachments();
            if at % 5 == 0 {
                network.assert_all_others_can_be_given(SMALL);
            }
            at += step(at);
        }
    }
}

/// Octets change by themselves. In the leases, which have checksums and a copy, nothing comes of it; in what can be made
/// anew, nothing ends the plugin but an error.
#[test]
fn changed_octets_are_mended_or_refused() {
    let (_root, network) = network(small(), &["a", "gone1", "b", "gone2", "c"]);
    let mut random = Random::new(11);
    for round in 0..rounds(400, 20_000) {
        let name = ["leases", "leases.copy", "index", "journal", "settings"][round % 5];
        let copy = folder();
        let mut network = network.copy_to(copy.path());
        let mut octets = fs::read(network.file(name)).unwrap();
        // Slots begin behind a page of header, which is read when the index is made anew; few of them are in use.
        let begin = if name.starts_with("leases") { 4096 } else { 0 };
        let end = octets.len().min(8192);
        for _ in 0..=random.below(3) {
            octets[begin + random.below(end - begin)] ^= 1 << random.below(8);
        }
        fs::write(network.file(name), octets).unwrap();
        if name == "index" {
            let _ = (network.add("afterwards"), network.del("b"), network.gc(), network.add("b"));
            let (site, address) = (network.site(), "10.1.2.2".parse().unwrap());
            let _ = (
                tools::list(&site, None),
                tools::verify(&site, None),
                tools::explain(&site, address),
            );
            continue;
        }
        network.attach("afterwards");
        network.assert_nothing_is_lost();
        if name.starts_with("leases") {
            // What `portolan ipam verify` tells to do about a damaged copy.
            fs::remove_file(network.file("index")).unwrap();
            network.attach("again");
        }
        network.assert_equals_live_attachments();
        network.assert_all_others_can_be_given(SMALL);
    }
}
