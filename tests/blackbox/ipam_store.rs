//! What the store promises beside surviving faults: costs that do not grow, and DEL on a full disk.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;

use portolan_tests::ipam_store::{Network, plugin, printed_addresses};
use portolan_tests::namespace::{inside_with_mounts, run};
use portolan_tests::soak::rounds;
use serde_json::json;

/// Returns how many system calls of each kind the plugin makes for a call.
fn system_calls(network: &Network, verb: &str, container: &str) -> BTreeMap<String, usize> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = network.call("/usr/bin/strace", verb, container).command();
    command.args(["-qq", "-o"]).arg(log.path()).arg("--").arg(plugin());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(network.stdin(verb).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{verb} {container}: {output:?}");
    let mut calls = BTreeMap::new();
    for line in fs::read_to_string(log.path()).unwrap().lines() {
        let name = line.split('(').next().unwrap_or_default();
        *calls.entry(name.to_owned()).or_insert(0) += 1;
    }
    calls
}

/// Returns the calls that read or write, which are what grows with host-local's leases.
fn reads_and_writes(calls: &BTreeMap<String, usize>) -> usize {
    let of = |name: &str| calls.get(name).copied().unwrap_or_default();
    ["read", "pread64", "write", "pwrite64", "openat", "getdents64"].into_iter().map(of).sum()
}

/// Time depends on the machine; what a process asks of the system does not.
#[test]
fn calls_cost_the_same_with_many_leases() {
    let root = tempfile::tempdir().unwrap();
    let mut network = Network::new(
        root.path(),
        json!({"ranges": [[{"subnet": "10.0.0.0/8"}], [{"subnet": "fd00::/64"}]], "quarantine": 0}),
    );
    network.attach("first");
    let cost = |network: &Network, container: &str| {
        let [add, again, del] = ["ADD", "ADD", "DEL"]
            .map(|verb| reads_and_writes(&system_calls(network, verb, container)));
        (add, again, del)
    };
    let few = cost(&network, "few");
    let leases = rounds(3000, 65_000);
    for at in 0..leases {
        network.add(&format!("filler{at}")).unwrap();
    }
    let many = cost(&network, "many");
    // A bucket may have a few more slots to go through.
    for (few, many) in [(few.0, many.0), (few.1, many.1), (few.2, many.2)] {
        assert!(many <= few + 12, "{few} calls with one lease, {many} with {leases}");
    }
}

/// A full file system fails an ADD that needs room, changes nothing, and lets DEL do its work.
#[test]
fn a_full_disk_fails_add_and_not_del() {
    inside_with_mounts("a_full_disk_fails_add_and_not_del", || {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().display().to_string();
        run("mount", &["-t", "tmpfs", "-o", "size=400k", "tmpfs", &path]);
        let mut network = Network::new(
            root.path(),
            json!({"ranges": [[{"subnet": "10.1.0.0/24"}]], "quarantine": 0}),
        );
        for at in 0..60 {
            network.attach(&format!("c{at}"));
        }
        let filler = root.path().join("filler");
        let written = fs::write(&filler, vec![1; 1 << 20]);
        assert!(written.is_err(), "the file system is not full");
        let call = |verb: &str, container: &str| {
            network.call(plugin(), verb, container).run(&network.stdin(verb))
        };
        // There is room for 64 leases.
        let mut given = Vec::new();
        for at in 60..64 {
            given.push(printed_addresses(&call("ADD", &format!("c{at}")).ok()));
        }
        let (code, text) = call("ADD", "one-too-many").error();
        assert!(code == 5 && text.contains("free space"), "{code}: {text}");
        for at in 0..64 {
            call("CHECK", &format!("c{at}")).ok();
        }
        call("DEL", "c0").ok();
        call("DEL", "c63").ok();
        assert_eq!(printed_addresses(&call("ADD", "instead").ok()).len(), 1);
        fs::remove_file(&filler).unwrap();
        call("ADD", "one-too-many").ok();
        assert_eq!(network.held().len(), 64);
    });
}

/// However far the first ADD came before the disk was full: nothing was given out, and that needs no space to be said.
#[test]
fn what_was_never_given_out_needs_no_space() {
    inside_with_mounts("what_was_never_given_out_needs_no_space", || {
        // A page or a file more for each step of the store's way.
        let by_size: Vec<String> = (1..=200).map(|pages| format!("size={}k", 4 * pages)).collect();
        let by_files: Vec<String> = (1..=20).map(|files| format!("nr_inodes={files}")).collect();
        let mut left_behind = BTreeSet::new();
        for limits in [by_size, by_files] {
            let enough = limits.iter().position(|limit| {
                let root = tempfile::tempdir().unwrap();
                let store = root.path().join("store").display().to_string();
                fs::create_dir(&store).unwrap();
                run("mount", &["-t", "tmpfs", "-o", limit, "tmpfs", &store]);
                let left = without_space(root.path());
                let is_enough = left.is_none();
                left_behind.extend(left.into_iter().flatten());
                run("mount", &["-o", "remount,size=1m,nr_inodes=100", &store]);
                let network = Network::new(root.path(), json!({"subnet": "10.1.0.0/24"}));
                for verb in ["ADD", "CHECK", "DEL"] {
                    network.call(plugin(), verb, "first").run(&network.stdin(verb)).ok();
                }
                run("umount", &[&store]);
                is_enough
            });
            assert!(enough.is_some_and(|at| at > 3), "{enough:?}");
        }
        for name in ["leases", "leases.copy", "journal"] {
            assert!(left_behind.contains(name), "{left_behind:?}");
        }
    });
}

/// Asks every verb of a store that no ADD can make, and returns what is left of that; none when there is space for it.
fn without_space(root: &Path) -> Option<Vec<String>> {
    let mut network = Network::new(root, json!({"subnet": "10.1.0.0/24"}));
    let call = |network: &Network, verb: &str, container: &str| {
        network.call(plugin(), verb, container).run(&network.stdin(verb))
    };
    let answer = call(&network, "ADD", "first");
    if answer.code == Some(0) {
        return None;
    }
    assert_eq!(answer.error().0, 5);
    call(&network, "DEL", "first").ok();
    call(&network, "GC", "").ok();
    assert_eq!(call(&network, "CHECK", "first").error().0, 104);
    // What host-local gave out has to be freed by whoever can write.
    let files = root.join("host-local/net");
    fs::create_dir_all(&files).unwrap();
    fs::write(files.join("10.1.0.9"), "old\r\neth0").unwrap();
    call(&network, "DEL", "first").ok();
    let answer = call(&network, "DEL", "old");
    // Where the store could be made, and only the settings beside it could not, it can be imported.
    assert_eq!(files.join("10.1.0.9").exists(), answer.code == Some(1), "{answer:?}");
    if answer.code == Some(1) {
        assert_eq!((answer.error().0, call(&network, "GC", "").error().0), (5, 5));
        network.live.insert("old".to_owned(), BTreeSet::new());
        call(&network, "GC", "").ok();
    }
    let names = fs::read_dir(root.join("store/net")).into_iter().flatten();
    Some(names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
}
